"""Watchkeeper keeps watch over machine-learning models in production."""

from monitor.processor import choose_sort

__version__ = "0.1.0"

choose_sort()
