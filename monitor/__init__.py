"""Watchkeeper keeps watch over machine-learning models in production. Programs import it as `watchkeeper`.

`from monitor import compare, gate, rehearse` works as well. Each is loaded when it is first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

FUNCTIONS = {"compare": "monitor.comparison", "gate": "monitor.gating", "rehearse": "monitor.rehearsal"}
"""The functions for notebooks and scripts, and their modules."""


def __getattr__(name: str) -> Any:
    """Load one of `FUNCTIONS`.

    Raises:
        AttributeError: there is no such function.
    """
    if name not in FUNCTIONS:
        message = f"module 'monitor' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(FUNCTIONS[name]), name)
