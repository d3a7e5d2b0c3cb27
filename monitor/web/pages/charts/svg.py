"""Charts rendered on the server as SVG: without scripts and inline styles, readable in print, in grey and by screen
readers.

A chart is always followed by its numbers as a table (see `templates/parts.html`); the drawing is one image with a
sentence as its title.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from monitor.health import wording
from monitor.health.locale import CURRENT
from monitor.web.pages.charts.ticks import ticks

_BARS = {"working": ((10, 18),), "watch": ((14, 10),), "attention": ((5, 8), (15, 8)), "waiting": ((18, 2),)}
"""A day's bar as (middle, thickness) of 20: full, half, broken in two, or the bottom only."""
WIDTH, HEIGHT = 480, 210
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 12, 26
HALF_LABEL = 26
"""Half the width of a label of the time axis, in the large type of phones."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that is marked with a line: a new version, or an alert that fired (`kind` is then `alert`)."""

    at: float
    text: str
    kind: str = "version"
    path: str = ""
    """Path of the page about it; empty without one."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart. `y` is None where nothing was measured: the line has a gap there."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    kind: str = "main"


@dataclass(frozen=True, slots=True)
class Chart:
    """The content of a chart. `metric` determines the format of values; `start` and `end` are seconds since
    the epoch.
    """

    key: str
    title: str
    summary: str
    metric: str
    start: float
    end: float
    zone: ZoneInfo
    curves: tuple[Curve, ...]
    limit: float | None = None
    limit_name: str = "agreed"
    marks: tuple[Mark, ...] = ()
    band: tuple[Sequence[float | None], Sequence[float | None]] | None = None
    bars: bool = False
    floor: float | None = 0.0
    explanation: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    can_zoom: bool = False
    least_share: float = 0.1
    """What the axis of a share covers at least, so that small variation looks small."""
    is_daily: bool = False
    """Whether each value is that of a local day."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(value is None for curve in self.curves for value in curve.y)

    @property
    def times(self) -> list[float]:
        """The times that have a value or a gap."""
        return sorted({at for curve in self.curves for at in curve.x})

    def rows(self) -> list[tuple[str, list[str]]]:
        """The chart as a table: a time, and a value per curve."""
        at_words = wording.day if self.is_daily else moment
        by_curve = [dict(zip(curve.x, curve.y, strict=True)) for curve in self.curves]
        return [
            (at_words(at, self.zone), [wording.figure(self.metric, known.get(at)) for known in by_curve])
            for at in self.times
        ]


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start: float
    end: float
    step: float = field(default=0.0)

    def at(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def moment(at: float, zone: ZoneInfo) -> str:
    """`2026-11-23 08:00`: a time in a table."""
    return CURRENT.get().date_and_time(datetime.fromtimestamp(at, zone))


def draw(chart: Chart) -> Markup:
    """The chart as an `<svg>` element."""
    across = Scale(chart.start, max(chart.end, chart.start + 1), LEFT, chart.width - RIGHT)
    up = _value_scale(chart)
    frame = f'viewBox="0 0 {chart.width} {chart.height}"{_reach(chart) if chart.can_zoom else ""}'
    parts = [
        f'<svg class="chart" {frame} role="img" aria-labelledby="{chart.key}-title">',
        f'<title id="{chart.key}-title">{escape(chart.title)}: {escape(chart.summary)}</title>',
        *_grid(chart, across, up),
        *_band(chart, across, up),
    ]
    for curve in chart.curves:
        parts.extend(_bars(chart, curve, across, up) if chart.bars else _line(curve, across, up))
    parts.extend(_limit(chart, up))
    parts.extend(_marks(chart, across))
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text above is escaped


def _reach(chart: Chart) -> str:
    """The scale of the time axis, for the script that selects a range with the mouse."""
    return (
        f' data-start="{chart.start:.0f}" data-end="{chart.end:.0f}" data-left="{LEFT}"'
        f' data-right="{chart.width - RIGHT}" data-bottom="{chart.height - BOTTOM}"'
    )


def strip(names: Sequence[str], title: str, *, fills: bool = False) -> Markup:
    """Days as bars, one path per run of equal days. `names` are states, oldest first. `fills` stretches the strip."""
    fit = "none" if fills else "xMinYMid"
    parts = [
        f'<svg class="strip" viewBox="0 0 {len(names) * 8} 20" preserveAspectRatio="{fit}" role="img">',
        f"<title>{escape(title)}</title>",
    ]
    position = 0
    for name, run in groupby(names):
        length = len(list(run))
        # A dashed line draws a run of bars in one element. The shapes differ, so that they are distinct in grey.
        for middle, thickness in _BARS.get(name, _BARS["waiting"]):
            parts.append(
                f'<path class="d-{escape(name)}" stroke-width="{thickness}" stroke-dasharray="6 2" '
                f'd="M{position * 8} {middle}h{length * 8}"/>'
            )
        position += length
    return Markup("".join(parts) + "</svg>")  # noqa: S704


def _value_scale(chart: Chart) -> Scale:
    values = [value for curve in chart.curves for value in curve.y if value is not None]
    if chart.band:
        values += [value for edge in chart.band for value in edge if value is not None]
    if chart.limit is not None:
        values.append(chart.limit)
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if chart.floor is not None:
        low = min(low, chart.floor)
    if wording.is_share(chart.metric) and 0 <= low <= high <= 1:
        # The axis stays within 0 to 1.
        missing = max(0.0, chart.least_share - (high - low)) / 2
        low, high = max(0.0, low - missing), min(1.0, high + missing)
    low, high, step = nice(low, high)
    return Scale(low, high, chart.height - BOTTOM, TOP, step)


def nice(low: float, high: float, ticks: int = 4) -> tuple[float, float, float]:
    """The bounds and step of an axis at round numbers (1, 2 or 5 times a power of ten)."""
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-300):
        # Half of the smallest numbers is 0: they are drawn as 0.
        low, high = (low - abs(low) / 2, high + abs(high) / 2) if abs(low) > 1e-300 else (0.0, 1.0)
    rough = (high - low) / ticks
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next((factor * magnitude for factor in (1, 2, 5) if rough <= factor * magnitude), 10 * magnitude)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def _grid(chart: Chart, across: Scale, up: Scale) -> list[str]:
    parts = []
    for index in range(round((up.high - up.low) / up.step) + 1):
        value = up.low + index * up.step
        y = up.at(value)
        text = escape(wording.tick(chart.metric, value, up.step))
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{chart.width - RIGHT}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for at, label in ticks(chart.start, chart.end, chart.zone):
        x = across.at(at)
        is_last = x > chart.width - HALF_LABEL
        anchor, place = ("end", chart.width) if is_last else ("middle", x)
        parts.append(f'<path class="grid" d="M{x:.1f} {chart.height - BOTTOM}v4"/>')
        parts.append(
            f'<text class="tick" x="{place:.1f}" y="{chart.height - 8}" text-anchor="{anchor}">{escape(label)}</text>'
        )
    return parts


def _runs(curve: Curve, across: Scale, up: Scale) -> list[list[tuple[float, float]]]:
    """The measured parts of a line, in pixels."""
    pairs = zip(curve.x, curve.y, strict=True)
    return [
        [(across.at(at), up.at(value)) for at, value in run if value is not None]
        for measured, run in groupby(pairs, key=lambda pair: pair[1] is not None)
        if measured
    ]


def _line(curve: Curve, across: Scale, up: Scale) -> list[str]:
    parts = []
    for points in _runs(curve, across, up):
        if len(points) == 1:
            parts.append(
                f'<circle class="dot {curve.kind}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="2.5"/>'
            )
            continue
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path class="line {curve.kind}" d="M{path}"/>')
    return parts


def _bars(chart: Chart, curve: Curve, across: Scale, up: Scale) -> list[str]:
    measured = [(at, value) for at, value in zip(curve.x, curve.y, strict=True) if value is not None]
    if not measured:
        return []
    width = max(1.0, (chart.width - LEFT - RIGHT) / max(1, len(curve.x)) * 0.75)
    ground = up.at(max(0.0, up.low))
    path = "".join(
        f"M{across.at(at) + width / 2:.1f} {ground:.1f}V{up.at(value):.1f}" for at, value in measured
    )
    return [f'<path class="bar {curve.kind}" stroke-width="{width:.1f}" d="{path}"/>']


def _band(chart: Chart, across: Scale, up: Scale) -> list[str]:
    if chart.band is None or not chart.curves:
        return []
    times = chart.curves[0].x
    edges = [
        (across.at(at), up.at(low), up.at(high))
        for at, low, high in zip(times, *chart.band, strict=True)
        if low is not None and high is not None
    ]
    if len(edges) < 2:
        return []
    there = "L".join(f"{x:.1f} {high:.1f}" for x, _, high in edges)
    back = "L".join(f"{x:.1f} {low:.1f}" for x, low, _ in reversed(edges))
    return [f'<path class="band" d="M{there}L{back}Z"/>']


def _limit(chart: Chart, up: Scale) -> list[str]:
    if chart.limit is None:
        return []
    y = up.at(chart.limit)
    text = escape(f"{chart.limit_name} {wording.figure(chart.metric, chart.limit)}")
    # The text is above the line, or below it if the line is at the top.
    below = y - TOP < 16
    return [
        f'<path class="limit" d="M{LEFT} {y:.1f}H{chart.width - RIGHT}"/>',
        f'<text class="limit-text" x="{chart.width - RIGHT - 4}" y="{y + (14 if below else -5):.1f}" '
        f'text-anchor="end">{text}</text>',
    ]


def _marks(chart: Chart, across: Scale) -> list[str]:
    parts = []
    for mark in chart.marks:
        if chart.start <= mark.at <= chart.end:
            x = across.at(mark.at)
            parts.append(
                f'<path class="mark of-{mark.kind}" d="M{x:.1f} {TOP}V{chart.height - BOTTOM}">'
                f"<title>{escape(mark.text)}</title></path>"
            )
            sign = "◆" if mark.kind == "alert" else "▼"
            parts.append(
                f'<text class="mark-text of-{mark.kind}" x="{x:.1f}" y="{TOP + 9}" text-anchor="middle">{sign}</text>'
            )
    return parts
