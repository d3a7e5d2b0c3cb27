"""What the daemon and its worker processes tell each other at each tick. All of it is pickled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.evaluation.uptime import Listening
from monitor.exporters.prediction_counters import StreamCounts
from monitor.gauges.group import GaugeFailure
from monitor.records import Stream, Window
from monitor.runtime.faults import Fault
from monitor.store.worker_leases import Division


@dataclass(frozen=True, slots=True)
class TickOrder:
    """Judge your streams at the time `now`. `elapsed` is the daemon's monotonic time, `reloads` counts the reloads of
    rules, `listening` says when predictions were accepted, `gauges` which of them cannot be read.
    """

    now: float
    elapsed: float
    division: Division
    reloads: int
    listening: Listening
    gauges: Mapping[str, GaugeFailure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker did in a tick: numbers of its streams, changed windows, evaluated rules and errors; what was
    counted by stream and window, with the versions; the windows that were measured; its active faults; the streams that
    it has given up since its last report. `problem` is why the tick was not completed.
    """

    streams: int = 0
    windows: int = 0
    evaluated: int = 0
    errors: int = 0
    counted: Sequence[tuple[Stream, Window, StreamCounts, tuple[str, ...]]] = ()
    measured: Sequence[tuple[Stream, Window]] = ()
    faults: Sequence[Fault] = ()
    given_up: Sequence[Stream] = ()
    problem: str = ""
