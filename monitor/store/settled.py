"""Whether a stretch of a stream's past is as it will stay: all rows counted, and by the present layout."""

from sqlalchemy import Connection, select

from monitor.records import Stream, Window
from monitor.store import register
from monitor.store.predictions import BATCHES
from monitor.store.profiles import PROFILES


def is_settled(connection: Connection, stream: Stream, seconds: int, layout: str, span: Window) -> bool:
    """False while rows of the span wait to be counted, or to be counted again by `layout`.

    `seconds` is the length of a base window. Old profiles whose rows are no longer kept stay as they are.
    """
    own = (BATCHES.c.stream == register.find(connection, stream), BATCHES.c.start < span.end)
    inside = (*own, BATCHES.c.start >= span.start)
    same = (PROFILES.c.stream == BATCHES.c.stream, PROFILES.c.start == BATCHES.c.start)
    by_another = (*same, PROFILES.c.seconds == seconds, PROFILES.c.layout != layout)
    waiting = select(BATCHES.c.id).where(*inside, ~BATCHES.c.counted).limit(1)
    outdated = select(BATCHES.c.id).join(PROFILES, same[0]).where(*inside, *by_another).limit(1)
    return connection.scalar(waiting) is None and connection.scalar(outdated) is None
