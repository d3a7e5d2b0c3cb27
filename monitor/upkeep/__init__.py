"""What the daemon sees to between ticks: baselines, rules read anew, old rows forgotten."""
