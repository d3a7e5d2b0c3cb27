"""Watchkeeper keeps watch over machine-learning models in production."""

from importlib import import_module
from typing import Any

from monitor.processor import choose_sort, keep_freed_memory

__version__ = "0.1.0"

choose_sort()
keep_freed_memory()


_LOADED_WHEN_ASKED_FOR = {"compare": "monitor.comparison", "rehearse": "monitor.rehearsal"}


def __getattr__(name: str) -> Any:
    """`from monitor import compare, rehearse`: loaded when asked for, because Arrow and numpy take their time."""
    if name in _LOADED_WHEN_ASKED_FOR:
        return getattr(import_module(_LOADED_WHEN_ASKED_FOR[name]), name)
    raise AttributeError(f"module 'monitor' has no attribute '{name}'")
