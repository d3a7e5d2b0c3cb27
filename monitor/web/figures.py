"""The charts of a model's page: series of measurements put into as many steps as a chart can show."""

import math
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from monitor.health import wording
from monitor.health.settings import ClientSettings
from monitor.records import Labels, Stream
from monitor.store import timeseries
from monitor.web.charts import Chart, Curve, Mark

STEPS = 96
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that can be chosen on a page, and the windows whose figures it shows (0: base windows)."""

    key: str
    label: str
    seconds: int
    window: int = HOUR


SPANS = (
    Span("3h", "3 hours", 3 * HOUR, 0),
    Span("24h", "24 hours", 24 * HOUR),
    Span("7d", "7 days", 7 * 24 * HOUR),
    Span("30d", "30 days", 30 * 24 * HOUR),
)


@dataclass(frozen=True, slots=True)
class Steps:
    """A series put into equal steps: the start of each step, and its value or None where nothing was measured."""

    starts: tuple[float, ...]
    values: tuple[float | None, ...]
    n: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean over all steps, weighted by what they were taken of."""
        known = [
            (value, n) for value, n in zip(self.values, self.n, strict=True) if value is not None and n > 0
        ]
        weight = sum(n for _, n in known)
        return sum(value * n for value, n in known) / weight if weight else None

    @property
    def total(self) -> float:
        """The sum over all steps."""
        return sum(value for value in self.values if value is not None)


class Sampler:
    """Reads series of one stream over one span, in steps."""

    def __init__(self, connection: Connection, stream: Stream, base: int, start: float, end: float) -> None:
        self._connection = connection
        self._stream = stream
        self._base = base
        self.start = start
        self.end = end
        self._width = base * max(1, math.ceil((end - start) / STEPS / base))

    def read(self, metric: str, *, of: Labels = (), add: bool = False) -> Steps:
        """A metric in steps: weighted means, or sums."""
        series = timeseries.load(self._connection, self._stream, metric, self._base, self.start, self.end, of)
        count = max(1, round((self.end - self.start) / self._width))
        starts = tuple(self.start + index * self._width for index in range(count))
        known = np.isfinite(series.values)
        at = np.clip(
            ((np.asarray(series.starts)[known] - self.start) / self._width).astype(int), 0, count - 1
        )
        values, weights = series.values[known], np.asarray(series.n)[known]
        seen = np.bincount(at, minlength=count)
        n = np.bincount(at, weights, minlength=count)
        if add:
            sums = np.bincount(at, values, minlength=count)
            return Steps(starts, _listed(sums, seen > 0), tuple(n.tolist()))
        weights = np.where(weights > 0, weights, 1e-9)
        n = np.bincount(at, weights, minlength=count)
        sums = np.bincount(at, values * weights, minlength=count)
        means = np.divide(sums, n, out=np.zeros(count), where=n > 0)
        return Steps(starts, _listed(means, seen > 0), tuple(n.tolist()))


def _listed(values: np.ndarray, known: object) -> tuple[float | None, ...]:
    mask = np.asarray(known, dtype=bool)
    return tuple(value if ok else None for value, ok in zip(values.tolist(), mask.tolist(), strict=True))


def charts(
    sampler: Sampler, settings: ClientSettings, stream: Stream, metric: str, marks: tuple[Mark, ...]
) -> list[Chart]:
    """The charts of a model's page, quality first."""
    found = [_quality(sampler, settings, stream, metric, marks)] if metric else []
    found += [
        _single(sampler, settings, "decisions", "volume", marks, add=True),
        _single(sampler, settings, "time", "latency_p50", marks),
        _single(sampler, settings, "errors", "error_rate", marks),
    ]
    confidence = _single(sampler, settings, "sure", "confidence_mean", marks)
    return found + ([] if confidence.is_empty else [confidence])


def _quality(
    sampler: Sampler, settings: ClientSettings, stream: Stream, metric: str, marks: tuple[Mark, ...]
) -> Chart:
    measured = sampler.read(metric)
    curves = [Curve("measured", measured.starts, measured.values)]
    estimate = wording.ESTIMATES.get(metric)
    if estimate:
        estimated = sampler.read(estimate)
        # Where the truth is known it is shown; the estimate fills what is left.
        filled = [
            None if known is not None else value
            for known, value in zip(measured.values, estimated.values, strict=True)
        ]
        if any(value is not None for value in filled):
            curves.append(Curve("estimated", estimated.starts, filled, "estimated"))
    view = settings.view(stream.model)
    limit = view.target if not view.quality or view.quality == metric else None
    mean = measured.mean
    summary = (
        "The truth of these answers is not known yet."
        if mean is None
        else f"{wording.figure(metric, mean)} over this time"
    )
    if mean is not None and limit is not None:
        summary += f"; agreed is {wording.figure(metric, limit)}"
    phrase = wording.PHRASES.get(metric)
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
) -> Chart:
    steps = sampler.read(metric, add=add)
    phrase = wording.PHRASES[metric]
    if add:
        summary = f"{wording.count(steps.total)} over this time."
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
