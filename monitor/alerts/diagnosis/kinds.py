"""Kinds of problem within one alert: the error types of a rising error rate, the columns of a drift. Pure.

An alert may continue while another error type or column joins it. Each such kind gets an incident of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from monitor.config.units import DAY
from monitor.records import Alert, Labels
from monitor.store.incidents import Incident

LONGEST_WAIT = float(DAY)
"""Maximum seconds between two incidents about new kinds of one alert; the wait doubles each time."""


def kinds_of(alerts: Iterable[Alert]) -> tuple[tuple[str, str], ...]:
    """The known kinds of alerts, as incidents store them: (fingerprint, kind)."""
    return tuple(
        (alert.fingerprint, name)
        for alert in alerts
        for name, _ in (alert.diagnosis.kinds if alert.diagnosis else ())
    )


def due_kinds(alert: Alert, incidents: Sequence[Incident], now: float, wait: float) -> Labels:
    """The kinds of an alert, with their words, that none of its open incidents names, if they are due.

    They wait for `wait` seconds after the last incident was opened, twice as long after each, so that a drift that
    spreads from column to column does not send one page per column.
    """
    named = {kind for incident in incidents for kind in incident.kinds}
    kinds = alert.diagnosis.kinds if alert.diagnosis else ()
    new = tuple((name, words) for name, words in kinds if (alert.fingerprint, name) not in named)
    waited = now - max(incident.opened_at for incident in incidents)
    is_due = waited >= min(wait * 2 ** min(len(incidents) - 1, 20), LONGEST_WAIT)
    return new if is_due else ()


def about(alert: Alert, kinds: Labels) -> Alert:
    """The alert, described by these kinds alone."""
    if alert.diagnosis is None:
        return alert
    words_of_kinds = "now also " + "; ".join(words for _, words in kinds)
    return replace(alert, diagnosis=replace(alert.diagnosis, what=words_of_kinds, kinds=kinds))
