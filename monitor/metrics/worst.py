"""The segments that a model serves worst, named."""

import math
from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.subject import MetricInfo, Subject
from monitor.records import Better, Measurement, labels
from monitor.windows.profile import Slice

WORST_SEGMENT_GAP = MetricInfo(
    "worst_segment_gap", "", Better.LOWER,
    "How much worse the worst segment is than all others; its `segment` names it.", ("segment",),
    "accuracy of the others - of the segment (or mae of the segment - of the others); largest gap beyond chance",
    "declared segments, outcomes with `truth`",
)  # fmt: skip
INFO = (WORST_SEGMENT_GAP,)
_NAMED = 3


def measure(subject: Subject) -> Iterator[Measurement]:
    """Up to three segments whose quality lies below the others' by more than chance, worst first."""
    segments = subject.profile.segments
    if not segments:
        return
    whole = subject.profile.overall
    needed = subject.settings.min_outcomes
    found: list[tuple[float, Measurement]] = []
    compared = 0
    for (name, value), part in segments.items():
        n = part.flag("judged")
        if n < needed or whole.flag("judged") - n < needed:
            continue
        compared += 1
        gap, error = _gap(part, whole)
        if error <= 0:
            continue
        at = labels(segment=f"{name}={value}")
        interval = (gap - intervals.Z * error, gap + intervals.Z * error)
        p_value = intervals.two_sided(gap / error)
        found.append(
            (gap, subject.ok(WORST_SEGMENT_GAP, gap, n, where=at, interval=interval, p_value=p_value))
        )
    if not compared:
        yield subject.not_measured(WORST_SEGMENT_GAP, f"no two segments have {needed} outcomes")
        return
    # Bonferroni: the more segments are looked at, the more one of them must stand out.
    beyond = [(gap, m) for gap, m in found if gap > 0 and (m.p_value or 0.0) * compared < 0.05]
    for _, measurement in sorted(beyond, key=lambda pair: -pair[0])[:_NAMED]:
        yield measurement
    worst = max((gap for gap, _ in beyond), default=0.0)
    yield subject.ok(WORST_SEGMENT_GAP, worst, whole.flag("judged"))


def _gap(part: Slice, whole: Slice) -> tuple[float, float]:
    """How much worse the segment is than all other rows, and the standard error of that."""
    n, m = part.flag("judged"), whole.flag("judged") - part.flag("judged")
    if part.flag("residuals"):
        sums = [(part.total(name), whole.total(name) - part.total(name)) for name in _LOSSES]
        mine, others = sums[0][0] / n, sums[0][1] / m
        variances = sums[1][0] / n - mine**2, sums[1][1] / m - others**2
        return mine - others, math.sqrt(max(variances[0], 0.0) / n + max(variances[1], 0.0) / m)
    right, rest = part.flag("right") / n, (whole.flag("right") - part.flag("right")) / m
    return rest - right, math.sqrt(right * (1 - right) / n + rest * (1 - rest) / m)


_LOSSES = ("residual_absolute", "residual_squared")
