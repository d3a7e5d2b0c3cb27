"""Tokens that calls use: in a time, and by whom. One user or key without a limit can use up a budget."""

from collections.abc import Iterator

from monitor.metrics.metric import MetricInfo, Subject
from monitor.records import Better, Measurement
from monitor.windows.profile import Slice

TOKEN_RATE = MetricInfo(
    "token_rate", "per second", Better.NONE, "Tokens per second, of inputs and answers.", ("version", "segment"),
    "(input tokens + output tokens) / window length", "`usage`",
)  # fmt: skip
TOKEN_SHARE = MetricInfo(
    "token_share", "share", Better.NONE, "Share of the tokens that the calls of a segment use.", ("segment",),
    "tokens of the segment / tokens of the window", "`usage`, and a segment such as the user or the key",
)  # fmt: skip
INFO = (TOKEN_RATE, TOKEN_SHARE)
_TOKENS = ("features.input_tokens", "features.output_tokens")


def measure(subject: Subject) -> Iterator[Measurement]:
    """The tokens of the whole window, of versions and of segments. A window without usage has none."""
    total = _tokens(subject.profile.overall)
    if not _calls(subject.profile.overall) or total <= 0:
        return
    span = subject.baseline.span if subject.baseline is not None else None
    for where, part, base in subject.scopes():
        n = _calls(part)
        if n < subject.settings.min_rates:
            continue
        known = base is not None and _calls(base) > 0 and span is not None and span.seconds > 0
        usual = _tokens(base) / span.seconds if known and base is not None and span is not None else None
        rate = _tokens(part) / subject.window.seconds
        yield subject.ok(TOKEN_RATE, rate, n, where=where, baseline=usual)
        if where and where[0][0] == "segment":
            yield subject.ok(TOKEN_SHARE, min(_tokens(part) / total, 1.0), n, where=where)


def _tokens(part: Slice) -> float:
    return sum(part.total(name) for name in _TOKENS)


def _calls(part: Slice) -> float:
    return max(part.flag(f"{name}_known") for name in _TOKENS)
