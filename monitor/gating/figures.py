"""The figures that a gate compares: each a function of sums over items, for both sides from the same items.

A new figure is one function that returns a `Figure`, and a line in `FIGURES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from monitor.gating.answers import PairedAnswers, SideAnswers
from monitor.gating.resampling import Units, Value
from monitor.metrics.business.automation import AUTOMATION_RATE
from monitor.metrics.business.cost import COST_PER_PREDICTION
from monitor.metrics.metric import MetricInfo
from monitor.metrics.quality import classification, regression
from monitor.metrics.quality.calibration_error import BRIER_SCORE, EXPECTED_CALIBRATION_ERROR
from monitor.metrics.quality.ranking import LOG_LOSS, ROC_AUC
from monitor.metrics.quality.task import Task
from monitor.metrics.system.errors import ERROR_RATE
from monitor.metrics.system.latency import LATENCY, LATENCY_MEAN

_LEAST_PROBABILITY = 1e-15
LARGEST = 1e150
"""Larger sums cannot be squared."""
_MOST_CLASSES = 200
_MOST_RANKED = 20
_STEPS, _WIDTH = 40, 6.0
"""Thresholds on each side of a percentile, and how many of its standard errors they reach."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Items that are right or wrong on each side; an item without error counts as right. Bool, shape (n,), of the
    compared items, whose units are `codes`.
    """

    candidate: np.ndarray
    baseline: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class GateFigure:
    """One figure of both sides: its sums per unit, (units, k) each, and the functions that make it of sums.

    `n` is the number of items. `pairs` are given where each item is right or wrong. `reason` says why the figure was
    not measured, and then nothing else is there.
    """

    info: MetricInfo
    n: int = 0
    candidate: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    baseline: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    values: tuple[Value, Value] | None = None
    is_smooth: bool = True
    pairs: Pairs | None = None
    reason: str = ""


Make = Callable[[PairedAnswers, Units, MetricInfo, int], GateFigure]


def _mean(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _root_of_mean(sums: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(_mean(sums)))


def _of_columns(
    info: MetricInfo,
    units: Units,
    used: np.ndarray,
    columns: tuple[np.ndarray, np.ndarray],
    value: Value = _mean,
    *,
    nothing: str,
    pairs: Pairs | None = None,
) -> GateFigure:
    """A figure of the sums of one column per side (or of several, (n, k)), and of the number of `used` items."""
    if not used.any():
        return GateFigure(info, reason=nothing)
    counted = units.sums(used.astype(np.float64))
    sides = []
    for column in columns:
        mask = used if column.ndim == 1 else used[:, None]
        sides.append(np.concatenate([units.sums(np.where(mask, column, 0.0)), counted], axis=1))
    if not all((np.abs(side) < LARGEST).all() for side in sides):
        return GateFigure(info, reason=regression.OVERFLOW)
    return GateFigure(info, int(used.sum()), sides[0], sides[1], values=(value, value), pairs=pairs)


def _answered(data: PairedAnswers) -> np.ndarray:
    """The items whose truth is known and that both sides answered with a class."""
    return np.asarray((data.truth_codes >= 0) & (data.candidate.codes >= 0) & (data.baseline.codes >= 0))


def _accuracy(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
    del bins
    used = _answered(data)
    right = [side.codes == data.truth_codes for side in (data.candidate, data.baseline)]
    pairs = Pairs(right[0][used], right[1][used], units.codes[used])
    mine, theirs = (one.astype(np.float64) for one in right)
    return _of_columns(info, units, used, (mine, theirs), nothing=_NO_CLASSES, pairs=pairs)


def _error_rate(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
    del bins
    used = np.ones(data.n, bool)
    failed = (data.candidate.failed, data.baseline.failed)
    pairs = Pairs(~failed[0], ~failed[1], units.codes)
    mine, theirs = (one.astype(np.float64) for one in failed)
    return _of_columns(info, units, used, (mine, theirs), nothing="no item", pairs=pairs)


def _automation_rate(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
    del bins
    mine, theirs = data.candidate.automated, data.baseline.automated
    used = np.isfinite(mine) & np.isfinite(theirs)
    pairs = Pairs(mine[used] > 0, theirs[used] > 0, units.codes[used])
    return _of_columns(
        info,
        units,
        used,
        (mine, theirs),
        nothing="no item says on both sides whether it was automated",
        pairs=pairs,
    )


def _by_class(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
    """Macro averages: right, actual and predicted rows of each class."""
    del bins
    used, size = _answered(data), len(data.classes)
    if not used.any():
        return GateFigure(info, reason=_NO_CLASSES)
    if size > _MOST_CLASSES:
        return GateFigure(
            info, reason=f"{size:,} classes, and at most {_MOST_CLASSES} are compared one by one"
        )
    actual = np.where(used, data.truth_codes, -1)
    sides, values = [], []
    for side in (data.candidate, data.baseline):
        predicted = np.where(used, side.codes, -1)
        right = np.where(predicted == actual, actual, -1)
        counts = [units.counts(codes, size) for codes in (right, actual, predicted)]
        sides.append(np.concatenate(counts, axis=1))
        occurs = sides[-1].sum(axis=0).reshape(3, size)[1:].any(axis=0)
        values.append(_macro(info.name, occurs))
    return GateFigure(info, int(used.sum()), sides[0], sides[1], values=(values[0], values[1]))


def _macro(name: str, occurs: np.ndarray) -> Value:
    """The mean over the classes that are a truth or an answer of this side, as the daemon computes it."""

    def value(sums: np.ndarray) -> np.ndarray:
        right, actual, predicted = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)[..., occurs]
        if name == classification.BALANCED_ACCURACY.name:
            shares, is_there = right / np.maximum(actual, 1e-300), actual > 0
            return np.asarray((shares * is_there).sum(axis=-1) / is_there.sum(axis=-1))
        top, below = {
            classification.PRECISION.name: (right, predicted),
            classification.RECALL.name: (right, actual),
        }.get(name, (2 * right, actual + predicted))
        return np.asarray((top / np.maximum(below, 1e-300)).mean(axis=-1))

    return value


def _log_loss(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
    del bins
    shares = (data.candidate.shares, data.baseline.shares)
    if shares[0] is None or shares[1] is None:
        return GateFigure(info, reason=_NO_PROBABILITIES)
    used = data.truth_codes >= 0
    losses = []
    for each in (shares[0], shares[1]):
        of_truth = each[np.arange(data.n), np.maximum(data.truth_codes, 0)]
        used = used & np.isfinite(each).all(axis=1)
        losses.append(-np.log(np.clip(np.nan_to_num(of_truth), _LEAST_PROBABILITY, None)))
    return _of_columns(info, units, used, (losses[0], losses[1]), nothing=_NO_PROBABILITIES)


def _roc_auc(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
    """The areas by DeLong's components: for each item, the share of the other class's items that it is in the right
    order with. The area is their mean over the items of either class, so its draws are means of components.
    """
    del bins
    shares = (data.candidate.shares, data.baseline.shares)
    if shares[0] is None or shares[1] is None:
        return GateFigure(info, reason=_NO_PROBABILITIES)
    if len(data.ranked) > _MOST_RANKED:
        return GateFigure(info, reason=f"{len(data.ranked)} classes, and at most {_MOST_RANKED} are ranked")
    used = data.truth_codes >= 0
    for each in (shares[0], shares[1]):
        used = used & np.isfinite(each).all(axis=1)
    present = [code for code in data.ranked.tolist() if (data.truth_codes[used] == code).any()]
    if len(present) < 2:
        return GateFigure(info, reason="all truths are of one class")
    if len(data.ranked) == 2:
        present = present[1:]  # the area of the other class is the same
    sides, values = [], []
    for each in (shares[0], shares[1]):
        parts, areas = zip(
            *(_components(each[used, code], data.truth_codes[used] == code) for code in present), strict=True
        )
        columns = np.zeros((data.n, 4 * len(present)))
        columns[used] = np.concatenate(parts, axis=1)
        sides.append(units.sums(columns))
        values.append(_area(np.array(areas)))
    return GateFigure(info, int(used.sum()), sides[0], sides[1], values=(values[0], values[1]))


def _components(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, float]:
    """The components of positive rows, their number, and the same of the others, shape (n, 4); and the area."""
    ranks = _middle_ranks(scores)
    p, q = int(positive.sum()), int((~positive).sum())
    columns = np.zeros((scores.size, 4))
    columns[positive, 0] = (ranks[positive] - _middle_ranks(scores[positive])) / q
    columns[~positive, 2] = 1 - (ranks[~positive] - _middle_ranks(scores[~positive])) / p
    columns[positive, 1], columns[~positive, 3] = 1.0, 1.0
    return columns, float(columns[:, 0].sum() / p)


def _middle_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties in the middle."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places])


def _area(areas: np.ndarray) -> Value:
    def value(sums: np.ndarray) -> np.ndarray:
        positive, p, negative, q = np.moveaxis(sums.reshape(*sums.shape[:-1], -1, 4), -1, 0)
        return np.asarray((positive / p + negative / q - areas).mean(axis=-1))

    return value


def _calibration(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
    used = _answered(data) & np.isfinite(data.candidate.confidence) & np.isfinite(data.baseline.confidence)
    if not used.any():
        return GateFigure(info, reason=_NO_CONFIDENCE)
    sides = []
    for side in (data.candidate, data.baseline):
        confidence = np.nan_to_num(side.confidence)
        gap = np.where(used, confidence - (side.codes == data.truth_codes), 0.0)
        place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
        sums = np.bincount(units.codes * bins + place, gap, units.count * bins).reshape(units.count, bins)
        sides.append(np.concatenate([sums, units.sums(used.astype(np.float64))], axis=1))
    return GateFigure(info, int(used.sum()), sides[0], sides[1], values=(_summed_gaps, _summed_gaps))


def _summed_gaps(sums: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1])


def _brier(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
    del bins
    used = _answered(data) & np.isfinite(data.candidate.confidence) & np.isfinite(data.baseline.confidence)
    mine, theirs = (
        (np.nan_to_num(side.confidence) - (side.codes == data.truth_codes)) ** 2
        for side in (data.candidate, data.baseline)
    )
    return _of_columns(info, units, used, (mine, theirs), nothing=_NO_CONFIDENCE)


def _residual(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
    del bins
    truth = data.truth_numbers
    with np.errstate(over="ignore", invalid="ignore"):
        mine, theirs = (np.abs(side.numbers - truth) for side in (data.candidate, data.baseline))
        used = ~(np.isnan(mine) | np.isnan(theirs))
        value: Value = _mean
        if info.name == regression.RMSE.name:
            mine, theirs, value = mine**2, theirs**2, _root_of_mean
        elif info.name == regression.MAPE.name:
            used &= truth != 0
            size = np.where(truth != 0, np.abs(truth), 1.0)
            mine, theirs = mine / size, theirs / size
    return _of_columns(info, units, used, (mine, theirs), value, nothing=_NO_NUMBERS)


def _mean_of(of: str) -> Make:
    def make(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
        del bins
        mine, theirs = getattr(data.candidate, of), getattr(data.baseline, of)
        used = np.isfinite(mine) & np.isfinite(theirs)
        return _of_columns(info, units, used, (mine, theirs), nothing=f"no item has a {of} on both sides")

    return make


def _percentile(share: float) -> Make:
    """A percentile by the counts below thresholds around it."""

    def make(data: PairedAnswers, units: Units, info: MetricInfo, bins: int) -> GateFigure:
        del bins
        used = np.isfinite(data.candidate.latency) & np.isfinite(data.baseline.latency)
        if not used.any():
            return GateFigure(info, reason="no item has a latency on both sides")
        sides, values = [], []
        for side in (data.candidate, data.baseline):
            limits = _thresholds(np.sort(side.latency[used]), share)
            places = np.where(used, np.searchsorted(limits, side.latency), -1)
            counts = np.cumsum(units.counts(places, limits.size), axis=1)
            sides.append(np.concatenate([counts, units.sums(used.astype(np.float64))], axis=1))
            values.append(_lowest_above(limits, share))
        return GateFigure(
            info, int(used.sum()), sides[0], sides[1], values=(values[0], values[1]), is_smooth=False
        )

    return make


def _thresholds(values: np.ndarray, share: float) -> np.ndarray:
    """Distinct values around a percentile, which is one of them."""
    n = values.size
    rank = min(max(int(np.ceil(n * share - 1e-9)) - 1, 0), n - 1)
    reach = _WIDTH * np.sqrt(n * share * (1 - share)) + 1
    offsets = np.rint(np.linspace(-reach, reach, 2 * _STEPS + 1)).astype(np.int64)
    return np.unique(values[np.clip(rank + offsets, 0, n - 1)])


def _lowest_above(limits: np.ndarray, share: float) -> Value:
    def value(sums: np.ndarray) -> np.ndarray:
        needed = sums[..., -1:] * share - 1e-9
        places = (sums[..., :-1] < needed).sum(axis=-1)
        return np.asarray(limits[np.minimum(places, limits.size - 1)])

    return value


_NO_CLASSES = "no item has a known truth and an answer on both sides"
_NO_NUMBERS = "no item has a known truth and an answer on both sides that are numbers"
_NO_CONFIDENCE = "no item with a known truth has a confidence on both sides"
_NO_PROBABILITIES = "no item with a known truth has the probabilities of all classes on both sides"

FIGURES: Mapping[str, tuple[MetricInfo, Make]] = {
    info.name: (info, make)
    for info, make in (
        (classification.ACCURACY, _accuracy),
        (classification.BALANCED_ACCURACY, _by_class),
        (classification.PRECISION, _by_class),
        (classification.RECALL, _by_class),
        (classification.F1, _by_class),
        (ROC_AUC, _roc_auc),
        (LOG_LOSS, _log_loss),
        (EXPECTED_CALIBRATION_ERROR, _calibration),
        (BRIER_SCORE, _brier),
        (regression.MAE, _residual),
        (regression.RMSE, _residual),
        (regression.MAPE, _residual),
        (ERROR_RATE, _error_rate),
        (AUTOMATION_RATE, _automation_rate),
        (COST_PER_PREDICTION, _mean_of("cost")),
        (LATENCY_MEAN, _mean_of("latency")),
        *((info, _percentile(percent / 100)) for percent, info in LATENCY.items()),
    )
}
"""All figures, in the order of reports."""
_OF_CLASSES = ("accuracy", "f1", "roc_auc", "log_loss", "expected_calibration_error")
_OF_NUMBERS = ("mae", "rmse")


def usual(data: PairedAnswers) -> tuple[str, ...]:
    """The figures that are compared if none are named: those that the items have."""
    sides = (data.candidate, data.baseline)
    chosen: list[str] = []
    has_truth = (data.truth_codes >= 0).any() or np.isfinite(data.truth_numbers).any()
    if has_truth and data.task is Task.REGRESSION:
        chosen += _OF_NUMBERS
    elif has_truth:
        chosen += (name for name in _OF_CLASSES if _has(name, sides))
    if any(side.failed.any() for side in sides):
        chosen.append(ERROR_RATE.name)
    if all(np.isfinite(side.automated).any() for side in sides):
        chosen.append(AUTOMATION_RATE.name)
    if all(np.isfinite(side.cost).any() for side in sides):
        chosen.append(COST_PER_PREDICTION.name)
    if all(np.isfinite(side.latency).any() for side in sides):
        chosen += [LATENCY[50].name, LATENCY[95].name]
    return tuple(chosen)


def _has(name: str, sides: tuple[SideAnswers, SideAnswers]) -> bool:
    if name in (ROC_AUC.name, LOG_LOSS.name):
        return all(side.shares is not None for side in sides)
    if name == EXPECTED_CALIBRATION_ERROR.name:
        return all(np.isfinite(side.confidence).any() for side in sides)
    return True
