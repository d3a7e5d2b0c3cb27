"""The counts of one group that fairness is computed from: answers, truths, and confidence."""

from dataclasses import dataclass

from monitor.metrics.quality import calibration_error
from monitor.metrics.quality.confusion import Confusion, Notation, confusion_of, is_certain
from monitor.windows.kernel.tally import MOST
from monitor.windows.layout.layout import NEW, RARE, Layout
from monitor.windows.profile import Slice

NUMBERS = "answers are counted as numbers: see `task` in docs/configuration.md"
NO_LABELS = "answers that are not texts are counted from the first baseline on"
RARE_ANSWER = "the favourable answer is too rare in the baseline to be counted alone: set another baseline"


@dataclass(frozen=True, slots=True)
class Proportion:
    """`hits` of `n` rows."""

    hits: float
    n: float

    @property
    def value(self) -> float:
        """The share; `n` must be positive."""
        return self.hits / self.n


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """One group: the share of its answers that are favourable (None: not counted), of its favourable truths that were
    answered so, and of its favourable answers that were right; and mean confidence minus accuracy, its variance over
    rows and their number.
    """

    selected: Proportion | None
    of_truths: Proportion
    of_answers: Proportion
    bias: float
    variance: float
    with_confidence: float


EMPTY = GroupCounts(Proportion(0.0, 0.0), Proportion(0.0, 0.0), Proportion(0.0, 0.0), 0.0, 0.0, 0.0)
"""A group without rows."""


def counts_of(part: Slice, favourable: str, notation: Notation) -> GroupCounts:
    """The counts of a group's slice. Rows whose class was not counted are in none of them."""
    table = confusion_of(part, notation)
    truths, answers = _by_truth(table, favourable, notation)
    is_known = is_certain(part, table)
    bias, variance, n = calibration_error.moments_of_bias(part) if is_known else (0.0, 0.0, 0.0)
    if n:  # as with one more right and one more wrong row: where all rows are right, the interval has a width
        accuracy = part.column("confidence.right").finite / n
        variance = (n * variance + (1 - accuracy) ** 2 + accuracy**2) / (n + 2)
    return GroupCounts(_selected(part, favourable, notation), truths, answers, bias, variance, n)


def why_not_counted(layout: Layout) -> str:
    """Why the favourable answer is not counted."""
    column = layout.by_name.get("prediction")
    if column is None:
        return NO_LABELS
    return RARE_ANSWER if column.labelled else NUMBERS


def _selected(part: Slice, favourable: str, notation: Notation) -> Proportion | None:
    key = notation.joins.key(favourable)
    if not part.has("prediction"):
        tally = part.tally("prediction")
        is_counted = 0 < len(tally) < MOST or part.rows == part.flag("errors")
        return Proportion(_of(tally, key, notation), sum(tally.values())) if is_counted else None
    counts = part.column("prediction")
    if not counts.column.labelled:
        return None
    known = dict(zip(counts.column.labels, counts.regular.tolist(), strict=True))
    new = part.tally("new:prediction")
    hits = _of(known, key, notation) + _of(new, key, notation)
    is_named = any(notation.joins.key(label) == key for label in (*known, *new))
    is_incomplete = counts.counts[RARE] > 0 or counts.counts[NEW] > sum(new.values())
    return None if is_incomplete and not is_named else Proportion(hits, counts.n)


def _of(tally: dict[str, float], key: str, notation: Notation) -> float:
    return sum(n for label, n in tally.items() if notation.joins.key(label) == key)


def _by_truth(table: Confusion | None, favourable: str, notation: Notation) -> tuple[Proportion, Proportion]:
    name = notation.name(favourable)
    if table is None or name not in table.classes:
        return Proportion(0.0, 0.0), Proportion(0.0, 0.0)
    at = table.classes.index(name)
    right, actual, predicted = (float(some[at]) for some in (table.right, table.actual, table.predicted))
    return Proportion(right, actual), Proportion(right, predicted)
