"""Rejected records for engineers: counts by reason, and the newest as they were received."""

from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.config.units import DAY
from monitor.records import Stream
from monitor.store import quarantine
from monitor.store.quarantine import Quarantined, QuarantineFilter

MOST_SHOWN = 5
_MOST_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class QuarantineView:
    """The rejected records of a model in the last day: counts by reason, most frequent first, and the newest."""

    reasons: tuple[tuple[str, int], ...] = ()
    newest: tuple[Quarantined, ...] = ()

    @property
    def count(self) -> int:
        """Their number."""
        return sum(count for _, count in self.reasons)


def of_stream(connection: Connection, stream: Stream, now: float) -> QuarantineView:
    """The rejected records of a model in the last day."""
    wanted = QuarantineFilter(stream.client, stream.model, start=now - DAY)
    newest = quarantine.find(connection, wanted, limit=MOST_SHOWN)
    return QuarantineView(tuple(quarantine.reasons(connection, wanted)), tuple(newest))


def record(one: Quarantined) -> str:
    """The record as received, truncated if long."""
    text = one.rejected.record.decode("utf-8", "replace")
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} …"
