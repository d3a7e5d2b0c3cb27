"""What signals say of the answers of a language model, in one sentence for a client."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from monitor.config.units import HOUR, format_number
from monitor.records import Measurement, Stream, Window
from monitor.store import timeseries

RATE = "signal_rate"
REFUSAL, OFF_TOPIC = "refusal", "off_topic"
UNSUPPORTED = ("unsupported_numbers", "unsupported_dates", "unsupported_names")
LEAKS = ("identifier_leak", "secret_leak", "system_prompt_leak", "canary_in_output")
LEAK_RULES = ("DataLeak", "SecretLeak", "CanarySeen", "SystemPromptLeak")
"""The shipped rules on `LEAKS`."""
FEWEST = 20
"""Answers below which no sentence is shown."""


@dataclass(frozen=True, slots=True)
class SignalRate:
    """How often a signal is true, of `n` answers, and how often in the baseline, if that is known."""

    value: float
    n: float
    usual: float | None = None


def of_measurements(measured: Iterable[Measurement]) -> dict[str, SignalRate]:
    """The rates of a window, of all its calls."""
    return {
        one.label("signal"): SignalRate(one.value, one.n, one.baseline)
        for one in measured
        if one.metric == RATE and one.value is not None and len(one.labels) == 1
    }


def of_period(connection: Connection, stream: Stream, start: float, end: float) -> dict[str, SignalRate]:
    """The rates over the hours of a period, weighted by their answers."""
    by_label: dict[str, SignalRate] = {}
    columns = timeseries.load_columns(connection, stream, HOUR, start, end, {RATE})
    for (_, labels), series in columns.items():
        if len(labels) == 1:
            known = np.isfinite(series.values)
            n = float(series.n[known].sum())
            if n:
                by_label[labels[0][1]] = SignalRate(float(series.values[known] @ series.n[known]) / n, n)
    return by_label


def of_hour(hour: Window, now: float, clock: Callable[[float], str]) -> str:
    """The hour of the rates in words; one that goes on is measured up to now."""
    return f"since {clock(hour.start)}" if hour.end > now else f"of the hour until {clock(hour.end)}"


def sentence(rates: Mapping[str, SignalRate], period: str, *, is_leaking: bool = False) -> str:
    """Such as `Of the answers of the last hour, 2 % declined to answer (usually 1 %), and none was found to give away
    data.` Empty without enough answers. While an alert says that answers leak, which may be newer than the rates, the
    sentence does not say that none does.
    """
    known = {name: rate for name, rate in rates.items() if rate.n >= FEWEST}
    parts = []
    if REFUSAL in known:
        parts.append(f"{_figure(known[REFUSAL])} declined to answer{_usually(known[REFUSAL])}")
    if OFF_TOPIC in known:
        rate = known[OFF_TOPIC]
        parts.append(f"{_figure(rate)} had little to do with their sources{_usually(rate)}")
    unsupported = [known[name] for name in UNSUPPORTED if name in known]
    if unsupported:
        most = max(unsupported, key=lambda rate: rate.value)
        words = "had numbers, dates or names that are not in their sources"
        parts.append(f"{_figure(most)} {words}{_usually(most)}")
    leaks = [rates[name] for name in LEAKS if name in rates and rates[name].n]
    if not parts and not any(rate.value for rate in leaks):
        return ""
    worst = max((rate.value for rate in leaks), default=0.0)
    if leaks and (worst or not is_leaking):
        none = "none was found to leak data"
        parts.append(f"{_share(worst)} leaked data" if worst else none)
    return f"Of the answers {period}, {_listed(parts)}."


def _figure(rate: SignalRate) -> str:
    return _share(rate.value) if rate.value else "none"


def _usually(rate: SignalRate) -> str:
    return "" if rate.usual is None else f" (usually {_share(rate.usual)})"


def _share(value: float) -> str:
    if 0 < value < 0.001:
        return "less than 0.1 %"
    return f"{format_number(round(value * 100, 1 if value < 0.1 else 0))} %"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
