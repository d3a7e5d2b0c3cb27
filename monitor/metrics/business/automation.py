"""Automation, review and correction: what people do with the predictions."""

from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject
from monitor.records import Better, Labels, Measurement
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
AUTOMATION_RATE = MetricInfo(
    "automation_rate", "share", Better.HIGHER, "Share of the predictions that were applied without a review.",
    _WHERE, "automated / predictions that say so, Wilson interval", "`automated`",
)  # fmt: skip
REVIEW_RATE = MetricInfo(
    "review_rate", "share", Better.LOWER, "Share of the predictions that a person reviewed.", _WHERE,
    "reviewed / predictions, Wilson interval", "outcomes with `reviewed`",
)  # fmt: skip
CORRECTION_RATE = MetricInfo(
    "correction_rate", "share", Better.LOWER, "Share of the reviewed predictions that a person changed.", _WHERE,
    "corrected / outcomes that say so, Wilson interval", "outcomes with `corrected`",
)  # fmt: skip
INFO = (AUTOMATION_RATE, REVIEW_RATE, CORRECTION_RATE)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Rates with Wilson intervals, for the whole window and by version and segment.

    A field that no prediction or outcome contains is not measured, and reported for the whole window only.
    """
    for where, part, base in subject.scopes():
        yield from _rate(subject, AUTOMATION_RATE, where, part, base, "automated", "automated_known")
        yield from _reviews(subject, where, part, base)
        yield from _rate(subject, CORRECTION_RATE, where, part, base, "corrected", "corrected_known")


def _rate(
    subject: Subject, info: MetricInfo, where: Labels, part: Slice, base: Slice | None, name: str, known: str
) -> Iterator[Measurement]:
    amount, n = part.flag(name), part.flag(known)
    if n < subject.settings.min_rates:
        if not where:
            yield subject.not_measured(info, f"nothing said {info.needs}", n)
        return
    m = base.flag(known) if base is not None else 0.0
    usual = base.flag(name) if base is not None else 0.0
    yield subject.ok(
        info,
        amount / n,
        n,
        where=where,
        interval=intervals.wilson(amount, n),
        p_value=intervals.two_shares(amount, n, usual, m) if m else None,
        baseline=usual / m if m else None,
    )


def _reviews(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    """Predictions without a report count as not reviewed, if the window has any report of a review."""
    amount, n = part.flag("reviewed"), float(part.rows)
    if part.flag("reviewed_known") < subject.settings.min_rates or n == 0:
        if not where:
            yield subject.not_measured(REVIEW_RATE, "no outcome said `reviewed`", n)
        return
    known = base is not None and base.flag("reviewed_known") > 0 and base.rows > 0
    usual = base.flag("reviewed") / base.rows if base is not None and known else None
    share = min(amount / n, 1.0)
    yield subject.ok(REVIEW_RATE, share, n, where=where, interval=intervals.wilson(amount, n), baseline=usual)
