"""The data points of OTLP's metrics, independent of their encoding."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import msgspec

from monitor.sources.otlp.span import Attributes

MOST_LABELS = 128
LONGEST_LABEL = 256
DELTA, CUMULATIVE = 1, 2
"""Aggregation temporality."""


class PointKind(Enum):
    """How the values of a series relate to each other."""

    LEVEL = "level"
    """Each value stands for itself: of a gauge, or of a sum that also falls."""
    TOTAL = "total"
    """A value counts from the start of the series (cumulative)."""
    INCREMENT = "increment"
    """A value counts since the one before (delta)."""


class DataPoint(msgspec.Struct, frozen=True):
    """One value of a series. `labels` are the attributes of the point and of what made it, as texts.

    `time` is in ns since the epoch; 0 if it is unknown.
    """

    name: str
    labels: Mapping[str, str]
    value: float
    kind: PointKind
    time: int = 0


def kind_of(temporality: object, *, is_monotonic: bool) -> PointKind | None:
    """The kind of a sum or histogram; None for deltas of a sum that may fall, whose level is not known."""
    if not is_monotonic:
        return PointKind.LEVEL if temporality == CUMULATIVE else None
    if temporality == CUMULATIVE:
        return PointKind.TOTAL
    return PointKind.INCREMENT if temporality == DELTA else None


def labels_of(resource: Attributes, attributes: Attributes) -> dict[str, str]:
    """The attributes as labels; those of the point win."""
    labels: dict[str, str] = {}
    for name, value in [*resource.items(), *attributes.items()][: 2 * MOST_LABELS]:
        text = _text(value)
        if text is not None:
            labels[name[:LONGEST_LABEL]] = text
    return dict(list(labels.items())[:MOST_LABELS])


def counted(
    name: str, labels: Mapping[str, str], count: float, total: float | None, kind: PointKind, time: int
) -> Iterator[DataPoint]:
    """The points of a histogram or summary, named as Prometheus names them."""
    yield DataPoint(f"{name}_count", labels, count, kind, time)
    if total is not None:
        yield DataPoint(f"{name}_sum", labels, total, kind, time)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:LONGEST_LABEL] if isinstance(value, str | int | float) else None
