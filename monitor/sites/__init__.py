"""Sites: places without a network that send what they counted in signed bundles.

`Embedded` is a site inside the process of a model. It is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.sites.embedded import Embedded

__all__ = ["Embedded"]


def __getattr__(name: str) -> Any:
    if name != "Embedded":
        raise AttributeError(f"module 'monitor.sites' has no attribute {name!r}")
    return import_module("monitor.sites.embedded").Embedded
