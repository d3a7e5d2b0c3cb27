"""Tokens that calls use: in a time, and by whom. One user or key without a limit can use up a budget."""

from collections.abc import Iterator, Mapping

from monitor.metrics.metric import MetricInfo, Subject
from monitor.records import Better, Measurement
from monitor.windows.layout.notation import written
from monitor.windows.profile import Profile, Slice

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
    """The tokens of the whole window, of versions and of segments. A window without usage has none.

    A segment that the baseline does not have, such as a new key, is held against the largest one of its name there.
    """
    total = _tokens(subject.profile.overall)
    if not _calls(subject.profile.overall) or total <= 0:
        return
    span = subject.baseline.span if subject.baseline is not None else None
    new = _largest_of_new(subject.profile, subject.baseline.profile) if subject.baseline is not None else {}
    all_usual = _tokens(subject.baseline.profile.overall) if subject.baseline is not None else 0.0
    for where, part, base in subject.scopes():
        n = _calls(part)
        if n < subject.settings.min_rates:
            continue
        is_segment = bool(where) and where[0][0] == "segment"
        largest = new.get(where[0][1]) if is_segment else None
        tokens = (
            largest if largest is not None else _tokens(base) if base is not None and _calls(base) else None
        )
        usual = (
            tokens / span.seconds if tokens is not None and span is not None and span.seconds > 0 else None
        )
        rate = _tokens(part) / subject.window.seconds
        yield subject.ok(TOKEN_RATE, rate, n, where=where, baseline=usual)
        if is_segment:
            share = None if largest is None else min(largest / all_usual, 1.0)
            yield subject.ok(TOKEN_SHARE, min(_tokens(part) / total, 1.0), n, where=where, baseline=share)


def _largest_of_new(profile: Profile, usual: Profile) -> Mapping[str, float]:
    """For each segment that the baseline does not have, the most tokens of a segment of the same name there."""
    largest: dict[str, float] = {}
    for (name, _), part in usual.segments.items():
        largest[name] = max(largest.get(name, 0.0), _tokens(part))
    seen = {(name, written(value)) for name, value in usual.segments}
    return {
        f"{name}={value}": largest[name]
        for name, value in profile.segments
        if (name, written(value)) not in seen and largest.get(name, 0.0) > 0
    }


def _tokens(part: Slice) -> float:
    return sum(part.total(name) for name in _TOKENS)


def _calls(part: Slice) -> float:
    return max(part.flag(f"{name}_known") for name in _TOKENS)
