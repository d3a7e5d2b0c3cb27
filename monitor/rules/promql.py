"""Conditions as PromQL over what `/metrics` exposes; or the reason why a condition has no such form."""

from collections.abc import Callable

from monitor.durations import format_duration
from monitor.rules.burn import Burn
from monitor.rules.condition import All, Any, Condition
from monitor.rules.level import PAST, Level
from monitor.rules.matchers import Matcher
from monitor.rules.readings import OPEN
from monitor.rules.threshold import Threshold

BASE = ("client", "environment", "model")
RECENT = 60
"""The range that stands for the open window: Prometheus needs some scrapes in it."""

_ON = f"on ({', '.join(BASE)})"
_BY = f"by ({', '.join(BASE)})"
_PERFORMANCE = frozenset(
    ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss")
)
_QUANTILES = {"latency_p50": "0.5", "latency_p95": "0.95", "latency_p99": "0.99"}


class NotExposedError(Exception):
    """A condition that Prometheus cannot judge from what is exposed; the message says why."""


def expression(condition: Condition) -> str:
    """The PromQL that is non-empty where the condition fires.

    Raises:
        NotExposedError: there is none.
    """
    if isinstance(condition, All):
        return f" and {_ON} ".join(f"({expression(part)})" for part in condition.parts)
    if isinstance(condition, Any):
        return " or ".join(f"({expression(part)})" for part in condition.parts)
    if isinstance(condition, Burn):
        pairs = tuple(All(condition.thresholds(*pair)) for pair in condition.pairs)
        return expression(Any(pairs))
    if isinstance(condition, Threshold):
        return _threshold(condition)
    raise NotExposedError(f"{type(condition).__name__.lower()} conditions have no PromQL form")


def differences(condition: Condition) -> list[str]:
    """What the exported rule leaves out of a condition, in words."""
    if isinstance(condition, (All, Any)):
        return sorted({word for part in condition.parts for word in differences(part)})
    words = []
    if isinstance(condition, Threshold):
        words += ["the clear level"] if condition.clear is not None else []
        words += ["the confidence bound"] if condition.confidence else []
        words += ["what is assumed without a reference"] if condition.assume is not None else []
        words += ["the open window is one minute"] if condition.seconds == OPEN else []
    return words


def _threshold(condition: Threshold) -> str:
    value = _value(condition, "")
    operator = ">" if condition.is_above else "<"
    compared = f"{value} {operator} {_level(condition)}"
    if not condition.samples:
        return compared
    seconds = format_duration(condition.seconds or RECENT)
    seen = f"sum {_BY} (increase(watchkeeper_predictions_total[{seconds}]))"
    return f"{compared} and {_ON} {seen} >= {condition.samples:g}"


def _level(condition: Threshold) -> str:
    level: Level = condition.level
    if not level.reference:
        return f"{level.offset:g}"
    if level.reference not in PAST:
        raise NotExposedError("the baseline of this metric is not exposed")
    past = _value(condition, f" offset {format_duration(PAST[level.reference])}")
    return f"{level.factor:g} * ({past}){f' + {level.offset:g}' if level.offset else ''}"


def _value(condition: Threshold, offset: str) -> str:
    metric, seconds = condition.metric, format_duration(condition.seconds or RECENT)
    if metric == "error_rate" and not condition.matchers:
        errors = f"sum {_BY} (rate(watchkeeper_prediction_errors_total[{seconds}]{offset}))"
        total = f"sum {_BY} (rate(watchkeeper_predictions_total[{seconds}]{offset}))"
        # Without an error there is no series, and the ratio would be empty instead of zero.
        return f"({errors} or 0 * {total}) / {total}"
    found = _simple(metric, seconds, offset, condition.matchers)
    if found is None:
        raise NotExposedError(f"{metric} is not exposed")
    return found


def _simple(metric: str, seconds: str, offset: str, matchers: tuple[Matcher, ...]) -> str | None:
    if metric in _QUANTILES:
        buckets = f"rate(watchkeeper_prediction_duration_seconds_bucket[{seconds}]{offset})"
        return f"histogram_quantile({_QUANTILES[metric]}, sum by (le, {', '.join(BASE)}) ({buckets}))"
    if metric in _PERFORMANCE:
        chosen = f'metric="{metric}",kind="realized",segment="all"'
        return f"max {_BY} (watchkeeper_performance_value{{{chosen}}}{offset})"
    made = _MADE.get(metric)
    return None if made is None else made(seconds, offset, matchers)


def _selector(matchers: tuple[Matcher, ...], *fixed: str) -> str:
    parts = [*fixed, *(str(matcher) for matcher in matchers)]
    return f"{{{','.join(parts)}}}" if parts else ""


def _counted(function: str) -> Callable[[str, str, tuple[Matcher, ...]], str]:
    def made(seconds: str, offset: str, matchers: tuple[Matcher, ...]) -> str:
        series = f"watchkeeper_predictions_total{_selector(matchers)}[{seconds}]{offset}"
        return f"sum {_BY} ({function}({series}))"

    return made


def _gauge(name: str, *fixed: str, by: tuple[str, ...] = BASE, before: str = "") -> Callable[..., str]:
    def made(_seconds: str, offset: str, matchers: tuple[Matcher, ...]) -> str:
        return f"{before}max by ({', '.join(by)}) ({name}{_selector(matchers, *fixed)}{offset})"

    return made


def _psi(seconds: str, offset: str, matchers: tuple[Matcher, ...]) -> str:
    """Features have a series each, and answers have one; confidence has none."""
    output = next((one for one in matchers if one.name == "output"), None)
    if output is None:
        return _gauge(_FEATURE_DRIFT, _PSI, by=_FEATURES)(seconds, offset, matchers)
    if (output.operator, output.value) != ("=", "prediction"):
        raise NotExposedError("drift of confidence is not exposed")
    rest = tuple(one for one in matchers if one is not output)
    return _gauge("watchkeeper_prediction_drift_score", _PSI)(seconds, offset, rest)


def _changes(seconds: str, offset: str, matchers: tuple[Matcher, ...]) -> str:
    """The features that changed, where they are asked for; else how many there are."""
    if any(one.name == "feature" for one in matchers):
        return _gauge(_FEATURE_CHANGE, by=(*_FEATURES, "change"))(seconds, offset, matchers)
    return f"sum {_BY} (watchkeeper_schema_changes{_selector(matchers)}{offset})"


_FEATURES = (*BASE, "feature")
_FEATURE_DRIFT, _FEATURE_CHANGE = "watchkeeper_feature_drift_score", "watchkeeper_feature_schema_change"
_PSI = 'method="psi"'
_MADE: dict[str, Callable[[str, str, tuple[Matcher, ...]], str]] = {
    "volume": _counted("increase"),
    "throughput": _counted("rate"),
    "silence_seconds": _gauge("watchkeeper_prediction_last_received_timestamp_seconds", before="time() - "),
    "missing_share": _gauge("watchkeeper_feature_missing_ratio", by=_FEATURES),
    "psi": _psi,
    "schema_changes": _changes,
    "drifted_share": _gauge("watchkeeper_drifted_features_ratio"),
}
