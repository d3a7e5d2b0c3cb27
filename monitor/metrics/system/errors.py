"""Error rate: the share of predictions that failed, in total and by error type."""

from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
ERROR_RATE = MetricInfo(
    "error_rate", "share", Better.LOWER, "Share of the predictions that failed; with `type`, with errors of that type.",
    ("type", *_WHERE), "errors / rows, Wilson interval", "predictions", "Wilson 1927",
)  # fmt: skip
INFO = (ERROR_RATE,)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Error rate with Wilson intervals, for the whole window and by version and segment."""
    for where, part, base in subject.scopes():
        yield from _errors(subject, where, part, base)


def _errors(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    n = part.rows
    if n < subject.settings.min_rates:
        yield subject.not_measured(ERROR_RATE, too_few(n, subject.settings.min_rates), n, where=where)
        return
    before = base.rows if base is not None else 0
    kinds = {"": part.flag("errors"), **({} if where else part.tally("error"))}
    for kind, count in kinds.items():
        usual = (
            (base.flag("errors") if not kind else base.tally("error").get(kind, 0.0))
            if base and before
            else None
        )
        yield subject.ok(
            ERROR_RATE,
            count / n,
            n,
            where=labels(type=kind, **dict(where)),
            interval=intervals.wilson(count, n),
            p_value=None if usual is None else intervals.two_shares(count, n, usual, before),
            baseline=None if usual is None else usual / before,
        )
