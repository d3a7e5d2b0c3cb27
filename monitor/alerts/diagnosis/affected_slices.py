"""Where a problem is: which error type, version and segment have it, and which have not. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.metrics.quantiles import percentile
from monitor.rules.language.wording import figure
from monitor.windows.profile import Profile, Slice

LEAST_ROWS = 20.0
"""Rows that a version or segment needs to be named."""
MOST_NAMED = 3
LONGEST_NAME = 60
_PERCENTILES = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p95": 0.95, "latency_p99": 0.99}

Value = Callable[[Slice], tuple[float, float] | None]
"""A figure of a slice and the rows behind it; None without rows."""


@dataclass(frozen=True, slots=True)
class SliceFigure:
    """How a metric is computed from a slice, and when one value is clearly worse than another."""

    value: Value
    unit: str
    name: str
    is_worse: Callable[[float, float], bool]
    """Whether the first value is clearly worse than the second."""
    worst: Callable[[Iterable[float]], float] = max


@dataclass(frozen=True, slots=True)
class AffectedSlices:
    """The versions or segments that have a problem, and those that have not, such as `version 7`."""

    affected: tuple[str, ...] = ()
    unaffected: tuple[str, ...] = ()
    slices: tuple[tuple[str, str], ...] = ()
    """The keys of the affected slices."""


def locate(metric: str, before: Profile | None, after: Profile, limit: float | None) -> str:
    """What and where, with the figures before and since: `timeout in version 7, 31 % of its requests (0.2 % before);
    version 6 unaffected`. Empty if nothing more is known than the alert says.
    """
    if metric == "error_rate":
        return error_words(main_error(before, after), before, after, limit)
    figures = {**{name: _latency(name, share) for name, share in _PERCENTILES.items()}, "accuracy": ACCURACY}
    of = figures.get(metric)
    return "" if of is None else _in_words(of, before, after)


def main_error(before: Profile | None, after: Profile) -> str:
    """The error type behind most of the additional errors; empty if there is none."""
    excess = _excess(before, after)
    kind = max(excess, key=lambda one: excess[one], default="")
    total = sum(more for more in excess.values() if more > 0)
    return kind if kind and excess[kind] > total / 2 else ""


def error_kinds(before: Profile | None, after: Profile, limit: float) -> tuple[str, ...]:
    """The error types that exceed the limit by themselves, the most frequent first."""
    rows = after.rows
    excess = _excess(before, after)
    return tuple(sorted((one for one in excess if excess[one] > limit * rows), key=lambda one: -excess[one]))


def _excess(before: Profile | None, after: Profile) -> dict[str, float]:
    """Errors by type beyond those that the rate before the onset would have given."""
    usual: Mapping[str, float] = before.overall.tally("error") if before is not None else {}
    scale = after.rows / before.rows if before is not None and before.rows else 0.0
    return {
        kind: count - usual.get(kind, 0.0) * scale for kind, count in after.overall.tally("error").items()
    }


def error_words(kind: str, before: Profile | None, after: Profile, limit: float | None) -> str:
    """The errors of one type, or of all types if it is empty, with the figures before and since."""
    of = _error_share(kind, limit or 0.0)
    named = shortened(kind) if kind else _several(after.overall.tally("error"))
    if not named:
        return ""
    places = split(of, before, after)
    where = f" in {listed(places.affected)}" if places.affected else ""
    parts = [after.slices[key] for key in places.slices] or [after.overall]
    share = _together(of, parts)
    whose = "its" if len(places.affected) == 1 else "their"
    text = f"{named}{where}, {figure(share, of.unit)} of {whose if where else 'all'} requests"
    return text + _before(of, before, places) + _rest(places)


def _in_words(of: SliceFigure, before: Profile | None, after: Profile) -> str:
    places = split(of, before, after)
    was = _before(of, before, places)
    if not places.affected and not was:
        return ""
    worst = [of.value(after.slices[key]) for key in places.slices] or [of.value(after.overall)]
    values = [one[0] for one in worst if one is not None]
    if not values:
        return ""
    where = f" in {listed(places.affected)}" if places.affected else ""
    return f"{of.name} {figure(of.worst(values), of.unit)}{where}{was}{_rest(places)}"


def split(of: SliceFigure, before: Profile | None, after: Profile) -> AffectedSlices:
    """The dimension that best separates affected from unaffected rows: the versions if they differ, otherwise a
    segment.
    """
    dimensions: dict[str, dict[tuple[str, str], Slice]] = {}
    for key, part in after.slices.items():
        if key != ("", ""):
            dimensions.setdefault(key[0], {})[key] = part
    for name in sorted(dimensions, key=lambda one: (one != "version", one)):
        places = _split(of, before, dimensions[name])
        if places.affected:
            return places
    return AffectedSlices()


def _split(of: SliceFigure, before: Profile | None, parts: Mapping[tuple[str, str], Slice]) -> AffectedSlices:
    measured = {key: value for key, part in parts.items() if (value := of.value(part)) is not None}
    values = {key: value for key, (value, rows) in measured.items() if rows >= LEAST_ROWS}
    if len(values) < 2:
        return AffectedSlices()
    worst = of.worst(values.values())
    better = [key for key in values if of.is_worse(worst, values[key])]
    bad = [key for key in values if key not in better]
    good = [key for key in better if not _was_better(of, before, key, values[key])]
    if not good or len(bad) > MOST_NAMED:
        return AffectedSlices()
    return AffectedSlices(tuple(map(place, bad)), tuple(map(place, good)), tuple(bad))


def _was_better(of: SliceFigure, before: Profile | None, key: tuple[str, str], value: float) -> bool:
    """Whether a place was clearly better before the onset; then it is not unaffected."""
    part = before.slices.get(key) if before is not None else None
    earlier = of.value(part) if part is not None else None
    return earlier is not None and earlier[1] >= LEAST_ROWS and of.is_worse(value, earlier[0])


def _before(of: SliceFigure, before: Profile | None, places: AffectedSlices) -> str:
    if before is None:
        return ""
    parts = [before.slices[key] for key in places.slices if key in before.slices]
    usable = [part for part in parts if (value := of.value(part)) is not None and value[1] >= LEAST_ROWS]
    whole = of.value(before.overall)
    if usable:
        return f" ({figure(_together(of, usable), of.unit)} before)"
    return f" ({figure(whole[0], of.unit)} before)" if whole is not None and whole[1] >= LEAST_ROWS else ""


def _together(of: SliceFigure, parts: Sequence[Slice]) -> float:
    """The figure of several slices: the mean by rows."""
    values = [value for part in parts if (value := of.value(part)) is not None]
    rows = sum(count for _, count in values)
    return sum(value * count for value, count in values) / rows if rows else 0.0


def _rest(places: AffectedSlices) -> str:
    return f"; {listed(places.unaffected)} unaffected" if places.unaffected else ""


def place(key: tuple[str, str]) -> str:
    """`version 7`, `region eu`."""
    return f"{key[0].removeprefix('segments.')} {shortened(key[1])}"


def listed(names: Sequence[str]) -> str:
    """`version 6 and version 5`; more than three are counted."""
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def shortened(text: str) -> str:
    """A name on one line, at most 60 characters long."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 3]}..."


def _several(tally: Mapping[str, float]) -> str:
    """`several error types (timeout, OOM)`; empty without errors."""
    kinds = [shortened(kind) for kind in sorted(tally, key=lambda one: -tally[one])[:MOST_NAMED]]
    return f"several error types ({', '.join(kinds)})" if kinds else ""


def _error_share(kind: str, limit: float) -> SliceFigure:
    def value(part: Slice) -> tuple[float, float] | None:
        count = part.tally("error").get(kind, 0.0) if kind else part.flag("errors")
        return (count / part.rows, float(part.rows)) if part.rows else None

    def is_worse(one: float, other: float) -> bool:
        return one > limit and other <= max(limit, 0.005) and other < one / 4

    return SliceFigure(value, "share", "error rate", is_worse)


def _latency(metric: str, share: float) -> SliceFigure:
    def value(part: Slice) -> tuple[float, float] | None:
        column = part.column("latency_ms")
        milliseconds = percentile(column, share)
        return None if milliseconds is None else (milliseconds / 1000, column.finite)

    return SliceFigure(
        value, "seconds", metric.removeprefix("latency_"), lambda one, other: one > 1.5 * other
    )


def _right(part: Slice) -> tuple[float, float] | None:
    known = part.flag("classed")
    return (part.flag("right") / known, known) if known else None


ACCURACY = SliceFigure(_right, "share", "accuracy", lambda one, other: one < other - 0.03, min)
