"""Matches outcomes to their predictions. Start with `join.py`."""
