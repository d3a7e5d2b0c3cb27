"""Rollouts: whether a new model version (canary) may be promoted. Start with `verdict.py`."""
