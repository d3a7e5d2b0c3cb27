"""Silences and maintenance windows: created and expired by people, applied to new notifications of matching alerts."""

import contextlib
import hashlib
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from monitor.alerts.notification import alert_labels
from monitor.config.units import DAY, format_duration
from monitor.errors import InputError, NotFoundError
from monitor.records import Alert, Silence
from monitor.rules.language import matchers
from monitor.rules.language.matchers import Matcher, all_match
from monitor.runtime.faults import Faults
from monitor.store import advisory_locks, silences

SENT_AGAIN_WITHIN = 10.0
"""Seconds in which the same silence of the same author is the one that was sent before."""
LONGEST = 30.0 * DAY
"""The longest silence in seconds, so that a forgotten one expires."""


def is_active(silence: Silence, now: float) -> bool:
    """Whether a silence is in force."""
    return silence.expired_at is None and silence.starts_at <= now < silence.ends_at


class Silencer:
    """The silences in force at one moment. An unreadable silence is reported to `faults` and silences nothing."""

    def __init__(self, silences: Iterable[Silence], now: float, faults: Faults) -> None:
        self._active: list[tuple[Silence, Sequence[Matcher]]] = []
        for silence in silences:
            with faults.isolate("silences", silence.id):
                if is_active(silence, now):
                    self._active.append((silence, [matchers.parse(text) for text in silence.matchers]))

    def reason(self, alert: Alert) -> str:
        """Why an alert is silenced, or the empty string."""
        labels = alert_labels(alert) if self._active else {}
        for silence, parsed in self._active:
            if all_match(parsed, labels):
                return f"silenced by {silence.author}: {silence.comment}"
        return ""


def add(
    connection: Connection,
    texts: Sequence[str],
    *,
    starts_at: float,
    seconds: float,
    author: str,
    comment: str,
    now: float,
) -> tuple[Silence, bool]:
    """Store a silence for the alerts that match all matchers in `texts`; a maintenance window starts later than now.

    The same silence, sent twice within seconds, is stored once: a form or a request may be sent again. The second value
    says whether it is a new one.

    Raises:
        InputError: no matcher, an invalid matcher, no author, no reason, or a duration that is not allowed.
    """
    if not texts:
        raise InputError("a silence needs at least one matcher", hint='for example model="fraud"')
    if not author.strip() or not comment.strip():
        raise InputError("a silence needs an author and a reason", hint="set both, so that others can ask")
    if not 0 < seconds <= LONGEST:
        limit = format_duration(LONGEST)
        raise InputError(f"a silence lasts at most {limit}", hint="create a new one when it expires")
    try:
        parsed = tuple(str(matchers.parse(text)) for text in texts)
    except ValueError as error:
        raise InputError(str(error)) from error
    advisory_locks.lock(connection, "silences")
    for one in silences.load(connection, now):
        is_close = abs(one.starts_at - starts_at) + abs(one.ends_at - starts_at - seconds) < SENT_AGAIN_WITHIN
        if is_close and (one.matchers, one.author, one.comment) == (parsed, author.strip(), comment.strip()):
            return one, False
    content = (*parsed, author, comment, str(starts_at), str(seconds), str(now))
    name = hashlib.sha256("\0".join(content).encode()).hexdigest()[:12]
    silence = Silence(name, parsed, starts_at, starts_at + seconds, author.strip(), comment.strip())
    silences.add(connection, silence)
    return silence, True


def expire(connection: Connection, identity: str, now: float) -> None:
    """Expire a silence before its end.

    Raises:
        NotFoundError: no silence in force has this id.
    """
    if not silences.expire(connection, identity, now):
        raise NotFoundError(f"no silence {identity!r} is in force", hint="watchkeeper silence list")


def client_of(silence: Silence) -> str:
    """The one client that a silence is limited to; empty for several."""
    for text in silence.matchers:
        with contextlib.suppress(ValueError):
            matcher = matchers.parse(text)
            if (matcher.name, matcher.operator) == ("client", "="):
                return matcher.value
    return ""
