"""Which runs may lack some of their spans, because no daemon took them in."""

from collections.abc import Sequence

SENT_WITHIN = 30.0
"""Seconds after its end within which a span is sent, as exporters do in batches."""


def was_interrupted(periods: Sequence[tuple[float, float]], start: float, end: float) -> bool:
    """Whether no daemon listened at some time between `start` and `end`, or shortly after. Times are in seconds.

    `periods` are those in which daemons listened, the first beginning first. Before the first one nothing is known, but
    that a run which began before it went on in it.
    """
    if not periods:
        return False
    if start < periods[0][0] < end:
        return True
    reached = periods[0][1]
    for since, until in periods[1:]:
        if reached < since and start < since and end + SENT_WITHIN > reached:
            return True
        reached = max(reached, until)
    return False
