"""The charts of a model's page: series of measurements, aggregated to the steps of a chart."""

import math
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.health import targets, wording
from monitor.health.phrases import PHRASES
from monitor.health.settings import ClientSettings
from monitor.records import Labels, Stream
from monitor.store import timeseries
from monitor.store.timeseries import Series
from monitor.web.pages.charts.svg import Chart, Curve, Mark

STEPS = 96


@dataclass(frozen=True, slots=True)
class SelectableRange:
    """A selectable time range, and the length of its windows (0: base windows)."""

    key: str
    label: str
    seconds: int
    window: int = HOUR


SPANS = (
    SelectableRange("3h", "3 hours", 3 * HOUR, 0),
    SelectableRange("24h", "24 hours", 24 * HOUR),
    SelectableRange("7d", "7 days", 7 * 24 * HOUR),
    SelectableRange("30d", "30 days", 30 * 24 * HOUR),
)
ENGINEERS_SPANS = (SelectableRange("1h", "1 hour", HOUR, 0), *SPANS)


@dataclass(frozen=True, slots=True)
class Steps:
    """A series in equal steps: the start of each step, and its value or None."""

    starts: tuple[float, ...]
    values: tuple[float | None, ...]
    n: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean over all steps, weighted by the sample sizes."""
        measured = [
            (value, n) for value, n in zip(self.values, self.n, strict=True) if value is not None and n > 0
        ]
        weight = sum(n for _, n in measured)
        return sum(value * n for value, n in measured) / weight if weight else None

    @property
    def total(self) -> float:
        """The sum over all steps."""
        return sum(value for value in self.values if value is not None)


class Sampler:
    """Reads series of one stream over one time range, in at most `most` steps. `base` is the length of the windows that
    are read, `step` that of a step, in seconds.
    """

    def __init__(
        self, connection: Connection, stream: Stream, base: int, start: float, end: float, most: int = STEPS
    ) -> None:
        self._connection = connection
        self._stream = stream
        self.base = base
        self.start = start
        self.end = end
        self.step = base * max(1, math.ceil((end - start) / most / base))

    def read(self, metric: str, *, of: Labels = (), add: bool = False) -> Steps:
        """A metric in steps: weighted means, or sums."""
        series = timeseries.load(self._connection, self._stream, metric, self.base, self.start, self.end, of)
        return self.steps(series, add=add)

    def steps(self, series: Series, *, add: bool = False) -> Steps:
        """A series that was read for this time range in steps: means weighted by the sample sizes, or sums."""
        count = max(1, round((self.end - self.start) / self.step))
        starts = tuple(self.start + index * self.step for index in range(count))
        known = np.isfinite(series.values)
        at = np.clip(((np.asarray(series.starts)[known] - self.start) / self.step).astype(int), 0, count - 1)
        values, weights = series.values[known], np.asarray(series.n)[known]
        is_present = np.bincount(at, minlength=count)
        n = np.bincount(at, weights, minlength=count)
        if add:
            sums = np.bincount(at, values, minlength=count)
            return Steps(starts, _listed(sums, is_present > 0), tuple(n.tolist()))
        weights = np.where(weights > 0, weights, 1e-9)
        n = np.bincount(at, weights, minlength=count)
        sums = np.bincount(at, values * weights, minlength=count)
        means = np.divide(sums, n, out=np.zeros(count), where=n > 0)
        return Steps(starts, _listed(means, is_present > 0), tuple(n.tolist()))


def _listed(values: np.ndarray, known: object) -> tuple[float | None, ...]:
    mask = np.asarray(known, dtype=bool)
    return tuple(value if ok else None for value, ok in zip(values.tolist(), mask.tolist(), strict=True))


def charts(
    sampler: Sampler, settings: ClientSettings, stream: Stream, metric: str, marks: tuple[Mark, ...]
) -> list[Chart]:
    """The charts of a model's page, quality first."""
    all_charts = [_quality(sampler, settings, stream, metric, marks)] if metric else []
    all_charts += [
        _single(
            sampler, settings, "decisions", "volume", marks, add=True, sample=settings.sample(stream.model)
        ),
        _single(sampler, settings, "time", "latency_p50", marks),
        _single(sampler, settings, "errors", "error_rate", marks),
    ]
    confidence = _single(sampler, settings, "sure", "confidence_mean", marks)
    return all_charts + ([] if confidence.is_empty else [confidence])


def _quality(
    sampler: Sampler, settings: ClientSettings, stream: Stream, metric: str, marks: tuple[Mark, ...]
) -> Chart:
    measured = sampler.read(metric)
    curves = [Curve("measured", measured.starts, measured.values)]
    estimate = wording.ESTIMATES.get(metric)
    if estimate:
        estimated = sampler.read(estimate)
        # Measured values have precedence; the estimate fills the gaps.
        filled = [
            None if known is not None else value
            for known, value in zip(measured.values, estimated.values, strict=True)
        ]
        if any(value is not None for value in filled):
            curves.append(Curve("estimated", estimated.starts, filled, "estimated"))
    view = settings.view(stream.model)
    limit = targets.limits_of(view, (metric,)).get(metric)
    mean = measured.mean
    summary = (
        "The truth of these answers is not known yet."
        if mean is None
        else f"{wording.figure(metric, mean)} over this period"
    )
    if mean is not None and limit is not None:
        summary += f"; agreed is {wording.figure(metric, limit)}"
    phrase = PHRASES.get(metric)
    return Chart(
        "quality",
        wording.name(metric),
        summary if mean is None else f"{summary}.",
        metric,
        sampler.start,
        sampler.end,
        settings.zone,
        tuple(curves),
        limit=limit,
        marks=marks,
        floor=None,
        explanation=phrase.explains if phrase else "",
    )


def _single(
    sampler: Sampler,
    settings: ClientSettings,
    key: str,
    metric: str,
    marks: tuple[Mark, ...],
    *,
    add: bool = False,
    sample: str = "",
) -> Chart:
    steps = sampler.read(metric, add=add)
    phrase = PHRASES[metric]
    if add:
        summary = f"{wording.count(steps.total)} over this period{f', {sample}' if sample else ''}."
    else:
        summary = (
            "Nothing measured in this time."
            if steps.mean is None
            else f"{wording.figure(metric, steps.mean)} on average."
        )
    return Chart(
        key,
        phrase.name,
        summary,
        metric,
        sampler.start,
        sampler.end,
        settings.zone,
        (Curve(phrase.name, steps.starts, steps.values),),
        marks=marks,
        bars=add,
        explanation=phrase.explains,
        floor=None if metric == "confidence_mean" else 0.0,
    )
