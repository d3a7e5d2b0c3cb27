"""Resolves host names within a time limit: the system's resolver has none and cannot be interrupted."""

import ipaddress
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from functools import partial
from typing import Any

import httpcore2

from monitor.outgoing.budget import CallBudget

MOST_ADDRESSES = 8
OWN_NAME_SECONDS = 2.0

_lock = threading.Lock()
_under_way: dict[str, Future[Any]] = {}
"""Running look-ups. There is one per name at a time, so that a name server that hangs blocks one thread per name."""


def addresses(host: str, budget: CallBudget) -> list[str]:
    """The addresses of a host, in order of preference.

    Raises:
        httpcore2.ConnectError: the name cannot be resolved.
        httpcore2.ConnectTimeout: the name was not resolved in time.
    """
    if _is_address(host):
        return [host]
    left = budget.left()
    try:
        resolved: list[str] = _asked(host, partial(_resolved, host)).result(left)
    except NotYet as error:
        raise httpcore2.ConnectTimeout(f"the name {host} was not resolved within {left:.3g} s") from error
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise httpcore2.ConnectError(f"the name {host} cannot be resolved: {words}") from error
    return resolved


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def own_name() -> str:
    """The fully qualified name of this host; empty if it has none, or it is not resolved in time."""
    try:
        name = _asked("", socket.getfqdn).result(OWN_NAME_SECONDS)
    except (NotYet, OSError, ValueError):
        return ""
    return name if "." in name and name.isascii() and name.isprintable() else ""


def _asked(subject: str, ask: Callable[[], Any]) -> Future[Any]:
    with _lock:
        known = _under_way.get(subject)
        if known is None:
            known = _under_way[subject] = Future()
            try:
                threading.Thread(target=_ask, args=(subject, ask, known), name="resolve", daemon=True).start()
            except RuntimeError:
                del _under_way[subject]
                raise
    return known


def _ask(subject: str, ask: Callable[[], Any], answer: Future[Any]) -> None:
    try:
        result = ask()
    except BaseException as error:  # raised in all waiting callers; the next call looks it up again
        _end(subject)
        answer.set_exception(error if isinstance(error, Exception) else OSError(repr(error)))
    else:
        _end(subject)
        answer.set_result(result)


def _end(subject: str) -> None:
    with _lock:
        _under_way.pop(subject, None)


def _resolved(host: str) -> list[str]:
    entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))[:MOST_ADDRESSES]
