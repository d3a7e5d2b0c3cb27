"""Counts rows into profiles, one per window: layouts (`layout/`), the counting kernel (`kernel/`), baselines, rolling
sums.

Start with `counting.py` (counting of new batches) and `profile.py` (the counts of a window).
"""
