"""From rows to counts: which buckets a column has, the profile of a window, the baseline it is held against."""
