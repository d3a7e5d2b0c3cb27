"""The segments that lost most. They are shown with intervals, corrected for how many there are, and never decide: of
twenty segments, one loses by chance.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import pyarrow as pa

from monitor.gating import exact_tests
from monitor.gating.answers import PairedAnswers
from monitor.gating.decision import holm
from monitor.gating.figures import LARGEST
from monitor.gating.records import SegmentResult
from monitor.metrics.intervals import two_sided
from monitor.metrics.metric import MetricInfo
from monitor.metrics.quality import classification, regression
from monitor.metrics.quality.task import Task
from monitor.metrics.system.errors import ERROR_RATE

FEWEST = 50
"""Segments with fewer items (or groups) are only counted."""
MOST = 1000
"""Of each column, this many of the largest segments are compared."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, eq=False)
class _Each:
    """A metric that is a mean over items: the values of both sides, and which items have them."""

    info: MetricInfo
    candidate: np.ndarray
    baseline: np.ndarray
    used: np.ndarray


def compare(
    data: PairedAnswers, segments: Mapping[str, pa.Array], groups: np.ndarray | None, alpha: float
) -> tuple[tuple[SegmentResult, ...], int]:
    """All segments with enough items, those that lost most first; and the number of those with too few."""
    compared: list[SegmentResult] = []
    small = 0
    for column, labels in segments.items():
        for each in _metrics(data):
            results, too_small = _of_column(column, labels, each, groups, alpha)
            compared += results
            small += too_small if each.info is not ERROR_RATE else 0
    adjusted = holm([one.p_adjusted for one in compared])
    judged = [
        replace(one, p_adjusted=p, is_proven=p <= alpha) for one, p in zip(compared, adjusted, strict=True)
    ]
    return tuple(sorted(judged, key=_how_bad)), small


def _how_bad(one: SegmentResult) -> tuple[bool, float, str, str]:
    """Proven losses first; then by the loss that is certain, in units of the interval, so that few items do not
    lead.
    """
    sign = -1.0 if one.metric in _LOWER else 1.0
    best = sign * (one.high if sign > 0 else one.low)
    width = one.high - one.low
    return not one.is_proven, best / width if width > 0 else 0.0, one.column, one.value


_LOWER = frozenset((ERROR_RATE.name, regression.MAE.name))


def _metrics(data: PairedAnswers) -> Iterator[_Each]:
    mine, theirs = data.candidate, data.baseline
    if data.task is Task.REGRESSION:
        with np.errstate(invalid="ignore", over="ignore"):
            gaps = [np.abs(side.numbers - data.truth_numbers) for side in (mine, theirs)]
        yield _Each(regression.MAE, gaps[0], gaps[1], (gaps[0] < LARGEST) & (gaps[1] < LARGEST))
    else:
        used = (data.truth_codes >= 0) & (mine.codes >= 0) & (theirs.codes >= 0)
        right = [(side.codes == data.truth_codes).astype(np.float64) for side in (mine, theirs)]
        yield _Each(classification.ACCURACY, right[0], right[1], used)
    if mine.failed.any() or theirs.failed.any():
        failed = [side.failed.astype(np.float64) for side in (mine, theirs)]
        yield _Each(ERROR_RATE, failed[0], failed[1], np.ones(data.n, bool))


def _of_column(
    column: str, labels: pa.Array, each: _Each, groups: np.ndarray | None, alpha: float
) -> tuple[list[SegmentResult], int]:
    encoded = labels.dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(-1))
    used = each.used & (codes >= 0)
    codes = codes[used]
    if not codes.size:
        return [], 0
    names = encoded.dictionary.to_pylist()
    n = np.bincount(codes, minlength=len(names)).astype(np.float64)
    sides = [np.bincount(codes, side[used], len(names)) for side in (each.candidate, each.baseline)]
    gaps = each.candidate[used] - each.baseline[used]
    independent = n if groups is None else _groups_in(codes, groups[used], len(names))
    large = np.flatnonzero(independent >= FEWEST)
    kept = large[np.argsort(-n[large], kind="stable")][:MOST]
    small = int(np.count_nonzero((independent > 0) & (independent < FEWEST)))
    sign = -1.0 if each.info.name in _LOWER else 1.0
    if groups is not None or each.info.name == regression.MAE.name:
        spread = _spread(codes, gaps, groups[used] if groups is not None else None, n)
        bounds = _normal(sign, (sides[0] - sides[1])[kept] / n[kept], spread[kept], alpha)
    else:
        bounds = _exact(sign, codes, gaps, n, kept, alpha)
    results = []
    for place, low, high, p in zip(kept.tolist(), *bounds, strict=True):
        mine, theirs = (float(side[place] / n[place]) for side in sides)
        results.append(
            SegmentResult(
                column, names[place], each.info.name, each.info.unit, int(n[place]), theirs, mine, mine - theirs,
                float(low), float(high), float(p), is_proven=False,
            )
        )  # fmt: skip
    return results, small


def _groups_in(codes: np.ndarray, groups: np.ndarray, size: int) -> np.ndarray:
    """The number of groups that each segment has."""
    pairs = np.unique(codes.astype(np.int64) * (int(groups.max()) + 1) + groups)
    return np.bincount(pairs // (int(groups.max()) + 1), minlength=size).astype(np.float64)


def _spread(codes: np.ndarray, gaps: np.ndarray, groups: np.ndarray | None, n: np.ndarray) -> np.ndarray:
    """The standard error of each segment's mean difference, from the sums of its groups, or from its items."""
    mean = np.bincount(codes, gaps, n.size) / np.maximum(n, 1)
    residual = gaps - mean[codes]
    if groups is not None:
        size = int(groups.max()) + 1
        cells, places = np.unique(codes.astype(np.int64) * size + groups, return_inverse=True)
        residual = np.bincount(places, residual)
        codes = cells // size
    count = np.maximum(np.bincount(codes, minlength=n.size), 2)
    squares = np.bincount(codes, residual**2, n.size)
    return np.asarray(np.sqrt(squares * count / (count - 1)) / np.maximum(n, 1))


def _normal(
    sign: float, mean: np.ndarray, error: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    half = _NORMAL.inv_cdf(1 - alpha) * error
    p_values = []
    for one, of in zip((sign * mean).tolist(), error.tolist(), strict=True):
        deviate = one / of if of > 0 else math.copysign(math.inf, one) if one else 0.0
        tail = two_sided(deviate) / 2
        p_values.append(tail if deviate < 0 else 1 - tail)
    return mean - half, mean + half, p_values


def _exact(
    sign: float, codes: np.ndarray, gaps: np.ndarray, n: np.ndarray, kept: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Exact McNemar, and Tango's interval of the difference."""
    up = np.bincount(codes[gaps > 0], minlength=n.size)[kept]
    down = np.bincount(codes[gaps < 0], minlength=n.size)[kept]
    low, high = exact_tests.tango(
        down.astype(np.float64), up.astype(np.float64), n[kept], _NORMAL.inv_cdf(1 - alpha)
    )
    lost, won = (down, up) if sign > 0 else (up, down)
    return low, high, [exact_tests.mcnemar(*pair) for pair in zip(lost.tolist(), won.tolist(), strict=True)]
