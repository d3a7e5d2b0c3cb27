"""The cost of the answers of a classifier, estimated before outcomes arrive from a declared cost matrix.

The probabilities say how many answers of each class are expected to be right, as for the other estimates of `cbpe`. The
answers themselves say how many rows were given which class: those with the highest probability, whatever the threshold.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from monitor.metrics.estimated.calibration import ScoreCalibration, of_class
from monitor.metrics.estimated.cbpe import contradicts, truths
from monitor.metrics.intervals import Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.layout.layout import Floats
from monitor.windows.profile import Slice

ESTIMATED_COST = MetricInfo(
    "estimated_cost", "", Better.LOWER, "Mean cost of an answer by the cost matrix, estimated from the probabilities.",
    ("version", "segment"),
    "sum over answers and probability buckets of share x expected cost; two classes, the answers with the highest "
    "probability being of that class; not where `estimated_roc_auc` is not",
    "`cost_matrix` in the configuration; `probabilities`, `confidence`; a baseline with `truth`",
    "confidence-based performance estimation (NannyML's name for it), with costs",
)  # fmt: skip
INFO = (ESTIMATED_COST,)
Matrix = Mapping[str, Mapping[str, float]]
"""The cost of an answer, by answer and then by truth."""


def measure(subject: Subject) -> Iterator[Measurement]:
    """The estimated cost of all rows, versions and segments, if the model has a cost matrix."""
    matrix = subject.settings.cost_matrices.get((subject.stream.client, subject.stream.model))
    if matrix is None:
        return
    reason = _unable(subject, matrix)
    if reason or subject.baseline is None:
        yield subject.not_measured(ESTIMATED_COST, reason)
        return
    for where, part, own in subject.scopes():
        if not where or not contradicts(own, subject.baseline.profile.overall):
            yield from _cost(subject, subject.baseline, matrix, where, part)


def _unable(subject: Subject, matrix: Matrix) -> str:
    """Why nothing can be estimated; empty if it can."""
    baseline = subject.baseline
    if baseline is None:
        return "no baseline"
    if len(baseline.layout.classes) != 2:
        return "costs are estimated of models with the probabilities of two classes"
    if baseline.layout.id != subject.profile.layout.id:
        return "the window was counted with another baseline"
    if truths(baseline.profile.overall) < subject.settings.min_outcomes:
        return "the baseline has too few truths with confidence"
    unknown = {*matrix, *(name for row in matrix.values() for name in row)} - {*baseline.layout.classes}
    return f"`cost_matrix` names a class that has no probability: {min(unknown)}" if unknown else ""


def _cost(
    subject: Subject, baseline: Baseline, matrix: Matrix, where: Labels, part: Slice
) -> Iterator[Measurement]:
    other, name = baseline.layout.classes
    counts = part.column(f"probabilities.{name}").regular
    n = float(counts.sum())
    if n < subject.settings.min_rows:
        if not where:
            yield subject.not_measured(ESTIMATED_COST, too_few(n, subject.settings.min_rows), n)
        return
    called = _called(part, name, counts)
    if called is None:
        if not where:
            yield subject.not_measured(ESTIMATED_COST, "no answer is one of the classes", n)
        return
    costs = np.array(
        [[matrix.get(answer, {}).get(truth, 0.0) for truth in (other, name)] for answer in (other, name)]
    )
    value, variance = _expected(counts / n, called / n, costs, of_class(baseline.profile.overall, name), n)
    half = Z * math.sqrt(variance)
    yield subject.ok(ESTIMATED_COST, value, n, where=where, interval=(value - half, value + half))


def _called(part: Slice, name: str, counts: Floats) -> Floats | None:
    """How many rows of each bucket were answered with the class: as many as there are such answers, from the highest
    probability down. None if there are no answers.
    """
    answers = part.column("prediction") if part.has("prediction") else None
    if answers is None or not answers.column.labelled or not answers.n:
        return None
    place = answers.column.places.get(name)
    of_class_ = float(answers.counts[place]) if place is not None else 0.0
    left = counts.sum() * of_class_ / answers.n
    above = np.cumsum(counts[::-1])[::-1] - counts
    return np.asarray(np.clip(left - above, 0.0, counts))


def _expected(
    shares: Floats, called: Floats, costs: Floats, calibration: ScoreCalibration, n: float
) -> tuple[float, float]:
    """The mean cost, and the variance of the mean that will be measured. `costs` is by answer and truth."""
    likely = calibration.shares
    rest = shares - called
    value = variance = 0.0
    gradient = np.zeros_like(shares)
    for part, (without, with_) in ((rest, costs[0]), (called, costs[1])):
        value += float((part * (without + likely * (with_ - without))).sum())
        gradient += part * (with_ - without)
        variance += float((part * likely * (1 - likely)).sum()) * (with_ - without) ** 2 / n
    return value, variance + calibration.variance(gradient)
