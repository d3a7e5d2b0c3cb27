"""Differences between the columns of a window and of the baseline: distances, tests, shifts, missing and new values."""
