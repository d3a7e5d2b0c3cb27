"""Figures of versions, minute by minute: answers, failures and latency from profiles, others from measurements."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.metrics.quantiles import Quantiles
from monitor.metrics.system.latency import LATENCY
from monitor.records import Stream
from monitor.rollback.comparison import ArmFigure, VersionFigures
from monitor.rollouts.load_arms import ArmSettings, load_minutes
from monitor.store import timeseries
from monitor.windows.layout.layout import is_signal
from monitor.windows.profile import Slice

ANSWERS = "error_rate"
"""The metric whose number of rows counts all answers."""
_PERCENT = {info.name: percent for percent, info in LATENCY.items()}


@dataclass(frozen=True, slots=True)
class Traffic:
    """The metrics of a stream's versions, by metric and version."""

    arms: Mapping[tuple[str, str], VersionFigures]

    def arm(self, metric: str, version: str) -> VersionFigures:
        """The minutes of one version; none if the metric is not measured for it."""
        return self.arms.get((metric, version), VersionFigures(version, {}))

    def answers(self, version: str, start: float, end: float) -> tuple[float, float]:
        """The answers of a version, and those of all versions, in minutes that begin in `[start, end)`."""
        mine = total = 0.0
        for (metric, name), arm in self.arms.items():
            if metric == ANSWERS:
                n = sum(one.n for minute, one in arm.minutes.items() if start <= minute < end)
                total += n
                mine += n if name == version else 0.0
        return mine, total

    def share(self, version: str, start: float, end: float) -> float | None:
        """The share of a version in the answers of these minutes; None without answers."""
        mine, total = self.answers(version, start, end)
        return mine / total if total else None


def load(
    connection: Connection,
    stream: Stream,
    metrics: Sequence[str],
    base_seconds: int,
    start: float,
    now: float,
) -> Traffic:
    """The metrics by version, and the numbers of answers, in the base windows between `start` and `now`.

    A window counts when it has ended: late rows change it later, but nobody waits for them.
    """
    figures_by_version: dict[tuple[str, str], dict[int, ArmFigure]] = {}
    minutes = load_minutes(connection, stream, ArmSettings(base_seconds), start, now)
    for window, versions in zip(minutes.windows, minutes.slices, strict=True):
        for version, part in versions.items():
            for metric, figure in _figures(part, metrics):
                figures_by_version.setdefault((metric, version), {})[window.start] = figure
    others = [metric for metric in metrics if metric not in (ANSWERS, *_PERCENT) and not is_signal(metric)]
    if others:
        _measured(connection, stream, others, base_seconds, (start, now), figures_by_version)
    return Traffic(
        {key: VersionFigures(key[1], minutes_of) for key, minutes_of in figures_by_version.items()}
    )


def _figures(part: Slice, metrics: Sequence[str]) -> Iterator[tuple[str, ArmFigure]]:
    """The figures of a version in a window, from its counts."""
    if part.rows:
        yield ANSWERS, ArmFigure(part.rows, part.flag("errors") / part.rows)
    column = part.column("latency_ms")
    for metric in metrics:
        if metric in _PERCENT and column.finite:
            at = Quantiles(column).at(_PERCENT[metric] / 100 * column.finite)
            yield metric, ArmFigure(column.finite, at / 1000)
        elif is_signal(metric) and (n := part.flag(f"{metric}_known")):
            yield metric, ArmFigure(n, part.flag(metric) / n)


def _measured(
    connection: Connection,
    stream: Stream,
    metrics: Sequence[str],
    base_seconds: int,
    period: tuple[float, float],
    figures_by_version: dict[tuple[str, str], dict[int, ArmFigure]],
) -> None:
    """Add the stored measurements by version: there are some while several versions answer."""
    columns = timeseries.load_columns(connection, stream, base_seconds, *period, metrics)
    for (metric, labels), series in columns.items():
        if len(labels) == 1 and labels[0][0] == "version":
            rows = zip(series.starts.tolist(), series.n.tolist(), series.values.tolist(), strict=True)
            figures = {int(at): ArmFigure(n, value) for at, n, value in rows if not math.isnan(value)}
            figures_by_version[metric, labels[0][1]] = figures
