"""Attributions of features: how large they are, and whether they are as in the baseline."""
