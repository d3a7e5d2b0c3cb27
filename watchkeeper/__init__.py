"""Watchkeeper as a library: three functions for notebooks and scripts. The code is in the package `monitor`.

    from watchkeeper import compare, gate, rehearse

Each function is loaded when it is first used, because Arrow and numpy take half a second to load.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from monitor import FUNCTIONS, __version__

if TYPE_CHECKING:
    from monitor.comparison import compare
    from monitor.gating import gate
    from monitor.rehearsal import rehearse

__all__ = ["__version__", "compare", "gate", "rehearse"]


def __getattr__(name: str) -> Any:
    """Load a function of this package.

    Raises:
        AttributeError: there is no such function.
    """
    if name not in FUNCTIONS:
        message = f"module 'watchkeeper' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(FUNCTIONS[name]), name)
