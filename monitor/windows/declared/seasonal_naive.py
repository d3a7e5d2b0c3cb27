"""The error of the seasonal naive forecast over a baseline: what MASE divides by where no scale is configured.

Each truth is compared with that of one season before, of the same series and horizon. Only a baseline has this figure:
windows have counts, not the order of a series.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names, numbers
from monitor.windows.kernel.exact_sums import exact_sum
from monitor.windows.layout.slice_limits import SliceKey
from monitor.windows.profile import OVERALL, Profile

ERROR, PAIRS, DOUBLED = (f"forecast naive {what}" for what in ("error", "pairs", "doubled"))
"""Sums: of absolute errors, of pairs of truths a season apart, and of truths at the time of another one."""
_TIME, _TRUTH, _SEGMENT = "timestamp", "outcome.truth", "segments."
_MICROS = 1e6
_TOLERANCE = 0.05
"""By how much of a season, or of half the usual step, two times may miss each other."""


@dataclass(frozen=True, slots=True)
class SeasonLength:
    """`seconds` after which a series repeats itself. `series` and `horizon` are the segments with the name of the
    series and the horizon of a forecast; empty without any.
    """

    seconds: float
    series: str = ""
    horizon: str = ""

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return [_TIME, _TRUTH, *(f"{_SEGMENT}{name}" for name in (self.series, self.horizon) if name)]


def with_naive_errors(profile: Profile, parts: Iterable[pa.RecordBatch], season: SeasonLength) -> Profile:
    """The profile of a baseline with the sums for all rows and, of those that it has, for each series."""
    times, truths, labels = _columns(parts, season)
    total: dict[SliceKey, dict[str, float]] = {}
    for group, rows in _groups(labels):
        errors = _compared(times[rows], truths[rows], season.seconds)
        keys = [OVERALL, *([(f"{_SEGMENT}{season.series}", group)] if season.series and group else [])]
        for key in keys:
            sums = total.setdefault(key, dict.fromkeys(errors, 0.0))
            for name, value in errors.items():
                sums[name] += value
    slices = dict(profile.slices)
    for key, sums in total.items():
        if key in slices:
            exact = {name: exact_sum(np.array([value])) for name, value in sums.items() if value}
            slices[key] = replace(slices[key], totals={**slices[key].totals, **exact})
    return replace(profile, slices=slices)


def _columns(
    parts: Iterable[pa.RecordBatch], season: SeasonLength
) -> tuple[np.ndarray, np.ndarray, list[tuple[str, str]]]:
    """Times in seconds and truths of all rows that have both, and the series and the horizon of each."""
    times, truths, labels = [np.empty(0)], [np.empty(0)], list[tuple[str, str]]()
    for rows in parts:
        if not {_TIME, _TRUTH} <= set(rows.schema.names):
            continue
        time = arrays.floats(rows.column(_TIME).cast(pa.float64(), safe=False)) / _MICROS
        truth = numbers(rows.column(_TRUTH)).values
        usable = np.isfinite(time) & np.isfinite(truth)
        times.append(time[usable])
        truths.append(truth[usable])
        both = [_texts(rows, name) for name in (season.series, season.horizon)]
        labels += [pair for pair, is_usable in zip(zip(*both, strict=True), usable, strict=True) if is_usable]
    return np.concatenate(times), np.concatenate(truths), labels


def _texts(rows: pa.RecordBatch, segment: str) -> list[str]:
    if not segment or f"{_SEGMENT}{segment}" not in rows.schema.names:
        return [""] * rows.num_rows
    segments = names(rows.column(f"{_SEGMENT}{segment}")).cast(pa.string()).to_pylist()
    return [text or "" for text in segments]


def _groups(labels: list[tuple[str, str]]) -> Iterator[tuple[str, np.ndarray]]:
    """The series of each group of rows of one series and horizon, and the places of these rows."""
    places: dict[tuple[str, str], int] = {}
    codes = np.array([places.setdefault(pair, len(places)) for pair in labels], np.int64)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(places))) if len(places) else np.empty(0, np.int64)
    for (series, _), end, start in zip(places, ends, np.append(0, ends[:-1]), strict=False):
        yield series, order[start:end]


def _compared(times: np.ndarray, truths: np.ndarray, season: float) -> dict[str, float]:
    """The sums of one series."""
    order = np.argsort(times, kind="stable")
    times, truths = times[order], truths[order]
    steps = np.diff(times)
    doubled = float(np.count_nonzero(steps == 0))
    apart = steps[steps > 0]
    if not apart.size:
        return {ERROR: 0.0, PAIRS: 0.0, DOUBLED: doubled}
    near = min(season * _TOLERANCE, float(np.median(apart)) / 2)
    before = times - season
    right = np.clip(np.searchsorted(times, before), 1, len(times) - 1)
    nearest = np.where(before - times[right - 1] <= times[right] - before, right - 1, right)
    is_pair = np.abs(times[nearest] - before) < near
    errors = np.abs(truths - truths[nearest])[is_pair]
    errors = errors[np.isfinite(errors)]
    return {ERROR: float(errors.sum()), PAIRS: float(errors.size), DOUBLED: doubled}
