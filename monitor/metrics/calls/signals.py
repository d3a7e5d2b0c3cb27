"""Signals of the texts of calls: how often those that are yes or no are true, and means and percentiles of the others.

Tokens and the time to the first token, which are features, are measured in the same way.
"""

from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject
from monitor.metrics.quantiles import Quantiles
from monitor.predictions.texts.call_columns import FIGURE_FEATURES
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.kernel.count_rows import SQUARED
from monitor.windows.kernel.tally import Tally
from monitor.windows.layout.layout import SIGNALS
from monitor.windows.profile import Slice

_WHERE = ("signal", "version", "segment")
SIGNAL_RATE = MetricInfo(
    "signal_rate", "share", Better.LOWER, "Share of the calls for which a signal is true.", _WHERE,
    "true / measured, Wilson interval, p-value of equal shares", "`texts`",
)  # fmt: skip
SIGNAL_MEAN = MetricInfo(
    "signal_mean", "", Better.NONE, "Mean of a signal, of a number of tokens, or of the time to the first token (ms).",
    _WHERE, "sum / measured", "`texts`, `usage` or `ttft_ms`",
)  # fmt: skip
SIGNAL_P95 = MetricInfo(
    "signal_p95", "", Better.NONE, "95 % of the calls have at most this much of a signal.", ("signal", "version"),
    "bucket that holds the rank", "`texts`, `usage` or `ttft_ms`, and a baseline",
)  # fmt: skip
INFO = (SIGNAL_RATE, SIGNAL_MEAN, SIGNAL_P95)
_KNOWN = "_known"
_SHARE = 0.95


def measure(subject: Subject) -> Iterator[Measurement]:
    """All signals, for the whole window and by version and segment. A window without calls has none."""
    flags = subject.profile.overall.tally("flags")
    names = sorted(name.removesuffix(_KNOWN) for name in flags if _is_known(name) and flags[name])
    if not names:
        return
    for where, part, base in subject.scopes():
        segment = dict(where).get("segment")
        for name in names:
            n = part.flag(f"{name}{_KNOWN}")
            if n < subject.settings.min_rates or (segment and not _is_told_by_segment(name, flags)):
                continue
            named = labels(signal=name.partition(".")[2], **dict(where))
            if name in flags:
                yield _rate(subject, name, named, part, base, n)
            else:
                yield _mean(subject, name, named, part, base, n)
                yield from _percentile(subject, name, named, part, base)


def _is_known(name: str) -> bool:
    return name.endswith(_KNOWN) and (
        name.startswith(SIGNALS) or name.removesuffix(_KNOWN) in FIGURE_FEATURES
    )


def _is_told_by_segment(name: str, flags: Tally) -> bool:
    """A signal that is true of no call is so in each segment. Means by segment are those of tokens and times."""
    return name in FIGURE_FEATURES or flags.get(name, 0.0) > 0


def _rate(
    subject: Subject, name: str, where: Labels, part: Slice, base: Slice | None, n: float
) -> Measurement:
    amount = part.flag(name)
    m = base.flag(f"{name}{_KNOWN}") if base is not None else 0.0
    usual = base.flag(name) if base is not None else 0.0
    return subject.ok(
        SIGNAL_RATE,
        amount / n,
        n,
        where=where,
        interval=intervals.wilson(amount, n),
        p_value=intervals.two_shares(amount, n, usual, m) if m else None,
        baseline=usual / m if m else None,
    )


def _mean(
    subject: Subject, name: str, where: Labels, part: Slice, base: Slice | None, n: float
) -> Measurement:
    mean = part.total(name) / n
    variance = intervals.variance_of(part.total(name), part.total(f"{name}{SQUARED}"), n)
    m = base.flag(f"{name}{_KNOWN}") if base is not None else 0.0
    usual = base.total(name) / m if base is not None and m else None
    interval = intervals.of_mean(mean, variance, n)
    return subject.ok(SIGNAL_MEAN, mean, n, where=where, interval=interval, baseline=usual)


def _percentile(
    subject: Subject, name: str, where: Labels, part: Slice, base: Slice | None
) -> Iterator[Measurement]:
    """Segments have no counts of signals by bucket."""
    if not part.has(name) or part.column(name).column.labelled or (n := part.column(name).finite) <= 0:
        return
    quantiles = Quantiles(part.column(name))
    low, high = (quantiles.at(rank) for rank in intervals.rank_interval(n, _SHARE))
    value = quantiles.at(_SHARE * n)
    usual = None
    if base is not None and base.has(name) and (m := base.column(name).finite) > 0:
        usual = Quantiles(base.column(name)).at(_SHARE * m)
    interval = (min(low, value), max(high, value))
    yield subject.ok(SIGNAL_P95, value, n, where=where, interval=interval, baseline=usual)
