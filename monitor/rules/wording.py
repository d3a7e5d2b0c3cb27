"""Figures and sentences as people read them, and the templates of annotations."""

import re
from collections.abc import Mapping
from functools import lru_cache

from monitor.durations import format_duration

FIELDS = frozenset(
    (
        "alert",
        "severity",
        "client",
        "model",
        "environment",
        "value",
        "limit",
        "baseline",
        "n",
        "window",
        "reason",
    )
)
"""What a template may name besides the rule's own labels and instance labels."""

OF_THE_LIMIT = "of the limit"
"""The unit of a figure that is a multiple of its own limit."""

_PLACE = re.compile(r"\{(\w+)\}")


def figure(value: float | None, unit: str) -> str:
    """A number with its unit: `7.1 %`, `230 ms`, `1,250 predictions`, `3 times the limit`; a dash for none."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{value * 100:.3g} %"
    if unit == "seconds":
        return _seconds(value)
    if unit == OF_THE_LIMIT:
        return "the limit" if value == 1 else _times(value)
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}" if unit else text


def bound(limit: float | None, unit: str) -> str:
    """The limit that a figure is held against; a dash where the figure itself is said in times of its limit."""
    return "-" if unit == OF_THE_LIMIT and limit == 1 else figure(limit, unit)


@lru_cache(maxsize=1024)
def span(seconds: int) -> str:
    """The length of a window in words; 0 is the open one."""
    return f"the last {format_duration(seconds)}" if seconds else "the current window"


def placeholders(template: str) -> set[str]:
    """The names a template refers to."""
    return set(_PLACE.findall(template))


def render(template: str, fields: Mapping[str, str]) -> str:
    """Fill in `{name}`; a field without a value stays empty."""
    return _PLACE.sub(lambda place: fields.get(place[1], ""), template)


def _times(value: float) -> str:
    return "over 1,000 times the limit" if value > 1000 else f"{value:.2g} times the limit"


def _seconds(value: float) -> str:
    if abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if abs(value) < 120 else format_duration(round(value))
