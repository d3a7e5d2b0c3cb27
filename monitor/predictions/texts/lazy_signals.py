"""Imports `monitor.signals` when the first text arrives: it takes 3 MB, which daemons without texts save."""

from importlib import import_module
from typing import Any


def registry() -> Any:
    """`monitor.signals.registry`: `SIGNALS`, `measure` and `redact`."""
    return import_module("monitor.signals.registry")


def calls() -> Any:
    """`monitor.signals.calls`: `Calls` and `Registered`."""
    return import_module("monitor.signals.calls")


def batch() -> Any:
    """`monitor.signals.batch`: `CallBatch`."""
    return import_module("monitor.signals.batch")


def plugin() -> Any:
    """`monitor.signals.plugins.plugin`: `Plugin`."""
    return import_module("monitor.signals.plugins.plugin")
