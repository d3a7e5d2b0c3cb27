"""Samples and points for the tests of this folder."""

from collections.abc import Iterable, Sequence

from monitor.clock import ManualClock
from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.push.exporter import Exporter, ExporterSettings
from monitor.exporters.push.point import Point
from monitor.exporters.push.runner import ExporterRunner
from monitor.exporters.samples import Bucket, HistogramSample, Sample
from monitor.runtime.faults import Faults

NOW = 1_800_000_000.0
STREAM = ("acme", "production", "fraud")
PREDICTIONS = BY_NAME["watchkeeper_predictions"]
STATE = BY_NAME["watchkeeper_model_state"]
DURATION = BY_NAME["watchkeeper_prediction_duration_seconds"]
FEATURE = BY_NAME["watchkeeper_feature_state"]
INFINITE = float("inf")
HOSTILE = (
    "a\u2028b",
    "nul\0",
    'quote"\\',
    "x" * 10_000,
    "x" * 9_999 + "y",
    "\u202eright",
    "a,b|c#d\ne",
    "\ud800",
)
"""Values that labels may have: names of features come from requests."""


def counter(value: float, version: str = "7") -> Sample:
    return Sample(PREDICTIONS, (*STREAM, version), value)


def state(value: float, model: str = "fraud") -> Sample:
    return Sample(STATE, ("acme", "production", model), value)


def histogram(counts: Sequence[float], total: float) -> HistogramSample:
    """Cumulative counts up to 0.1, 0.5 and infinity."""
    buckets = tuple(Bucket(bound, count) for bound, count in zip((0.1, 0.5, INFINITE), counts, strict=True))
    return HistogramSample(DURATION, (*STREAM, "7"), buckets, total)


def gauges(amount: int, at: float = NOW) -> list[Point]:
    """Points of as many features."""
    return [Point(FEATURE, (*STREAM, f"f{number}"), float(number % 3), at) for number in range(amount)]


def hostile(at: float = NOW) -> list[Point]:
    """A point for each hostile value of a label."""
    return [Point(FEATURE, (*STREAM, value), 1.0, at) for value in HOSTILE]


class Scene:
    """A runner whose samples and clock the test sets. `counted` are its points by outcome."""

    def __init__(self, settings: ExporterSettings, exporter: Exporter | None = None) -> None:
        self.clock, self.samples = ManualClock(NOW), list[Sample | HistogramSample]()
        self.counted: dict[str, int] = {}
        self.faults = Faults(self.clock.now, self.clock.elapsed)
        self.asked: list[Sequence[str]] = []

        def collect(clients: Sequence[str]) -> Iterable[Sample | HistogramSample]:
            self.asked.append(clients)
            return list(self.samples)

        def count(_name: str, outcome: str, points: int) -> None:
            self.counted[outcome] = self.counted.get(outcome, 0) + points

        make = (lambda: exporter) if exporter is not None else (lambda: settings.make_exporter("host-1"))
        self.runner = ExporterRunner("out", settings, make, collect, self.clock, self.faults, count)
        self.runner.step()  # the first samples are those from which it counts

    def pass_interval(self, *samples: Sample | HistogramSample) -> None:
        """Let the interval pass, and send `samples`."""
        self.samples = list(samples)
        self.clock.advance(self.runner.settings.every)
        self.runner.step()

    def close(self) -> None:
        self.runner.stop()
