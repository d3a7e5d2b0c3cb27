"""Numbers as users read them, and the templates of annotations."""

import re
from collections.abc import Mapping
from functools import lru_cache

from monitor.config.units import format_duration, format_number

FIELDS = frozenset(
    (
        "alert",
        "severity",
        "client",
        "model",
        "environment",
        "value",
        "difference",
        "limit",
        "baseline",
        "n",
        "window",
        "reason",
    )
)
"""Placeholders of templates, besides the rule's own labels and instance labels."""

OF_THE_LIMIT = "of the limit"
"""The unit of values that are multiples of their own limit."""

LABEL_WORDS: Mapping[str, Mapping[str, str]] = {"estimate": {"mae": "MAE"}}
"""By label: values that texts write in another way than the label does."""

_PLACE = re.compile(r"\{(\w+)\}")


def figure(value: float | None, unit: str) -> str:
    """A number with its unit: `7.1 %`, `230 ms`, `1,250 rules`, `1 rule`, `3 times the limit`; a dash for none."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{format_number(value * 100)} %"
    if unit == "seconds":
        return _seconds(value)
    if unit == OF_THE_LIMIT:
        return "the limit" if value == 1 else _times(value)
    text = format_number(value)
    if text == "1":
        unit = unit.removesuffix("s")
    return f"{text} {unit}" if unit else text


def difference(value: float | None, unit: str) -> str:
    """A value that is a difference from something else: `64.6 % lower`, `0.2 higher`; a dash for none."""
    return "-" if value is None else f"{figure(abs(value), unit)} {'lower' if value < 0 else 'higher'}"


@lru_cache(maxsize=4096)
def bound(limit: float | None, unit: str) -> str:
    """The limit of a value; a dash if the value itself is a multiple of its limit."""
    return "-" if unit == OF_THE_LIMIT and limit == 1 else figure(limit, unit)


@lru_cache(maxsize=1024)
def span(seconds: int) -> str:
    """The length of a window in words; 0 is the open window."""
    return f"the last {format_duration(seconds)}" if seconds else "the current window"


def label_words(label: str, value: str) -> str:
    """The value of a label as texts write it."""
    return LABEL_WORDS.get(label, {}).get(value, value)


def placeholders(template: str) -> set[str]:
    """The placeholders in a template."""
    return set(_PLACE.findall(template))


def render(template: str, fields: Mapping[str, str]) -> str:
    """Fill in `{name}`; fields without a value stay empty."""
    return _PLACE.sub(lambda place: fields.get(place[1], ""), template)


def _times(value: float) -> str:
    return "over 1,000 times the limit" if value > 1000 else f"{format_number(value, 2)} times the limit"


def _seconds(value: float) -> str:
    if abs(value) < 0.9995:
        return f"{format_number(value * 1000)} ms"
    return f"{format_number(value)} s" if abs(value) < 120 else format_duration(round(value))
