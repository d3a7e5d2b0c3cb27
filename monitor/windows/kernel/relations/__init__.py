"""Counts of two columns together."""
