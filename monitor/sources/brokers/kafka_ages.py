"""How old the messages are that wait in the partitions of a topic. Kafka tells only how many there are.

Each bound is one of a partition: its next message is younger than the last one that was fetched from it, and arrived
after the last moment at which none waited there.
"""

from collections.abc import Collection, Iterable

from monitor.sources.source import Payload


class Ages:
    """Moments after which the waiting messages of each partition were sent, in seconds since the epoch."""

    def __init__(self) -> None:
        self._after: dict[str, float] = {}

    def fetched(self, payloads: Iterable[Payload]) -> None:
        """What comes after these payloads is younger."""
        for shard, sent_at in {one.shard: one.sent_at for one in payloads}.items():
            if sent_at is not None:
                self._note(shard, sent_at)

    def looked(self, at: float, assigned: Iterable[str], waiting: Collection[str]) -> None:
        """At this moment, only the partitions in `waiting` had messages."""
        for shard in assigned:
            if shard not in waiting:
                self._note(shard, at)

    def forget(self, shards: Iterable[str]) -> None:
        """Others may have read on in these partitions."""
        for shard in shards:
            self._after.pop(shard, None)

    def oldest(self, waiting: Collection[str], now: float) -> float | None:
        """The most seconds that a message can have waited; None while a waiting partition has told nothing."""
        if not all(shard in self._after for shard in waiting):
            return None
        return max((max(0.0, now - self._after[shard]) for shard in waiting), default=0.0)

    def _note(self, shard: str, after: float) -> None:
        self._after[shard] = max(after, self._after.get(shard, after))
