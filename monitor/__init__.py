"""Watchkeeper keeps watch over machine-learning models in production."""

from importlib import import_module
from typing import Any

from monitor.processor import choose_sort, keep_freed_memory

__version__ = "0.1.0"

choose_sort()
keep_freed_memory()


def __getattr__(name: str) -> Any:
    """`from monitor import compare`: loaded when asked for, because Arrow and numpy take their time."""
    if name == "compare":
        return import_module("monitor.comparison").compare
    raise AttributeError(f"module 'monitor' has no attribute '{name}'")
