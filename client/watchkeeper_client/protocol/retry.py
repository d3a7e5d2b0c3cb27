"""When to try again."""

from __future__ import annotations

import os
from datetime import datetime, timezone

FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
LONGEST_ASKED_WAIT = 300.0
"""Seconds that a daemon may ask for by Retry-After."""


def backoff(failures: int, chance: float | None = None) -> float:
    """Seconds to wait after so many failures in a row: they double, up to a minute, and half of them is chance."""
    if chance is None:
        chance = int.from_bytes(os.urandom(4), "big") / 2**32
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 20))
    return longest * (0.5 + 0.5 * chance)


def asked_wait(retry_after: str, date: str) -> float:
    """Seconds that `Retry-After` asks for, 0 where it says nothing that can be read.

    A point in time is held against the answer's own `Date`, so this machine's clock does not matter.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_ASKED_WAIT)
    try:
        until = _time(text)
        now = _time(date) if date else datetime.now(timezone.utc)
        return min(max((until - now).total_seconds(), 0.0), LONGEST_ASKED_WAIT)
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0


def _time(text: str) -> datetime:
    from email.utils import parsedate_to_datetime

    time = parsedate_to_datetime(text)
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
