"""Silences and maintenance windows, as people set them."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection

from monitor.durations import format_duration
from monitor.errors import InputError, NotFoundError
from monitor.records import Silence
from monitor.rules import matchers
from monitor.store import silences

LONGEST = 30 * 86400.0
"""Nobody remembers a silence for longer than this; set it anew."""


def add(
    connection: Connection,
    wanted: Sequence[str],
    *,
    starts_at: float,
    seconds: float,
    author: str,
    comment: str,
    now: float,
) -> Silence:
    """Set a silence; a maintenance window is one that begins later.

    Raises:
        InputError: without matchers, an author, a reason or a sensible end, or with a matcher that is none.
    """
    if not wanted:
        raise InputError("a silence needs at least one matcher", hint='such as model="fraud"')
    if not author.strip() or not comment.strip():
        raise InputError("a silence needs an author and a reason", hint="somebody will ask at three at night")
    if not 0 < seconds <= LONGEST:
        raise InputError(f"a silence lasts up to {format_duration(LONGEST)}", hint="set it anew when it ends")
    try:
        parsed = tuple(str(matchers.parse(text)) for text in wanted)
    except ValueError as error:
        raise InputError(str(error)) from error
    name = hashlib.sha256("\0".join((*parsed, author, str(starts_at), str(now))).encode()).hexdigest()[:8]
    silence = Silence(name, parsed, starts_at, starts_at + seconds, author.strip(), comment.strip())
    silences.add(connection, silence)
    return silence


def expire(connection: Connection, identity: str, now: float) -> None:
    """End a silence early.

    Raises:
        NotFoundError: there is none of that name, or it is over.
    """
    if not silences.expire(connection, identity, now):
        raise NotFoundError(f"no silence {identity!r} is in force", hint="watchkeeper silence list")
