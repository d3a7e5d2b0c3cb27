"""Records that were refused, as engineers read them: how many for which reason, and the newest as they came."""

from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.records import Stream
from monitor.store import quarantine
from monitor.store.quarantine import Quarantined

DAY = 86400.0
MOST_SHOWN = 20
_MOST_READ = 2000
_MOST_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Refusals:
    """The last day's refusals of a model: how many of each reason, the most frequent first, and the newest."""

    reasons: tuple[tuple[str, int], ...]
    newest: tuple[Quarantined, ...]

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(count for _, count in self.reasons)


def of_stream(connection: Connection, stream: Stream, now: float) -> Refusals:
    """What was refused of a model within the last day."""
    kept = quarantine.latest(connection, stream.client, _MOST_READ)
    mine = [one for one in kept if one.rejected.model == stream.model and one.at > now - DAY]
    counts: dict[str, int] = {}
    for one in mine:
        counts[one.reason] = counts.get(one.reason, 0) + one.count
    reasons = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return Refusals(tuple(reasons), tuple(mine[:MOST_SHOWN]))


def record(one: Quarantined) -> str:
    """The record as it came, cut where it is long."""
    text = one.rejected.record.decode("utf-8", "replace")
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} …"
