"""Quality before outcomes arrive, and how wrong that estimate was once they have.

For classifiers, confidence-based estimation: the baseline says how often answers of each confidence were right, and
the window says how many answers of each confidence there are. For regressors, direct loss estimation with an additive
model: the baseline says how large errors are in each cell of each feature (see `monitor.windows.loss`), and the mean
of an additive model over a window needs only the window's cell counts. Both assume that what the model learned still
holds: they see the effect of changed inputs, not a changed world.
"""

import math
from collections.abc import Iterator

import numpy as np

from monitor.metrics.drift.plan import plan_of
from monitor.metrics.intervals import Z
from monitor.metrics.subject import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.profile import Slice
from monitor.windows.reference import Baseline

_CBPE = "confidence-based performance estimation (NannyML's name for it)"
ESTIMATED_ACCURACY = MetricInfo(
    "estimated_accuracy", "share", Better.HIGHER, "Accuracy to be expected from the confidence of the answers.",
    ("version", "segment"), "sum over confidence buckets of share x accuracy of that bucket in the baseline "
    "(of a segment: in its own rows there, from 500 truths on)",
    "`confidence`; a baseline with `truth`", _CBPE,
)  # fmt: skip
ESTIMATED_ACCURACY_ERROR = MetricInfo(
    "estimated_accuracy_error", "share", Better.NONE, "What the estimate promised minus what came true.", (),
    "estimated accuracy of the answers with a known truth - their accuracy",
    "`confidence`, outcomes with `truth`; a baseline with `truth`",
)  # fmt: skip
ESTIMATED_PRECISION = MetricInfo(
    "estimated_precision", "share", Better.HIGHER, "Precision to be expected from the probabilities.", ("class",),
    "expected true positives / predicted; two classes, decided at one half",
    "`probabilities`; a baseline with `truth`", _CBPE,
)  # fmt: skip
ESTIMATED_RECALL = MetricInfo(
    "estimated_recall", "share", Better.HIGHER, "Recall to be expected from the probabilities.", ("class",),
    "expected true positives / expected actual; two classes, decided at one half",
    "`probabilities`; a baseline with `truth`", _CBPE,
)  # fmt: skip
ESTIMATED_ROC_AUC = MetricInfo(
    "estimated_roc_auc", "", Better.HIGHER, "ROC AUC to be expected from the probabilities.", ("class",),
    "area over pairs of buckets, each weighed by its expected positives and negatives",
    "`probabilities`; a baseline with `truth`", _CBPE,
)  # fmt: skip
ESTIMATED_MAE = MetricInfo(
    "estimated_mae", "", Better.LOWER, "Mean absolute error to be expected from the inputs.", (),
    "intercept + sum over cells of share x coefficient, a ridge regression of |error| on the baseline's cells",
    "a baseline with numeric `prediction` and `truth`", "direct loss estimation (NannyML's name for it)",
)  # fmt: skip
ESTIMATED_MAE_ERROR = MetricInfo(
    "estimated_mae_error", "", Better.NONE, "What the estimate promised minus what came true.", (),
    "estimated mae - mae of the answers with a known truth", "outcomes with `truth`; see `estimated_mae`",
)  # fmt: skip
INFO = (
    ESTIMATED_ACCURACY, ESTIMATED_ACCURACY_ERROR, ESTIMATED_PRECISION, ESTIMATED_RECALL, ESTIMATED_ROC_AUC,
    ESTIMATED_MAE, ESTIMATED_MAE_ERROR,
)  # fmt: skip
_OWN = 500.0
"""Truths of a segment in the baseline from which on its own confidence is learned from, not that of all rows."""
_PRIOR = 10.0  # rows by which a bucket without outcomes is taken at its word


def measure(subject: Subject) -> Iterator[Measurement]:
    """Estimates for the window, and their errors where outcomes came."""
    baseline = subject.baseline
    if baseline is None:
        yield subject.not_measured(ESTIMATED_ACCURACY, "no baseline")
        return
    base = baseline.profile.overall
    known = _truths(base)
    if known >= subject.settings.min_outcomes:
        for where, part, own in subject.scopes():
            yield from _accuracy(subject, where, part, own if own and _truths(own) >= _OWN else base)
        yield from _error_of_accuracy(subject, subject.profile.overall, base)
        if baseline.layout.id == subject.profile.layout.id and len(baseline.layout.classes) == 2:
            yield from _by_class(subject, baseline)
    elif not base.flag("residuals"):
        yield subject.not_measured(
            ESTIMATED_ACCURACY, "the baseline has too few truths with confidence", known
        )
    yield from _loss(subject, baseline)


def _truths(base: Slice) -> float:
    """Answers with confidence whose truth is known."""
    return base.column("confidence.right").n + base.column("confidence.wrong").n


def right_shares(base: Slice) -> tuple[np.ndarray, np.ndarray]:
    """How often answers of each confidence bucket were right in the baseline, and the rows behind it. Few rows pull a
    bucket towards its own confidence.
    """
    right, wrong = base.column("confidence.right").regular, base.column("confidence.wrong").regular
    n = right + wrong
    claimed = (np.arange(n.size) + 0.5) / n.size
    return (right + _PRIOR * claimed) / (n + _PRIOR), n + _PRIOR


def _expected(counts: np.ndarray, shares: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Mean of the shares over the counts, and the standard error of the accuracy that will be seen."""
    n = counts.sum()
    weights = counts / n
    chance = float((counts * shares * (1 - shares)).sum()) / n**2
    learned = float((weights**2 * shares * (1 - shares) / rows).sum())
    return float((weights * shares).sum()), math.sqrt(chance + learned)


def _accuracy(subject: Subject, where: Labels, part: Slice, base: Slice) -> Iterator[Measurement]:
    counts = part.column("confidence").regular
    n = float(counts.sum())
    if n < subject.settings.min_rows:
        if not where:
            yield subject.not_measured(ESTIMATED_ACCURACY, too_few(n, subject.settings.min_rows), n)
        return
    shares, rows = right_shares(base)
    value, error = _expected(counts, shares, rows)
    interval = (max(0.0, value - Z * error), min(1.0, value + Z * error))
    usual = base.flag("right") / base.flag("judged") if base.flag("judged") else None
    yield subject.ok(ESTIMATED_ACCURACY, value, n, where=where, interval=interval, baseline=usual)


def _error_of_accuracy(subject: Subject, part: Slice, base: Slice) -> Iterator[Measurement]:
    right = part.column("confidence.right").regular
    counts = right + part.column("confidence.wrong").regular
    n = float(counts.sum())
    if n < subject.settings.min_outcomes:
        reason = too_few(n, subject.settings.min_outcomes, "outcomes with confidence")
        yield subject.not_measured(ESTIMATED_ACCURACY_ERROR, reason, n)
        return
    shares, rows = right_shares(base)
    value, error = _expected(counts, shares, rows)
    gap = value - float(right.sum()) / n
    interval = (gap - Z * error, gap + Z * error)
    yield subject.ok(ESTIMATED_ACCURACY_ERROR, gap, n, interval=interval, baseline=0.0)


def _by_class(subject: Subject, baseline: Baseline) -> Iterator[Measurement]:
    for name in baseline.layout.classes:
        at = labels(**{"class": name})
        counts = subject.profile.overall.column(f"probabilities.{name}").regular
        n = float(counts.sum())
        infos = (ESTIMATED_PRECISION, ESTIMATED_RECALL, ESTIMATED_ROC_AUC)
        if n < subject.settings.min_rows:
            reason = too_few(n, subject.settings.min_rows)
            yield from (subject.not_measured(info, reason, n, where=at) for info in infos)
            continue
        shares = _class_shares(baseline.profile.overall, name)
        positive, negative = counts * shares, counts * (1 - shares)
        called = np.arange(counts.size) >= counts.size // 2
        hits, predicted, actual = positive[called].sum(), counts[called].sum(), positive.sum()
        pairs = ((ESTIMATED_PRECISION, hits, predicted), (ESTIMATED_RECALL, hits, actual))
        for info, top, bottom in pairs:
            if bottom <= 0:
                yield subject.not_measured(info, "no answer is expected to be of this class", n, where=at)
                continue
            share = float(top / bottom)
            half = Z * math.sqrt(max(share * (1 - share), 0.0) / float(bottom))
            interval = (max(0.0, share - half), min(1.0, share + half))
            yield subject.ok(info, share, n, where=at, interval=interval)
        lower = np.cumsum(negative) - negative
        area = float((positive * (lower + negative / 2)).sum() / (positive.sum() * negative.sum()))
        half = Z * math.sqrt(
            max(area * (1 - area), 0.0) / max(float(min(positive.sum(), negative.sum())), 1.0)
        )
        yield subject.ok(
            ESTIMATED_ROC_AUC, area, n, where=at, interval=(max(0.0, area - half), min(1.0, area + half))
        )


def _class_shares(base: Slice, name: str) -> np.ndarray:
    """How often the class was the truth in each hundredth of its probability, in the baseline."""
    positive, negative = base.column(f"truth.{name}.positive"), base.column(f"truth.{name}.negative")
    edges = positive.column.edges
    hundredth = np.minimum(((edges[:-1] + np.minimum(edges[1:], 1.0)) / 2 * 100).astype(int), 99)
    yes = np.bincount(hundredth, weights=positive.regular, minlength=100)
    no = np.bincount(hundredth, weights=negative.regular, minlength=100)
    claimed = (np.arange(100) + 0.5) / 100
    return np.asarray((yes + _PRIOR * claimed) / (yes + no + _PRIOR))


def _loss(subject: Subject, baseline: Baseline) -> Iterator[Measurement]:
    if not baseline.profile.overall.flag("residuals"):
        return
    model, part = baseline.loss, subject.profile.overall
    n = part.column("prediction").n if part.has("prediction") else 0.0
    same = baseline.layout.id == subject.profile.layout.id
    if model is None or not same or n < subject.settings.min_rows:
        reason = "the baseline has too few truths" if model is None else too_few(n, subject.settings.min_rows)
        yield subject.not_measured(ESTIMATED_MAE, reason, n)
        return
    plan = plan_of(baseline.layout)
    cells = plan.cells(part)
    shares = cells / np.maximum(plan.spread(plan.sums(cells)), 1e-300)
    value = max(float(model.intercept + (shares * model.coefficients).sum()), 0.0)
    half = Z * math.sqrt(model.variance / n)
    base = baseline.profile.overall
    usual = base.total("residual_absolute") / base.flag("residuals")
    yield subject.ok(ESTIMATED_MAE, value, n, interval=(max(0.0, value - half), value + half), baseline=usual)
    seen = part.flag("residuals")
    if seen < subject.settings.min_outcomes:
        reason = too_few(seen, subject.settings.min_outcomes, "outcomes")
        yield subject.not_measured(ESTIMATED_MAE_ERROR, reason, seen)
        return
    gap = value - part.total("residual_absolute") / seen
    half = Z * math.sqrt(model.variance / seen)
    yield subject.ok(ESTIMATED_MAE_ERROR, gap, seen, interval=(gap - half, gap + half), baseline=0.0)
