"""The signals of a stream for engineers: beside the baseline, and where versions and segments differ."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.config.units import HOUR
from monitor.health.wording import NOTHING
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.calls.signals import SIGNAL_MEAN, SIGNAL_RATE, measure
from monitor.predictions.texts import lazy_signals
from monitor.records import Measurement, Stream, Window
from monitor.rules.language.wording import figure
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.rolling import Rolling

MOST_PLACES = 4
"""Versions and segments that a row names, those that differ most from the whole."""
_SENT, _COPIED = "ttft_ms", "time_to_first_token"
_FEWEST = 20
"""Calls of a version or segment from which on its figure is shown."""


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One signal: its figure, interval and baseline in words; `places` are versions and segments with their figures.

    `has_texts`: it is yes or no, so texts can be looked at for which it is true.
    """

    name: str
    help: str
    value: str
    interval: str
    baseline: str
    n: int
    places: tuple[str, ...]
    has_texts: bool
    is_leaking: bool


def of_stream(
    rolling: Rolling, stream: Stream, baseline: Baseline | None, now: float, base_seconds: int
) -> list[SignalRow]:
    """The signals of the last hour, including the counted part of the current minute."""
    return of_measurements(of_last_hour(rolling, stream, baseline, now, base_seconds)[1])


def of_last_hour(
    rolling: Rolling, stream: Stream, baseline: Baseline | None, now: float, base_seconds: int
) -> tuple[Window, list[Measurement]]:
    """The hour that ends with the current minute, and all measurements of signals in it, by version and segment too."""
    end = int(now // base_seconds + 1) * base_seconds
    window = Window(end - HOUR, end)
    profile = rolling.profile(stream, window)
    return window, list(measure(Subject(stream, window, profile, baseline, MetricSettings())))


def of_measurements(measured: Sequence[Measurement]) -> list[SignalRow]:
    """A row for each signal: leaks that were found first, then rates, then means, by name."""
    whole = {one.label("signal"): one for one in measured if _is_signal(one) and len(one.labels) == 1}
    if _SENT in whole:  # the same figure as it was sent, which versions and segments have as well
        whole.pop(_COPIED, None)
    rows = [_row(name, one, measured) for name, one in whole.items()]
    return sorted(rows, key=lambda row: (not row.is_leaking, not row.has_texts, row.name))


def _is_signal(one: Measurement) -> bool:
    return one.metric in (SIGNAL_RATE.name, SIGNAL_MEAN.name) and one.value is not None


def _row(name: str, one: Measurement, measured: Sequence[Measurement]) -> SignalRow:
    known = one.low is not None and one.high is not None
    is_rate = one.metric == SIGNAL_RATE.name
    signals = {signal.name: signal for signal in lazy_signals.registry().SIGNALS}
    known_as = signals.get(_COPIED if name == _SENT else name)
    unit = one.unit or (known_as.unit.value if known_as and known_as.unit.value == "ms" else "")
    return SignalRow(
        name,
        known_as.help if known_as else "",
        figure(one.value, unit),
        f"{figure(one.low, unit)} to {figure(one.high, unit)}" if known else NOTHING,
        NOTHING if one.baseline is None else figure(one.baseline, unit),
        round(one.n),
        _places(name, one, measured),
        is_rate,
        bool(is_rate and known_as and known_as.is_leak and one.value),
    )


def _places(name: str, whole: Measurement, measured: Sequence[Measurement]) -> tuple[str, ...]:
    parts = [
        one
        for one in measured
        if one.metric == whole.metric
        and one.label("signal") == name
        and len(one.labels) == 2
        and one.value is not None
        and one.n >= _FEWEST
    ]
    parts.sort(key=lambda one: (-abs((one.value or 0.0) - (whole.value or 0.0)), one.labels))
    return tuple(f"{_place(part)}: {figure(part.value, part.unit)}" for part in parts[:MOST_PLACES])


def _place(one: Measurement) -> str:
    version = one.label("version")
    return f"version {version}" if version else one.label("segment")
