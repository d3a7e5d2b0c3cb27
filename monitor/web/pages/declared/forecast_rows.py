"""The forecasts of a model for engineers: one row per horizon, one column per metric."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from monitor.config.units import DAY
from monitor.health.wording import NOTHING, share
from monitor.metrics import Subject
from monitor.metrics.declared import forecasts
from monitor.metrics.quality import regression
from monitor.records import Measurement, Stream, Window
from monitor.rules.language.wording import figure
from monitor.visible import counted, one_line
from monitor.windows.declared.forecast import Forecast
from monitor.windows.profile import Profile
from monitor.windows.rolling import Rolling

_METRICS = (
    regression.MAE, regression.BIAS, forecasts.WAPE, forecasts.BIAS_SHARE, forecasts.MASE, forecasts.RELATIVE_MAE,
    forecasts.COVERAGE, forecasts.WIDTH, forecasts.PINBALL,
)  # fmt: skip
_ORDER = {info.name: place for place, info in enumerate(_METRICS)}
_QUANTILE = "quantile"
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_NUMBER = re.compile(r"[+]?(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ForecastCell:
    """One figure with its 95 % interval; both empty if it is not measured."""

    value: str = ""
    interval: str = ""


@dataclass(frozen=True, slots=True)
class HorizonRow:
    """All figures of a horizon, in the order of the columns. `n` are the outcomes behind its first figure."""

    horizon: str
    n: int
    cells: Sequence[ForecastCell]
    note: str


@dataclass(frozen=True, slots=True)
class ForecastView:
    """The figures over the window that begins at `start` and ends at `end`. `notes`: rows that were set aside."""

    columns: Sequence[str] = ()
    rows: Sequence[HorizonRow] = ()
    notes: Sequence[str] = ()
    start: float = 0.0
    end: float = 0.0


def of_stream(
    rolling: Rolling,
    subject: Callable[[Window, Profile], Subject],
    stream: Stream,
    now: float,
    base_seconds: int,
) -> ForecastView:
    """The figures of the last 24 hours; empty if the model has no forecasts configured."""
    end = int(now // base_seconds + 1) * base_seconds
    window = Window(end - DAY, end)
    about = subject(window, rolling.profile(stream, window))
    forecast = about.settings.forecasts.get((stream.client, stream.model))
    if forecast is None:
        return ForecastView()
    return of_measurements(forecast, [*forecasts.measure(about), *regression.measure(about)])


def of_measurements(forecast: Forecast, measured: Sequence[Measurement]) -> ForecastView:
    """The figures of one window, all rows first, then by horizon."""
    mine: dict[str, dict[tuple[int, str], Measurement]] = {}
    for one in measured:
        name = _horizon(one, forecast.horizon)
        if one.metric in _ORDER and name is not None:
            mine.setdefault(name, {})[_ORDER[one.metric], one.label(_QUANTILE)] = one
    if not mine:
        return ForecastView()
    places = sorted({place for row in mine.values() for place in row})
    columns = [_METRICS[place].name + (f" {quantile}" if quantile else "") for place, quantile in places]
    rows = [_row(name, mine[name], places) for name in sorted(mine, key=_duration)]
    window = measured[0].window
    return ForecastView(columns, rows, _notes(measured), window.start, window.end)


def _horizon(one: Measurement, segment: str) -> str | None:
    """The horizon that a measurement is about, empty for all rows; None if it is about something else."""
    about = [pair for pair in one.labels if pair[0] != _QUANTILE]
    if not about:
        return ""
    prefix = f"{segment}="
    if segment and len(about) == 1 and about[0][0] == "segment" and about[0][1].startswith(prefix):
        return about[0][1].removeprefix(prefix)
    return None


def _duration(horizon: str) -> tuple[int, float, str]:
    """Sorts all rows first, then by length: `6h` before `1d`; other names by text."""
    if not horizon:
        return 0, 0.0, ""
    match = _NUMBER.fullmatch(horizon.strip())
    if match is None or (match[2] and match[2].lower() not in _SECONDS):
        return 2, 0.0, horizon
    return 1, float(match[1]) * _SECONDS.get(match[2].lower(), 1), horizon


def _row(
    horizon: str, of: Mapping[tuple[int, str], Measurement], places: Sequence[tuple[int, str]]
) -> HorizonRow:
    reasons = dict.fromkeys(one.reason for one in of.values() if one.reason)
    first = of[min(of)]
    cells = [_cell(of[place]) if place in of else ForecastCell() for place in places]
    return HorizonRow(one_line(horizon), round(first.n), cells, one_line("; ".join(reasons)))


def _cell(one: Measurement) -> ForecastCell:
    if one.value is None:
        return ForecastCell(NOTHING)
    known = one.low is not None and one.high is not None
    interval = f"{figure(one.low, one.unit)} to {figure(one.high, one.unit)}" if known else ""
    return ForecastCell(figure(one.value, one.unit), interval)


def _notes(source: Sequence[Measurement]) -> list[str]:
    return [
        one_line(
            f"{one.label('name')}: {share(one.value)} of {counted(one.n, 'row')} set aside: {one.label('reason')}"
        )
        for one in source
        if one.metric == forecasts.SET_ASIDE.name and one.value is not None
    ]
