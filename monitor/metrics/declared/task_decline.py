"""How far sets of labels, single outputs and risks are below the baseline, with the chance of both sides."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from monitor.metrics.declared import ranked_scores
from monitor.metrics.intervals import Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality import multi_label, multi_output
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.kernel import label_set_counts, output_counts
from monitor.windows.profile import Slice

DECLINE = MetricInfo(
    "task_decline", "share", Better.LOWER,
    "By how much a figure is worse than the baseline's, relative to it; below 0 it is better.",
    ("of", "output", "horizon", "version", "segment"),
    "subset_accuracy: 1 - value / baseline's; output_mae: value / baseline's - 1; concordance_at_horizon: lost share "
    "of what the baseline's is above 0.5; interval by the delta method, of both",
    "sets of labels, outputs or `survival`, with outcomes; a baseline with 100 outcomes",
)  # fmt: skip
INFO = (DECLINE,)
FEWEST_OF_BASELINE = 100
_CHANCE = 0.5
_ADDED = 2.0
"""Rows of each kind that are added before a share's variance is taken: of few rows, none is not sure (Agresti and Coull
1998).
"""


class _Figure(NamedTuple):
    """A figure with its variance, and the rows behind it."""

    value: float
    variance: float
    n: float


def measure(subject: Subject) -> Iterator[Measurement]:
    """The declines of all rows, by version and by segment; nothing without a baseline, or of other tasks."""
    if subject.baseline is None:
        return
    for where, part, base in subject.scopes():
        if base is None:
            continue
        yield from _of(subject, multi_label.SUBSET_ACCURACY, where, *_subset(part, base))
        for output in output_counts.outputs_of(part):
            named = {"output": output, **dict(where)}
            pair = _error(part, output), _error(base, output)
            yield from _of(subject, multi_output.MAE, labels(**named), *pair)
        for horizon, now, usual in ranked_scores.concordances(subject, part, base):
            figures = (None if one is None else _Figure(one[0], one[1] ** 2, one[2]) for one in (now, usual))
            named = {"horizon": horizon, **dict(where)}
            yield from _of(subject, ranked_scores.CONCORDANCE, labels(**named), *figures)


def _of(
    subject: Subject, info: MetricInfo, where: Labels, now: _Figure | None, usual: _Figure | None
) -> Iterator[Measurement]:
    if now is None:
        return
    where, needed = labels(of=info.name, **dict(where)), subject.settings.min_outcomes
    if now.n < needed:
        yield subject.not_measured(DECLINE, too_few(now.n, needed, "outcomes"), now.n, where=where)
        return
    known = 0.0 if usual is None else usual.n
    if usual is None or known < FEWEST_OF_BASELINE:
        reason = too_few(known, FEWEST_OF_BASELINE, "outcomes of the baseline")
        yield subject.not_measured(DECLINE, reason, now.n, where=where)
        return
    floor = _CHANCE if info is ranked_scores.CONCORDANCE else 0.0
    value, before = now.value - floor, usual.value - floor
    if not before > 0:
        yield subject.not_measured(
            DECLINE, "the baseline's figure is no better than chance", now.n, where=where
        )
        return
    ratio = value / before
    half = Z * math.sqrt(now.variance + max(ratio, 1.0) ** 2 * usual.variance) / before
    decline = ratio - 1 if info is multi_output.MAE else 1 - ratio
    yield subject.ok(DECLINE, decline, now.n, where=where, interval=(decline - half, decline + half))


def _subset(part: Slice, base: Slice) -> tuple[_Figure | None, _Figure | None]:
    """The subset accuracy now and in the baseline. The variance of the first is at least what it would be if both were
    alike: a share that is small by chance has a small one, and would look sure.
    """
    (n, right), (m, usual) = (
        (one.total(label_set_counts.ROWS), one.total(label_set_counts.EXACT)) for one in (part, base)
    )
    if not n:
        return None, None
    variance = max(_variance(right, n), _variance(right + usual, n + m) * (n + m) / n)
    return _Figure(right / n, variance, n), _Figure(usual / m, _variance(usual, m), m) if m else None


def _variance(right: float, n: float) -> float:
    share = (right + _ADDED) / (n + 2 * _ADDED)
    return share * (1 - share) / n


def _error(part: Slice, output: str) -> _Figure | None:
    n, absolute, squared = (
        part.total(output_counts.name_of(what, output))
        for what in (output_counts.N, output_counts.ABSOLUTE, output_counts.SQUARED)
    )
    if not n:
        return None
    mean = absolute / n
    return _Figure(mean, max(squared / n - mean * mean, 0.0) / max(n - 1, 1.0), n)
