"""What is to be found out of the partitions of a topic, because Kafka does not tell it: how old the messages are that
wait, and which were deleted before they were read.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from time import monotonic, time
from typing import Any

from monitor.sources.source import Gone, Payload
from monitor.visible import counted

_ASK_EVERY = 10.0
"""Seconds. Transactions and compaction leave gaps all the time, and each question takes a call."""
Partition = tuple[str, int]
"""A topic and the number of a partition."""


class Ages:
    """Moments after which the waiting messages of each partition were sent, in seconds since the epoch.

    Each bound is one of a partition: its next message is younger than the last one that was fetched from it, and
    arrived after the last moment at which none waited there.
    """

    def __init__(self) -> None:
        self._after: dict[str, float] = {}

    def fetched(self, payloads: Iterable[Payload]) -> None:
        """What comes after these payloads is younger."""
        for shard, sent_at in {payload.shard: payload.sent_at for payload in payloads}.items():
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


class Gaps:
    """Offsets that were passed over since they were deleted: the source was behind for longer than the topic keeps its
    messages. `first` asks for the first offset that a partition still has.
    """

    def __init__(self, first: Callable[[Partition], int]) -> None:
        self._first = first
        self._next: dict[Partition, int] = {}
        self._asked: dict[Partition, float] = {}

    def assigned(self, positions: Mapping[Partition, int]) -> None:
        """These partitions are read on from here."""
        self._next |= positions
        for where in positions:
            self._asked.pop(where, None)

    def before(self, where: Partition, offset: int) -> list[Payload]:
        """What is told before the message at an offset: nothing, or one payload of what was deleted.

        Their number is an upper bound, since compaction leaves gaps as well.
        """
        begin, self._next[where] = self._next.get(where, offset), offset + 1
        if offset <= begin or monotonic() < self._asked.get(where, 0.0) + _ASK_EVERY:
            return []
        end = min(offset, self._first(where))
        self._asked[where] = monotonic()
        if end <= begin:
            return []
        lost = f"{counted(end - begin, 'message')} of the topic {'was' if end - begin == 1 else 'were'} deleted before"
        error = f"up to {lost} being read: the topic keeps messages for less time than the source was behind"
        span = f"offset {begin}" if end - begin == 1 else f"offsets {begin} to {end - 1}"
        name = "{}, partition {}, ".format(*where) + span
        return [Payload(b"", name, shard_of(*where), str(end), error=error)]


def gone(stored: Iterable[str], there: Iterable[Any]) -> Gone | None:
    """The positions in partitions that a topic no longer has: should it get them again, they begin at the beginning."""
    shards = {shard_of(one.topic, one.partition) for one in there}
    topics = {shard.rpartition("/")[0] for shard in shards}
    missing = [shard for shard in stored if shard not in shards and shard.rpartition("/")[0] in topics]
    return Gone(missing, time()) if missing else None


def shard_of(topic: str, partition: int) -> str:
    """What the positions of a partition are stored under."""
    return f"{topic}/{partition}"
