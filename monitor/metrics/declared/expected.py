"""Expectations: how many rows violate each, and whether that is too many."""

from collections.abc import Iterator

from monitor.config.units import HOUR
from monitor.expectations.checking import is_beyond
from monitor.expectations.expectation import Check, Expectation
from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.declared.expectation_counts import FAILED, ROWS, VALUE, VIOLATIONS, tally_of

_WHERE = ("column", "expectation", "tier")
VIOLATION_SHARE = MetricInfo(
    "violation_share", "share", Better.LOWER, "Share of the rows that violate an expectation.", _WHERE,
    "violating rows / rows with a value, Wilson interval", "`expectations` of the model", "Wilson 1927",
)  # fmt: skip
EXPECTATION_FAILED = MetricInfo(
    "expectation_failed", "", Better.LOWER, "1 if an expectation is violated more often than tolerated, else 0.",
    _WHERE,
    "1 if the lower end of the 99.99 % Wilson interval is above the tolerated share; with none tolerated, from the "
    "first violation on",
    "`expectations` of the model", "Wilson 1927",
)  # fmt: skip
INFO = (VIOLATION_SHARE, EXPECTATION_FAILED)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Each expectation, over the whole window."""
    for one in subject.declared.expectations_of(subject.window):
        where = labels(column=one.about, expectation=one.words, tier=one.tier.value)
        if one.check is Check.ROWS:
            if subject.window.seconds == HOUR:
                yield _rows(subject, one, where)
            continue
        yield from _violations(subject, one, where)


def _rows(subject: Subject, one: Expectation, where: Labels) -> Measurement:
    n = subject.profile.rows
    least, most = one.arguments.get("least"), one.arguments.get("most")
    failed = (least is not None and n < least) or (most is not None and n > most)
    return subject.ok(EXPECTATION_FAILED, float(failed), n, where=where)


def _violations(subject: Subject, one: Expectation, where: Labels) -> Iterator[Measurement]:
    tally = subject.profile.overall.tally(tally_of(one))
    n, violations = tally.get(ROWS, 0.0), tally.get(VIOLATIONS, 0.0)
    if one.check is Check.UNIQUE:
        counts = [amount for label, amount in tally.items() if label.startswith(VALUE)]
        n, violations = sum(counts), sum(amount for amount in counts if amount > 1)
    failed = is_beyond(violations, n, one.tolerated)
    if failed is None:
        broken = next((label for label in tally if label.startswith(FAILED)), "")
        reason = (
            f"could not be checked ({broken.removeprefix(FAILED)})"
            if broken
            else "no value to check in this window"
        )
        yield subject.not_measured(VIOLATION_SHARE, reason, where=where)
        return
    interval = intervals.wilson(violations, n)
    yield subject.ok(VIOLATION_SHARE, violations / n, n, where=where, interval=interval)
    yield subject.ok(EXPECTATION_FAILED, float(failed), n, where=where)
