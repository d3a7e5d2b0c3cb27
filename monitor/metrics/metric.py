"""What is measured, and what a metric is: the two nouns that all families share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitor.metrics.intervals import Interval
from monitor.metrics.settings import MetricSettings
from monitor.records import Better, Labels, Measurement, Stream, Window, labels
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.layout.notation import written
from monitor.windows.profile import Profile, Slice


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """What a metric is, for rules, docs and dashboards. `labels` are names that its measurements may carry.

    `formula` says how it is computed, `needs` what must have been sent, `source` where the formula comes from.
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
    """One window of one stream, and the baseline that it is held against.

    `usual` are figures of the stream's own past, by metric, for what the baseline says nothing of.
    """

    stream: Stream
    window: Window
    profile: Profile
    baseline: Baseline | None
    settings: MetricSettings
    usual: Mapping[str, float] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """What the configuration says of the model's task; empty where it says nothing."""
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
        """A measurement that has a value."""
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
        """A measurement that could not be made, and why."""
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
        """The whole, then each version if there are several, then each segment: labels, counts, baseline's counts."""
        base = self.baseline.profile if self.baseline is not None else None
        yield (), self.profile.overall, base.overall if base else None
        versions = self.profile.versions
        if len(versions) > 1:
            for version, part in versions.items():
                yield labels(version=version), part, base.overall if base else None
        if self.settings.by_segment:
            known = base.segments if base else {}
            written_so = {(name, written(value)): part for (name, value), part in known.items()}
            for (name, value), part in self.profile.segments.items():
                usual = known.get((name, value)) or written_so.get((name, written(value)))
                yield labels(segment=f"{name}={value}"), part, usual


def too_few(n: float, needed: int, what: str = "rows") -> str:
    """`12 rows of 100 needed`."""
    return f"{n:.0f} {what} of {needed} needed"
