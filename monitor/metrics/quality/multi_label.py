"""Quality of answers that are sets of labels: subset accuracy, F1 by label, ranking loss."""

import math
from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval, Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.visible import counted
from monitor.windows.kernel import label_set_counts as counts
from monitor.windows.kernel.tally import MOST
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
_NEEDS = "`predicted_labels`, outcomes with `true_labels`"
SUBSET_ACCURACY = MetricInfo(
    "subset_accuracy", "share", Better.HIGHER, "Share of the rows whose labels are all right, and none is missing.",
    _WHERE, "rows with equal sets / rows, Wilson interval", _NEEDS, "Wilson 1927",
)  # fmt: skip
MICRO_F1 = MetricInfo(
    "micro_f1", "share", Better.HIGHER, "F1 of all labels of all rows together.", _WHERE,
    "2 right / (predicted + true); interval by the delta method, rows as units", _NEEDS,
)  # fmt: skip
MACRO_F1 = MetricInfo(
    "macro_f1", "share", Better.HIGHER, "Mean of the F1 of all labels, each counted alike.", _WHERE,
    "mean over labels that are predicted or true at least once (F1 of the label)", _NEEDS,
)  # fmt: skip
LABEL_F1 = MetricInfo(
    "label_f1", "share", Better.HIGHER, "F1 of one label; of the 100 most frequent ones.", ("class", *_WHERE),
    "2 right / (predicted + true); from Wilson's interval of right / (predicted or true)", _NEEDS, "Wilson 1927",
)  # fmt: skip
RANKING_LOSS = MetricInfo(
    "ranking_loss", "share", Better.LOWER,
    "Share of the pairs of a true and a false label in which the true one is not more probable.", _WHERE,
    "mean over rows (wrong pairs / pairs; 0 without a pair)", _NEEDS + ", `probabilities`",
    "Tsoumakas, Katakis and Vlahavas 2010",
)  # fmt: skip
INFO = (SUBSET_ACCURACY, MICRO_F1, MACRO_F1, LABEL_F1, RANKING_LOSS)
MOST_LABELS = 100
"""Labels that are measured one by one: those that are predicted or true most often."""


def measure(subject: Subject) -> Iterator[Measurement]:
    """The figures of all rows, by version and by segment; nothing of a model that sends no sets."""
    if not subject.profile.overall.total(counts.ROWS):
        return
    for where, part, base in subject.scopes():
        yield from _of_part(subject, where, part, base)


def _of_part(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    n, needed = part.total(counts.ROWS), subject.settings.min_outcomes
    if n < needed:
        for info in (SUBSET_ACCURACY, MICRO_F1, MACRO_F1):
            yield subject.not_measured(info, too_few(n, needed, "outcomes"), n, where=where)
        return
    before = base if base is not None and base.total(counts.ROWS) >= needed else None
    exact = part.total(counts.EXACT)
    usual = None if before is None else before.total(counts.EXACT) / before.total(counts.ROWS)
    interval = intervals.wilson(exact, n)
    yield subject.ok(SUBSET_ACCURACY, exact / n, n, where=where, interval=interval, baseline=usual)
    yield from _micro(subject, where, part, before, n)
    yield from _by_label(subject, where, part, before, n)
    yield from _ranking_loss(subject, where, part, before)


def _micro(
    subject: Subject, where: Labels, part: Slice, before: Slice | None, n: float
) -> Iterator[Measurement]:
    share = _shared(part)
    if share is None:
        yield subject.not_measured(MICRO_F1, "no row has a label, predicted or true", n, where=where)
        return
    either = part.total(counts.EITHER)
    variance = (
        part.total(counts.squares(counts.RIGHT))
        - 2 * share * part.total(counts.PRODUCT)
        + share * share * part.total(counts.squares(counts.EITHER))
    )
    half = Z * math.sqrt(max(variance, 0.0)) / either
    usual = None if before is None else _shared(before)
    yield subject.ok(
        MICRO_F1, _f1(share), n, where=where,
        interval=(_f1(max(share - half, 0.0)), _f1(min(share + half, 1.0))),
        baseline=None if usual is None else _f1(usual),
    )  # fmt: skip


def _shared(part: Slice) -> float | None:
    """Right labels / predicted or true ones."""
    either = part.total(counts.EITHER)
    return part.total(counts.RIGHT) / either if either else None


def _f1(share: float) -> float:
    """F1 from right / (predicted or true), which it grows with."""
    return 2 * share / (1 + share)


def _by_label(
    subject: Subject, where: Labels, part: Slice, before: Slice | None, n: float
) -> Iterator[Measurement]:
    of_labels, usual = _labels_of(part), {} if before is None else _labels_of(before)
    if any(len(part.tally(name)) >= MOST for name in counts.TALLIES):
        yield subject.not_measured(MACRO_F1, f"{MOST:,} labels or more", n, where=where)
    elif of_labels:
        mean = math.fsum(_f1(right / either) for right, either in of_labels.values()) / len(of_labels)
        of_usual = [_f1(right / either) for right, either in usual.values()]
        baseline = math.fsum(of_usual) / len(of_usual) if of_usual else None
        yield subject.ok(MACRO_F1, mean, n, where=where, baseline=baseline)
    else:
        yield subject.not_measured(MACRO_F1, "no row has a label, predicted or true", n, where=where)
    needed = subject.settings.min_outcomes
    for label in sorted(of_labels, key=lambda one: (-of_labels[one][1], one))[:MOST_LABELS]:
        right, either = of_labels[label]
        of_label = labels(**{"class": label}, **dict(where))
        if either < needed:
            reason = too_few(either, needed, "rows with the label, predicted or true,")
            yield subject.not_measured(LABEL_F1, reason, either, where=of_label)
            continue
        pair = usual.get(label)
        yield subject.ok(
            LABEL_F1, _f1(right / either), either, where=of_label, interval=_interval(right, either),
            baseline=_f1(pair[0] / pair[1]) if pair and pair[1] >= needed else None,
        )  # fmt: skip


def _labels_of(part: Slice) -> dict[str, tuple[float, float]]:
    """Of each label, the rows in which it is right, and in which it is predicted or true."""
    right, *wrong = (part.tally(name) for name in counts.TALLIES)
    every = sorted({*right, *wrong[0], *wrong[1]})
    amounts = {one: right.get(one, 0.0) + wrong[0].get(one, 0.0) + wrong[1].get(one, 0.0) for one in every}
    return {one: (right.get(one, 0.0), amounts[one]) for one in every if amounts[one] > 0}


def _interval(right: float, either: float) -> Interval:
    low, high = intervals.wilson(right, either)
    return _f1(low), _f1(high)


def _ranking_loss(
    subject: Subject, where: Labels, part: Slice, before: Slice | None
) -> Iterator[Measurement]:
    n, needed, unusable = (
        part.total(counts.RANKED),
        subject.settings.min_outcomes,
        part.total(counts.UNRANKED),
    )
    if n < needed:
        reason = too_few(n, needed, "outcomes with probabilities of all true labels")
        yield subject.not_measured(RANKING_LOSS, reason, n, where=where)
        return
    if unusable > 0.01 * (n + unusable):
        reason = f"a true label has no probability in {unusable:.0f} of {counted(n + unusable, 'row')}"
        yield subject.not_measured(RANKING_LOSS, reason, n, where=where)
        return
    total, squared = part.total(counts.LOSS), part.total(counts.LOSS_SQUARED)
    low, high = intervals.of_mean(total / n, intervals.variance_of(total, squared, n), n)
    m = 0.0 if before is None else before.total(counts.RANKED)
    usual = before.total(counts.LOSS) / m if before is not None and m >= needed else None
    interval = max(low, 0.0), min(high, 1.0)
    yield subject.ok(RANKING_LOSS, total / n, n, where=where, interval=interval, baseline=usual)
