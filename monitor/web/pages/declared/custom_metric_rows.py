"""The own metrics of a model for engineers: figures with intervals, and the rows that they could not use."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.health.declared.custom_metric_settings import CustomMetrics
from monitor.health.wording import NOTHING, share
from monitor.metrics.declared.custom_metrics import NAME, OWN_METRIC, OWN_METRIC_SET_ASIDE, REASON
from monitor.records import Measurement
from monitor.visible import counted, one_line

_NO_BASELINE = (
    "the baseline does not have it: a sum has none, and others are added to it as soon as enough stored rows have "
    "their columns"
)


@dataclass(frozen=True, slots=True)
class CustomMetricRow:
    """One figure: its name, expression (of the whole only), what it is about, value, 95 % interval and baseline.

    `notes` say why it is not measured, and which rows were set aside.
    """

    name: str
    expression: str
    about: str
    value: str
    interval: str
    baseline: str
    n: int
    notes: str


@dataclass(frozen=True, slots=True)
class CustomMetricView:
    """All own metrics over the window that begins at `start` and ends at `end`."""

    rows: Sequence[CustomMetricRow] = ()
    start: float = 0.0
    end: float = 0.0


def of_measurements(
    declared: CustomMetrics,
    measured: Sequence[Measurement],
    otherwise: Sequence[Measurement] = (),
    *,
    has_baseline: bool = False,
) -> CustomMetricView:
    """The figures of one window, by name; without any, those of another window.

    `has_baseline`: the model has one, so that the page names the figures that it lacks.
    """
    mine = [one for one in measured if one.metric == OWN_METRIC.name]
    source = measured if mine else otherwise
    mine = mine or [one for one in otherwise if one.metric == OWN_METRIC.name]
    if not mine:
        return CustomMetricView()
    mine.sort(key=lambda one: (one.label(NAME), len(one.labels), one.labels))
    window = mine[0].window
    rows = [_row(one, declared, source) for one in mine]
    if has_baseline:
        rows = [_with_baseline(row, one) for row, one in zip(rows, mine, strict=True)]
    return CustomMetricView(rows, window.start, window.end)


def _with_baseline(row: CustomMetricRow, one: Measurement) -> CustomMetricRow:
    """A row of the whole that says why its figure has no baseline."""
    is_lacking = len(one.labels) == 1 and one.value is not None and one.baseline is None
    return replace(row, notes="; ".join(filter(None, (row.notes, _NO_BASELINE)))) if is_lacking else row


def _row(one: Measurement, declared: CustomMetrics, measured: Sequence[Measurement]) -> CustomMetricRow:
    name, is_whole = one.label(NAME), len(one.labels) == 1
    known = one.low is not None and one.high is not None
    interval = f"{_figure(one.low, one.unit)} to {_figure(one.high, one.unit)}" if known else NOTHING
    about = ", ".join(f"{key} {value}" for key, value in one.labels if key != NAME)
    notes = [one.reason] if one.reason else []
    if is_whole:
        notes += [
            f"{share(aside.value)} of {counted(aside.n, 'row')} set aside: {aside.label(REASON)}"
            for aside in measured
            if aside.metric == OWN_METRIC_SET_ASIDE.name
            and aside.label(NAME) == name
            and aside.value is not None
        ]
    expression = declared[name].expression if is_whole and name in declared else ""
    return CustomMetricRow(
        name,
        one_line(expression),
        one_line(about),
        _figure(one.value, one.unit),
        interval,
        _figure(one.baseline, one.unit),
        round(one.n),
        one_line("; ".join(notes)),
    )


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return NOTHING
    if unit == "share":
        return f"{value * 100:.4g} %"
    return f"{value:,.6g} {one_line(unit)}" if unit else f"{value:,.6g}"
