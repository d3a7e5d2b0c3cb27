"""Numbers, times and metrics in plain words, for readers without statistics."""

import math
import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

from monitor.config.units import DAY, HOUR, MINUTE, format_number
from monitor.health.locale import CURRENT
from monitor.health.phrases import PHRASES, Phrase

NOTHING = "—"
_UNIT = re.compile(r"(?<=\d) (?=(?:%|(?:ms|s|min|h|d|k|M|G|sd)\b))|(?<=[✔✖◆?]) ")
_SCALE = ((1e9, "G"), (1e6, "M"), (1e3, "k"))

_DECLARED: dict[str, Phrase] = {}
"""The metrics that the configuration defines, in the words that it gives them."""


def declare(metric: str, title: str, unit: str, explains: str) -> None:
    """Name a metric that the configuration defines. `unit` is `share`, or is written behind the figure."""
    name = title or metric.replace("_", " ").capitalize()
    lower = name[:1].lower() + name[1:]
    braced = lower.replace("{", "{{").replace("}", "}}")
    behind = "" if unit in ("", "share") else f" {unit}".replace("{", "{{").replace("}", "}}")
    shape = "share" if unit == "share" else "number"
    _DECLARED[metric] = Phrase(name, f"has a figure of {{value}}{behind} for “{braced}”", shape, explains)


def phrase_of(metric: str) -> Phrase | None:
    """The words for a metric; None if it has none."""
    return PHRASES.get(metric) or _DECLARED.get(metric)


QUALITY = (
    "accuracy", "f1", "balanced_accuracy", "roc_auc", "mae", "rmse", "mape", "wape",
    "subset_accuracy", "hit_rate_at_k", "ndcg_at_k", "goal_rate", "precision_at_top_k", "alert_precision",
)  # fmt: skip
"""Metrics that can represent quality, in order of preference."""
ESTIMATES = {"accuracy": "estimated_accuracy"}
"""The estimate that replaces a metric until outcomes are known."""


def share(value: float) -> str:
    """`0.714` as `71 %`; one decimal where the whole number would hide it."""
    percent = value * 100
    if 0 < abs(percent) < 1 or 99 < percent < 100:
        # A share below 100 % must not be shown as 100 %.
        return (
            f"{_written(min(percent, 99.9), 1)} %" if abs(percent) >= 0.05 else f"under {_written(0.1, 1)} %"
        )
    return f"{percent:.0f} %"


def count(value: float) -> str:
    """`1240000` as `1.24 M`."""
    for size, letter in _SCALE:
        if abs(value) >= size * (10 if letter == "k" else 1):
            return f"{CURRENT.get().number(format_number(value / size))} {letter}"
    return _written(value)


def _written(value: float, digits: int = 0) -> str:
    """A number with `digits` decimals, in the notation of the reader's locale."""
    return CURRENT.get().number(f"{value:,.{digits}f}")


def seconds(value: float) -> str:
    """`0.0417` as `42 ms`."""
    if value < 0.001:
        return "under 1 ms"
    if value < 1:
        return f"{_written(value * 1000)} ms"
    return f"{_written(value, 1)} s" if value < 60 else span(value)


def number(value: float) -> str:
    """Three significant digits."""
    return CURRENT.get().number(format_number(value)) if abs(value) < 999.5 else count(value)


_SHAPES = {"share": share, "count": count, "seconds": seconds, "number": number}


def _shape(metric: str) -> str:
    phrase = phrase_of(metric)
    return phrase.shape if phrase else "number"


def figure(metric: str, value: float | None) -> str:
    """A metric's value as a client reads it; a dash where there is none."""
    if value is None:
        return NOTHING
    phrase = phrase_of(metric)
    return _SHAPES[phrase.shape if phrase else "number"](value)


def beside(metric: str, value: float, limit: float) -> str:
    """A value beside its limit, with more digits if both would look equal and are not."""
    text, bound = figure(metric, value), figure(metric, limit)
    if text != bound or value == limit:
        return text
    shape = _shape(metric)
    scale, unit = {"share": (100.0, " %"), "seconds": (1000.0, " ms")}.get(shape, (1.0, ""))
    for digits in range(1, 7):
        finer = _written(value * scale, digits)
        if finer != _written(limit * scale, digits):
            return finer + unit
    return CURRENT.get().number(f"{value * scale:.9g}") + unit


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1 and is shown in percent."""
    return _shape(metric) == "share"


def tick(metric: str, value: float, step: float) -> str:
    """The label of an axis tick, with enough digits to distinguish ticks that are `step` apart."""
    shape = _shape(metric)
    if abs(value) < step / 1000:
        return "0 %" if shape == "share" else "0"
    if shape == "share":
        return f"{_written(value * 100, _digits(step * 100))} %"
    if shape == "seconds":
        in_ms = abs(value) < 1
        shown, unit = (value * 1000, "ms") if in_ms else (value, "s")
        return f"{_written(shown, _digits(step * 1000 if in_ms else step))} {unit}"
    return count(value) if abs(value) >= 1000 else _written(value, _digits(step))


def _digits(step: float) -> int:
    """Decimals that a step needs."""
    return max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else 0


def name(metric: str) -> str:
    """A metric's plain name."""
    phrase = phrase_of(metric)
    return phrase.name if phrase else metric.replace("_", " ").capitalize()


def says(metric: str, value: float) -> str:
    """A clause that follows the model's name: `is right in 71 % of all cases`."""
    return says_as(metric, figure(metric, value))


def says_as(metric: str, text: str) -> str:
    """The same clause around a figure that is written already."""
    phrase = phrase_of(metric)
    return phrase.says.format(value=text) if phrase else f"has a {metric.replace('_', ' ')} of {text}"


def span(duration: float) -> str:
    """`5400` as `1 h 30 min`: the two largest units that count."""
    if duration < 60:
        return f"{max(0, round(duration))} s"
    parts = []
    rest = int(duration)
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2])


def moment(at: float, zone: ZoneInfo, now: float) -> str:
    """`Sun 21:40`; with the date if it is six days or more away."""
    local = datetime.fromtimestamp(at, zone)
    if abs(now - at) < 6 * DAY:
        return local.strftime("%a %H:%M")
    return f"{CURRENT.get().day_month(local)} {local:%H:%M}"


def day(at: float, zone: ZoneInfo) -> str:
    """`Mon 23 Nov`."""
    return date_words(datetime.fromtimestamp(at, zone))


def date_words(day: date) -> str:
    """`Mon 23 Nov`, of a local date."""
    return f"{day:%a} {CURRENT.get().day_month(day)}"


def clock(at: float, zone: ZoneInfo) -> str:
    """`08:00 CET`."""
    return datetime.fromtimestamp(at, zone).strftime("%H:%M %Z")


def change(now: float | None, before: float | None, metric: str) -> str:
    """The change of a figure: `▲ 3 %` or `▲ 5-fold` for amounts, `▼ 4 points` for shares, `no change`, or a dash."""
    if now is None or before is None:
        return NOTHING
    if _shape(metric) == "share":
        points = abs(round((now - before) * 100))
        return _arrow(now - before, f"{points or '< 1'} point{'s' if points > 1 else ''}")
    if before == 0:
        return NOTHING
    if now >= 3 * before:
        return f"▲ {now / before:.0f}-fold"
    percent = abs(round((now / before - 1) * 100))
    return _arrow(now / before - 1, f"{percent or '< 1'} %")


def _arrow(difference: float, text: str) -> str:
    """A change with its direction. A small one is said as well: rounded, the figures beside it may differ by one."""
    return "no change" if abs(difference) < 1e-9 else f"{'▲' if difference > 0 else '▼'} {text}"


def joined(text: str) -> str:
    """The text with no-break spaces, so that units stay beside their figures, and words beside their icons."""
    return _UNIT.sub("\u00a0", text)
