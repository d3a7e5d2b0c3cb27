"""What a gauge reads: quantities of resources, queues and model servers at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from monitor.errors import WatchkeeperError


class Quantity(StrEnum):
    """What a reading measures. Levels are averaged over a minute; increments since the last reading are added up."""

    USED_SHARE = "used_share"
    """Level: used part of a limited resource, 0 to 1."""
    QUEUE_DEPTH = "queue_depth"
    """Level: messages or requests that wait, including those that somebody is working on."""
    QUEUE_AGE = "queue_age"
    """Level: age of the oldest waiting message in seconds."""
    OUT_OF_MEMORY_KILLS = "out_of_memory_kills"
    """Increment: processes that the kernel killed because memory ran out."""
    GPU_FAULTS = "gpu_faults"
    """Increment: errors that a GPU reported (XID)."""
    CPU_PERIODS = "cpu_periods"
    """Increment: scheduling periods of a container with a CPU limit."""
    CPU_THROTTLED_PERIODS = "cpu_throttled_periods"
    """Increment: those of them in which the container used up its limit and had to wait."""
    REQUESTS = "requests"
    """Increment: requests that a model server answered, failed ones included."""
    FAILED_REQUESTS = "failed_requests"
    """Increment: requests that failed."""
    REQUEST_SECONDS = "request_seconds"
    """Increment: the durations of `TIMED_REQUESTS`, added up."""
    TIMED_REQUESTS = "timed_requests"
    """Increment: requests whose duration is known."""


LEVELS = frozenset({Quantity.USED_SHARE, Quantity.QUEUE_DEPTH, Quantity.QUEUE_AGE})


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure: its quantity and what it belongs to, such as `memory`, `disk:/data` or `gpu:0`."""

    quantity: Quantity
    resource: str
    value: float


class GaugeError(WatchkeeperError):
    """A gauge cannot be read now."""


class GaugeReader(Protocol):
    """Reads one gauge. It remembers what increments need."""

    def read(self) -> Sequence[Reading]:
        """The present figures; what is unknown is left out.

        Raises:
            GaugeError: it cannot be read.
        """


MOST_REMEMBERED = 5_000
"""Of how many counters the last value is known: who names them anew each time fills no memory."""


class Increments:
    """Turns counters into increments since the last reading. The first reading of a counter has none."""

    def __init__(self) -> None:
        self._last: dict[tuple[Quantity, str], float] = {}

    @property
    def has_any(self) -> bool:
        """Whether any counter was read."""
        return bool(self._last)

    def of(self, quantity: Quantity, resource: str, total: float) -> list[Reading]:
        """The increment; after a restart of what is counted, all that was counted since."""
        before = self._last.pop((quantity, resource), None)
        self._last[quantity, resource] = total
        if len(self._last) > MOST_REMEMBERED:
            del self._last[next(iter(self._last))]
        if before is None:
            return []
        return [Reading(quantity, resource, total - before if total >= before else total)]
