"""The two types that all families share: what a metric is, and what is measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from monitor.metrics.intervals import Interval
from monitor.metrics.settings import MetricSettings
from monitor.records import Better, Labels, Measurement, Stream, Window, labels
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.declared.declared import NOTHING, Declared
from monitor.windows.layout.notation import written
from monitor.windows.profile import Profile, Slice


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """The description of a metric, for rules, docs and dashboards. `labels` are names that its measurements may have.

    `formula` is how it is computed, `needs` what must be sent, `source` the reference of the formula.
    """

    name: str
    unit: str
    better: Better
    help: str
    labels: tuple[str, ...] = ()
    formula: str = ""
    needs: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """One window of one stream, and the baseline that it is compared with.

    `usual` are values from the stream's own past by metric, for metrics that the baseline does not have. `declared` is
    what the configuration declares of the model to be counted.
    """

    stream: Stream
    window: Window
    profile: Profile
    baseline: Baseline | None
    settings: MetricSettings
    usual: Mapping[str, float] = field(default_factory=dict)
    declared: Declared = NOTHING

    @property
    def task(self) -> str:
        """The configured task of the model; empty if none is configured."""
        return self.settings.tasks.get((self.stream.client, self.stream.model), "")

    def ok(
        self,
        info: MetricInfo,
        value: float,
        n: float,
        *,
        where: Labels = (),
        interval: Interval | None = None,
        p_value: float | None = None,
        baseline: float | None = None,
    ) -> Measurement:
        """A measurement with a value."""
        low, high = interval if interval is not None else (None, None)
        return Measurement(
            self.stream,
            self.window,
            info.name,
            value,
            info.unit,
            info.better,
            n,
            where,
            low,
            high,
            p_value,
            baseline,
        )

    def not_measured(
        self,
        info: MetricInfo,
        reason: str,
        n: float = 0,
        *,
        where: Labels = (),
        baseline: float | None = None,
    ) -> Measurement:
        """A measurement without a value, with the reason."""
        return Measurement(
            self.stream,
            self.window,
            info.name,
            None,
            info.unit,
            info.better,
            n,
            where,
            baseline=baseline,
            reason=reason,
        )

    def scopes(self) -> Iterator[tuple[Labels, Slice, Slice | None]]:
        """All rows, then each version if there are several, then each segment: labels, counts, baseline's counts."""
        base = self.baseline.profile if self.baseline is not None else None
        yield (), self.profile.overall, base.overall if base else None
        versions = self.profile.versions
        if len(versions) > 1:
            for version, part in versions.items():
                yield labels(version=version), part, base.overall if base else None
        segments = self.profile.segments if self.settings.by_segment else {}
        if segments:
            of_baseline = base.segments if base else {}
            written_so = {(name, written(value)): part for (name, value), part in of_baseline.items()}
            for (name, value), part in segments.items():
                usual = of_baseline.get((name, value)) or written_so.get((name, written(value)))
                yield labels(segment=f"{name}={value}"), part, usual


@lru_cache(maxsize=4096)
def too_few(n: float, needed: int, what: str = "rows") -> str:
    """`12 rows of 100 needed`."""
    return f"{n:.0f} {what} of {needed} needed"
