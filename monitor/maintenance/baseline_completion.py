"""Adds to a baseline what was declared after it was made: own metrics, and the scale of forecasts.

A baseline of the first predictions is not made again when the configuration changes: its columns stay as they are, and
drift goes on. What it lacks is counted from the same rows. If they are deleted, or lack a column, the newest stored
rows are taken; if these are too few, it is tried again.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection

from monitor.records import Stream
from monitor.store import predictions
from monitor.store.db import Store
from monitor.windows import baseline
from monitor.windows.baseline import Baseline, EncodedBaseline
from monitor.windows.declared.baseline_definitions import DeclaredBaseline
from monitor.windows.declared.custom_metric import CustomMetric, of_stored
from monitor.windows.declared.seasonal_naive import DOUBLED, ERROR, PAIRS, SeasonLength
from monitor.windows.declared.tally_labels import ROWS
from monitor.windows.layout.slice_limits import SliceKey
from monitor.windows.profile import Profile, Slice, blank

Count = TypeVar("Count")
_MOST_ROWS = 2_000_000
"""Of the newest rows that are read."""
_PAIRS = 30
"""Truths one season apart that a scale needs."""
_MARK = ", scale "


@dataclass(frozen=True, slots=True)
class CompletionTask:
    """A baseline to complete. `rows`: from how many rows a metric counts as known."""

    stream: Stream
    declared: DeclaredBaseline
    rows: int
    now: float


def lacking(made: Baseline, declared: DeclaredBaseline, rows: int) -> DeclaredBaseline:
    """What is declared and the baseline does not have, or has from fewer than `rows` rows if it has more."""
    needed = min(rows, made.profile.rows)
    known = made.profile.overall
    metrics = tuple(
        metric
        for metric in declared.metrics
        if known.tally(of_stored(*metric).tally).get(ROWS, 0.0) < max(needed, 1)
    )
    season = declared.season
    is_other = _MARK in made.source and mark(season) not in made.source
    if known.total(PAIRS) >= _PAIRS and not is_other:
        season = None
    return DeclaredBaseline(metrics, season)


def mark(season: SeasonLength | None) -> str:
    """What the source of a baseline says if it knows the scale of this season."""
    return "" if season is None else f"{_MARK}{hashlib.sha256(repr(season).encode()).hexdigest()[:8]}"


def complete(store: Store, task: CompletionTask) -> Iterator[EncodedBaseline]:
    """The baseline in force with what it lacked, ready to be stored; nothing if that cannot be counted yet."""
    with store.read() as connection:
        made = baseline.load(connection, task.stream, with_sample=True)
        if made is None:
            return
        source = made.source.split(_MARK)[0] + mark(task.declared.season)
        fuller = made
        for numbers in _periods(connection, made):
            wanted = lacking(fuller, task.declared, task.rows)
            if wanted.digest and numbers:
                profile = _with(connection, task.stream, fuller.profile, wanted, numbers)
                fuller = replace(fuller, profile=profile, source=source)
    if fuller.profile != made.profile:
        yield baseline.encoded(replace(fuller, created_at=task.now))


def _periods(connection: Connection, made: Baseline) -> Iterator[Sequence[int]]:
    """The batches of the baseline's own period, then the newest ones."""
    first = predictions.first_start(connection, made.stream)
    if first is None:
        return
    stored = predictions.sizes(connection, made.stream, first, 2**40)
    if made.span is not None:
        span = made.span
        yield [number for number, window, _ in stored if span.start <= window.start < span.end]
    newest, rows = list[int](), 0
    for number, _, size in reversed(stored):
        rows += size
        if newest and rows > _MOST_ROWS:
            break
        newest.insert(0, number)
    yield newest


def _with(
    connection: Connection, stream: Stream, profile: Profile, wanted: DeclaredBaseline, numbers: Sequence[int]
) -> Profile:
    """The profile with what these batches tell of what is wanted, where that is more than it knew."""
    metrics = replace(wanted, season=None)
    counted = baseline.with_declared_of(connection, stream, numbers, blank(profile.layout), metrics)
    for metric in (of_stored(*one) for one in wanted.metrics):
        if _rows(counted, metric) > _rows(profile, metric):
            profile = _replaced(profile, metric, counted)
    if wanted.season is None:
        return profile
    slices = {key: _without_scale(part) for key, part in profile.slices.items()}
    return baseline.with_declared_of(
        connection, stream, numbers, replace(profile, slices=slices), DeclaredBaseline((), wanted.season)
    )


def _rows(profile: Profile, metric: CustomMetric) -> float:
    return profile.overall.tally(metric.tally).get(ROWS, 0.0)


def _replaced(profile: Profile, metric: CustomMetric, counted: Profile) -> Profile:
    """The profile with the counts of a metric, for the parts that it has."""
    slices = dict[SliceKey, Slice]()
    for key, part in profile.slices.items():
        totals, tallies = _of_others(part.totals, metric), _of_others(part.tallies, metric)
        if key in counted.slices:
            more = counted.slices[key]
            totals |= {name: value for name, value in more.totals.items() if _is_of(name, metric)}
            tallies |= {name: value for name, value in more.tallies.items() if _is_of(name, metric)}
        slices[key] = replace(part, totals=totals, tallies=tallies)
    return replace(profile, slices=slices)


def _of_others(counts: Mapping[str, Count], metric: CustomMetric) -> dict[str, Count]:
    return {name: value for name, value in counts.items() if not _is_of(name, metric)}


def _is_of(name: str, metric: CustomMetric) -> bool:
    return name == metric.tally or name.startswith(f"{metric.tally}:")


def _without_scale(part: Slice) -> Slice:
    left = {name: value for name, value in part.totals.items() if name not in (ERROR, PAIRS, DOUBLED)}
    return replace(part, totals=left)
