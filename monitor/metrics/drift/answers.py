"""Whether all answers are alike: how much less they vary than in the baseline."""

from collections.abc import Iterator

from monitor.metrics.drift.column_drift import where
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Measurement
from monitor.windows.layout.layout import ColumnKind
from monitor.windows.profile import ColumnCounts

VARIATION_LOSS = MetricInfo(
    "variation_loss", "share", Better.NONE,
    "How much less the answers vary than in the baseline; 100 %: all are alike.",
    ("feature", "output"),
    "1 - variation / baseline's; variation: standard deviation of numbers, Gini impurity of classes (1 - sum p^2)",
    "a baseline; answers that vary there",
)  # fmt: skip
INFO = (VARIATION_LOSS,)
_ANSWER = "prediction"
_COMPARED = frozenset(
    (ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.CATEGORY, ColumnKind.BOOLEAN, ColumnKind.SCORE)
)


def measure(subject: Subject) -> Iterator[Measurement]:
    """The loss for the answers, if they are numbers or classes and can be compared."""
    base, part = subject.baseline, subject.profile.overall
    column = subject.profile.layout.by_name.get(_ANSWER)
    if base is None or base.layout.id != subject.profile.layout.id or column is None:
        return
    if column.kind not in _COMPARED or column.open_ended or not part.has(_ANSWER):
        return
    counts = part.column(_ANSWER)
    n, needed, of = counts.n, max(subject.settings.min_rows, 2), where(column)
    before = _variation(base.profile.overall.column(_ANSWER))
    if not before:
        yield subject.not_measured(VARIATION_LOSS, "the baseline's answers do not vary", n, where=of)
    elif n < needed:
        yield subject.not_measured(VARIATION_LOSS, too_few(n, needed, "answers"), n, where=of)
    elif (now := _variation(counts)) is None:
        yield subject.not_measured(VARIATION_LOSS, "no answer is a finite number", n, where=of)
    else:
        yield subject.ok(VARIATION_LOSS, 1 - now / before, n, where=of)


def _variation(counts: ColumnCounts) -> float | None:
    """The standard deviation of numbers, the Gini impurity of classes; None without any."""
    if not counts.column.labelled:
        return counts.deviation
    n = counts.n
    if not n:
        return None
    return 1 - float(((counts.regular / n) ** 2).sum()) - (counts.new / n) ** 2
