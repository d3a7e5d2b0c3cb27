"""The share of predictions with a known truth, and the time until the truth is known."""

from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject
from monitor.metrics.quality.task import with_other_truths
from monitor.metrics.quantiles import Quantiles, percentile
from monitor.records import Better, Measurement
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
OUTCOME_COVERAGE = MetricInfo(
    "outcome_coverage", "share", Better.HIGHER, "Share of the predictions with a known truth.", _WHERE,
    "predictions with a known truth / predictions, Wilson interval",
    "outcomes with `truth`, `relevant`, `true_labels` or `true_outputs`",
)  # fmt: skip
LABEL_DELAY = MetricInfo(
    "label_delay", "seconds", Better.LOWER, "Median time from a prediction to its truth.",
    _WHERE, "median, within 5 %", "outcomes with `truth`",
)  # fmt: skip
INFO = (OUTCOME_COVERAGE, LABEL_DELAY)
_OTHER_TRUTHS = "it is measured of outcomes with `truth`"


def measure(subject: Subject) -> Iterator[Measurement]:
    """Coverage and delay, for all rows and by version and segment."""
    for where, part, base in subject.scopes():
        truths = _known(part)
        if part.rows and (truths or not where):
            share = min(truths / part.rows, 1.0)
            interval = intervals.wilson(min(truths, part.rows), part.rows)
            yield subject.ok(OUTCOME_COVERAGE, share, part.rows, where=where, interval=interval)
        elif not where:
            yield subject.not_measured(OUTCOME_COVERAGE, "no prediction in the window")
        delay = part.column("outcome.delay")
        if delay.finite:
            low, high = intervals.rank_interval(delay.finite, 0.5)
            usual = percentile(base.column("outcome.delay"), 0.5) if base is not None else None
            quantiles = Quantiles(delay)
            value = quantiles.at(delay.finite / 2)
            interval = (min(value, quantiles.at(low)), max(value, quantiles.at(high)))
            yield subject.ok(LABEL_DELAY, value, delay.finite, where=where, interval=interval, baseline=usual)
        elif not where:
            reason = _OTHER_TRUTHS if truths else "no truth is known yet"
            yield subject.not_measured(LABEL_DELAY, reason)


def _known(part: Slice) -> float:
    """The number of rows with a truth: a label, a number, a set of labels, several numbers, or items of a list."""
    return max(part.flag("truths"), with_other_truths(part))
