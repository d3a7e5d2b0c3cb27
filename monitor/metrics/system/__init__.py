"""Volume, latency, errors, and the daemon's own metrics."""
