"""The segments with the worst quality, by name."""

import math
from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject
from monitor.metrics.quality.classification import accuracy_of
from monitor.metrics.quality.confusion import Notation, confusion_of, notation_of
from monitor.metrics.quality.task import ORDERING, Task, task_of
from monitor.records import Better, Measurement, labels
from monitor.windows.profile import Slice

WORST_SEGMENT_GAP = MetricInfo(
    "worst_segment_gap", "", Better.LOWER,
    "Difference in quality between the worst segment and all others; the label `segment` names it.", ("segment",),
    "accuracy of the others - of the segment (or mae of the segment - of the others); largest gap beyond chance",
    "declared segments, outcomes with `truth`",
)  # fmt: skip
INFO = (WORST_SEGMENT_GAP,)
_NAMED = 3


def measure(subject: Subject) -> Iterator[Measurement]:
    """Up to three segments whose quality is significantly below that of the others, worst first."""
    segments = subject.profile.segments
    if not segments:
        return
    overall = subject.profile.overall
    needed, task = subject.settings.min_outcomes, task_of(subject)
    if task in ORDERING:
        return
    flag = "residuals" if task is Task.REGRESSION else "classed"
    notation = notation_of(subject)
    gaps: list[tuple[float, Measurement]] = []
    compared = 0
    for (name, value), part in segments.items():
        n = part.flag(flag)
        if n < needed or overall.flag(flag) - n < needed:
            continue
        compared += 1
        gap, error = _loss_gap(part, overall) if task is Task.REGRESSION else _gap(part, overall, notation)
        if not 0 < error < math.inf:
            continue
        at = labels(segment=f"{name}={value}")
        interval = (gap - intervals.Z * error, gap + intervals.Z * error)
        p_value = intervals.two_sided(gap / error)
        gaps.append(
            (gap, subject.ok(WORST_SEGMENT_GAP, gap, n, where=at, interval=interval, p_value=p_value))
        )
    if not compared:
        yield subject.not_measured(WORST_SEGMENT_GAP, f"no two segments have {needed} outcomes")
        return
    # Bonferroni correction for the number of segments.
    beyond = [(gap, m) for gap, m in gaps if gap > 0 and (m.p_value or 0.0) * compared < 0.05]
    for _, measurement in sorted(beyond, key=lambda pair: -pair[0])[:_NAMED]:
        yield measurement
    worst = max((gap for gap, _ in beyond), default=0.0)
    yield subject.ok(WORST_SEGMENT_GAP, worst, overall.flag(flag))


def _loss_gap(part: Slice, whole: Slice) -> tuple[float, float]:
    """How much larger the segment's errors are than those of all other rows, with the standard error."""
    n, m = part.flag("residuals"), whole.flag("residuals") - part.flag("residuals")
    sums = [(part.total(name), whole.total(name) - part.total(name)) for name in _LOSSES]
    if not all(math.isfinite(total) and abs(total) < _LARGEST for pair in sums for total in pair):
        return 0.0, math.inf
    own_loss, loss_of_others = sums[0][0] / n, sums[0][1] / m
    variances = sums[1][0] / n - own_loss**2, sums[1][1] / m - loss_of_others**2
    return own_loss - loss_of_others, math.sqrt(max(variances[0], 0.0) / n + max(variances[1], 0.0) / m)


def _gap(part: Slice, whole: Slice, notation: Notation) -> tuple[float, float]:
    """How much smaller the share of correct answers is in the segment than in all other rows, with the
    standard error.
    """
    (right, n), (all_right, every) = (
        accuracy_of(some, confusion_of(some, notation)) for some in (part, whole)
    )
    m = every - n
    if min(n, m) <= 0:
        return 0.0, 0.0
    share, share_of_others = right / n, (all_right - right) / m
    return share_of_others - share, math.sqrt(
        share * (1 - share) / n + max(share_of_others * (1 - share_of_others), 0.0) / m
    )


_LARGEST = 1e150
_LOSSES = ("residual_absolute", "residual_squared")
