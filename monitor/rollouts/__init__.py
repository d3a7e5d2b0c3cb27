"""Rollouts: whether a new model version (canary) may be promoted, and step by step. Start with `verdict.py`."""
