"""Mean cost of a prediction."""

from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject
from monitor.records import Better, Labels, Measurement
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
COST_PER_PREDICTION = MetricInfo(
    "cost_per_prediction", "", Better.LOWER, "Mean cost of a prediction, in the currency that was sent.", _WHERE,
    "sum of cost / predictions with a cost", "`cost`",
)  # fmt: skip
INFO = (COST_PER_PREDICTION,)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Mean cost with a normal interval, for the whole window and by version and segment."""
    for where, part, base in subject.scopes():
        yield from _cost(subject, where, part, base)


def _cost(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    n = part.flag("costed")
    if n < subject.settings.min_rates:
        if not where:
            yield subject.not_measured(COST_PER_PREDICTION, "no prediction carried `cost`", n)
        return
    mean = part.total("cost") / n
    variance = intervals.variance_of(part.total("cost"), part.total("cost_squared"), n)
    m = base.flag("costed") if base is not None else 0.0
    yield subject.ok(
        COST_PER_PREDICTION,
        mean,
        n,
        where=where,
        interval=intervals.of_mean(mean, variance, n),
        baseline=base.total("cost") / m if base is not None and m else None,
    )
