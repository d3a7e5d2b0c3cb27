"""What can fail on the way to the daemon, and what comes back when nothing does."""

from __future__ import annotations

from typing import NamedTuple


class TransportError(Exception):
    """No answer came, for the reason in words."""


class SpoolError(Exception):
    """The spool cannot be used, for the reason in words."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    retry_after: str
    date: str
