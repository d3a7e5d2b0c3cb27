"""Whether all answers are alike: how much less they vary than in the baseline, and how common they are there."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from monitor.metrics.drift.column_drift import where
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Measurement
from monitor.windows.layout.layout import ColumnKind
from monitor.windows.profile import ColumnCounts, Slice

VARIATION_LOSS = MetricInfo(
    "variation_loss", "share", Better.NONE,
    "How much less the answers vary than in the baseline; 100 %: all are alike.",
    ("feature", "output"),
    "1 - variation / baseline's; variation: standard deviation of numbers, Gini impurity of classes (1 - sum p^2)",
    "a baseline; answers that vary there",
)  # fmt: skip
RESTING_SHARE = MetricInfo(
    "resting_share", "share", Better.NONE,
    "Share of the baseline's answers that are where nearly all answers are now, such as zero at night.",
    ("feature", "output"),
    "numbers: baseline's share between the 2.5 % and 97.5 % quantiles of the answers; classes and scores: 0",
    "a baseline; answers that vary there",
)  # fmt: skip
INPUT_VARIATION_LOSS = MetricInfo(
    "input_variation_loss", "share", Better.NONE,
    "Most variation that one input has lost while the answers are alike: answers of one moment or place may be alike.",
    ("feature", "output"),
    "numbers: largest 1 - variation / baseline's of the features; classes and scores: 0",
    "a baseline; answers that have lost half of their variation",
)  # fmt: skip
INFO = (VARIATION_LOSS, RESTING_SHARE, INPUT_VARIATION_LOSS)
_ANSWER = "prediction"
_RESTING = frozenset((ColumnKind.NUMBER, ColumnKind.INTEGER))
_TAIL = 0.025
_ALIKE = 0.5
_COMPARED = frozenset(
    (ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.CATEGORY, ColumnKind.BOOLEAN, ColumnKind.SCORE)
)


def measure(subject: Subject) -> Iterator[Measurement]:
    """These for the answers, if they are numbers or classes and can be compared."""
    base, part = subject.baseline, subject.profile.overall
    column = subject.profile.layout.by_name.get(_ANSWER)
    if base is None or base.layout.id != subject.profile.layout.id or column is None:
        return
    if column.kind not in _COMPARED or column.open_ended or not part.has(_ANSWER):
        return
    counts = part.column(_ANSWER)
    n, needed, of = counts.n, max(subject.settings.min_rows, 2), where(column)
    reference = base.profile.overall.column(_ANSWER)
    before = _variation(reference)
    if not before:
        yield subject.not_measured(VARIATION_LOSS, "the baseline's answers do not vary", n, where=of)
    elif n < needed:
        yield subject.not_measured(VARIATION_LOSS, too_few(n, needed, "answers"), n, where=of)
    elif (now := _variation(counts)) is None:
        yield subject.not_measured(VARIATION_LOSS, "no answer is a finite number", n, where=of)
    else:
        yield subject.ok(VARIATION_LOSS, 1 - now / before, n, where=of)
        yield subject.ok(RESTING_SHARE, _resting_share(counts, reference), n, where=of)
        if 1 - now / before > _ALIKE:
            loss, name = (
                _input_loss(part, base.profile.overall, needed) if column.kind in _RESTING else (0.0, "")
            )
            because = f"input {name} has lost {loss:.0%} of its variation" if name else ""
            yield replace(subject.ok(INPUT_VARIATION_LOSS, loss, n, where=of), because=because)


def _variation(counts: ColumnCounts) -> float | None:
    """The standard deviation of numbers, the Gini impurity of classes; None without any."""
    if not counts.column.labelled:
        return counts.deviation
    n = counts.n
    if not n:
        return None
    return 1 - float(((counts.regular / n) ** 2).sum()) - (counts.new / n) ** 2


def _input_loss(part: Slice, base: Slice, needed: float) -> tuple[float, str]:
    """The largest loss of variation of a feature, and its name; 0 without features."""
    losses = [(0.0, "")]
    for column in part.layout.features:
        if column.kind not in _COMPARED or column.open_ended or not part.has(column.name):
            continue
        counts = part.column(column.name)
        before, now = _variation(base.column(column.name)), _variation(counts)
        if before and now is not None and counts.n >= needed:
            losses.append((1 - now / before, column.feature or column.name))
    return max(losses)


def _resting_share(now: ColumnCounts, base: ColumnCounts) -> float:
    """The baseline's share of the buckets that hold the middle 95 % of the numbers; 0 for classes and scores, of which
    one may be frequent without ever being the only one for minutes.
    """
    if now.column.kind not in _RESTING or not base.n:
        return 0.0
    current, usual = (np.concatenate([[one.below], one.regular, [one.above]]) for one in (now, base))
    reached = np.cumsum(current) / current.sum()
    first, last = np.searchsorted(reached, (_TAIL, 1 - _TAIL))
    return float(usual[first : last + 1].sum() / usual.sum())
