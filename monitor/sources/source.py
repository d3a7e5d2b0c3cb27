"""What every source implements, and the records that travel between a source, a format and the runner.

A source is a place where another program leaves messages, such as a topic or a queue. The runner
(`monitor.sources.runner`) fetches payloads, has a format turn them into records, stores records, refusals and the new
positions in one transaction, and only then acknowledges them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from monitor.errors import WatchkeeperError

Positions = Callable[[], Mapping[str, str]]
"""Reads the committed position per shard from the store."""


class SourceError(WatchkeeperError):
    """The source cannot be used now: unreachable, not authorized, or it does not exist. Retried later."""


class Payload(msgspec.Struct, frozen=True):
    """One message, object or set of rows.

    `name` is where people find it ("partition 3, offset 17"). `position` is where its shard continues after it; empty
    for a source without positions, where `key` identifies it when it is delivered again. `sent_at` is in seconds since
    the epoch, as the source reports it. `error` says why the source could not read what lies there; it goes to
    quarantine.
    """

    body: bytes
    name: str
    shard: str = ""
    position: str = ""
    key: bytes = b""
    sent_at: float | None = None
    headers: Mapping[str, str] = {}
    error: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """Shards that no longer exist. Their positions are forgotten unless they changed after `before` (epoch seconds)."""

    shards: Sequence[str]
    before: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """Payloads in their order, per shard. `receipt` is what the source needs to acknowledge them. `problem` says what
    of the source cannot be read while it goes on with all else.
    """

    payloads: Sequence[Payload] = ()
    receipt: Any = None
    gone: Gone | None = None
    problem: SourceError | None = None


def positions_after(payloads: Iterable[Payload]) -> dict[str, str]:
    """The position of each shard after these payloads."""
    return {payload.shard: payload.position for payload in payloads if payload.position}


@dataclass(frozen=True, slots=True)
class Lag:
    """What waits in the source: messages, and the age of the oldest in seconds. None where the source cannot tell."""

    waiting: int | None = None
    oldest_seconds: float | None = None


class Source(Protocol):
    """One connection to a source. Used by one thread; every call ends within its time-out.

    Every method raises SourceError where the source cannot be used; it is closed and opened again after a wait.
    """

    is_ordered: bool
    """Whether it continues at a position per shard. If not, messages may come again and are recognized by their key,
    or, without one, by their content where each record has an id or a timestamp."""

    def open(self, positions: Positions) -> None:
        """Connect. `positions` is called whenever the source has to find out where to continue."""

    def fetch(self, most: int, wait: float) -> Fetched:
        """Up to `most` payloads; waits up to `wait` seconds for the first."""

    def acknowledge(self, fetched: Fetched) -> None:
        """Tell the source that these payloads are stored and must not be delivered again."""

    def lag(self) -> Lag:
        """What waits to be fetched or acknowledged."""

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """Up to `most` recent messages, without any effect on who reads them. Called instead of `open`."""

    def close(self) -> None:
        """Disconnect; never raises."""
