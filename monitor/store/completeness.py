"""Whether all rows of a period are counted, and by the current layout, so that its profiles will not change."""

from sqlalchemy import Connection, func, select

from monitor.records import Stream, Window
from monitor.store import streams
from monitor.store.predictions import BATCHES
from monitor.store.profiles import PROFILES


def is_settled(connection: Connection, stream: Stream, seconds: int, layout: str, span: Window) -> bool:
    """False while rows of the span have not been counted, or not by `layout`.

    `seconds` is the length of a base window. Old profiles whose rows have been deleted are not considered.
    """
    own = (BATCHES.c.stream == streams.find(connection, stream), BATCHES.c.start < span.end)
    inside = (*own, BATCHES.c.start >= span.start)
    same = (PROFILES.c.stream == BATCHES.c.stream, PROFILES.c.start == BATCHES.c.start)
    by_another = (*same, PROFILES.c.seconds == seconds, PROFILES.c.layout != layout)
    waiting = select(BATCHES.c.id).where(*inside, ~BATCHES.c.counted).limit(1)
    outdated = select(BATCHES.c.id).join(PROFILES, same[0]).where(*inside, *by_another).limit(1)
    return connection.scalar(waiting) is None and connection.scalar(outdated) is None


def first_waiting(connection: Connection, stream: Stream, span: Window) -> float | None:
    """The start of the first window within the span that has rows which have not been counted at all."""
    own = (BATCHES.c.stream == streams.find(connection, stream), ~BATCHES.c.counted)
    inside = (*own, BATCHES.c.start >= span.start, BATCHES.c.start < span.end)
    first: float | None = connection.scalar(select(func.min(BATCHES.c.start)).where(*inside))
    return first
