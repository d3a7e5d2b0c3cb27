"""Own metrics in sentences for the client: what was measured, over which time, from how many rows. Pure."""

from collections.abc import Mapping, Sequence

from monitor.health import targets, wording
from monitor.health.declared.custom_metric_settings import CustomMetricSection
from monitor.health.settings import ModelView
from monitor.records import Better, Measurement
from monitor.visible import one_line

METRIC, NAME = "own_metric", "name"
SET_ASIDE = "own_metric_set_aside"
CLIENT = "client"


def is_for_client(view: ModelView, measurement: Measurement) -> bool:
    """Whether a measurement is the whole figure of an own metric that the client sees."""
    if measurement.metric != METRIC or len(measurement.labels) != 1:
        return False
    section = view.metrics.get(measurement.label(NAME))
    return section is not None and section.audience == CLIENT


def is_for_engineers(view: ModelView, measurement: Measurement) -> bool:
    """Whether a measurement is of an own metric that the client must not see, also of one that was removed."""
    if measurement.metric not in (METRIC, SET_ASIDE):
        return False
    section = view.metrics.get(measurement.label(NAME))
    return section is None or section.audience != CLIENT


def sentences(view: ModelView, measured: Sequence[Measurement], period: str) -> list[tuple[str, str]]:
    """For each own metric that the client sees, its name and what is known of it. `period` is such as `of the last 24
    hours`.
    """
    shown = {one.label(NAME): one for one in measured if is_for_client(view, one)}
    limits = targets.limits_of(view)
    return [
        (one_line(section.title or wording.name(name)), _sentence(name, section, shown[name], limits, period))
        for name, section in view.metrics.items()
        if name in shown
    ]


def _sentence(
    name: str, section: CustomMetricSection, one: Measurement, limits: Mapping[str, float], period: str
) -> str:
    if one.value is None:
        return f"Not measured {period}: {one_line(one.reason)}."
    notes = [] if one.low is None or one.high is None else [_between(section, one.low, one.high)]
    notes.append(f"from {wording.count(one.n)} {'row' if one.n == 1 else 'rows'}")
    text = f"{_figure(section, one.value)} {period} ({', '.join(notes)})"
    if name in limits:
        least = section.better is not Better.LOWER
        text += f"; {'at least' if least else 'at most'} {_figure(section, limits[name])} was agreed"
    explained = f" {one_line(section.explanation)}" if section.explanation else ""
    return f"{text}.{explained}"


def _figure(section: CustomMetricSection, value: float) -> str:
    unit = section.shown_unit
    if unit == "share":
        return wording.share(value)
    return f"{wording.number(value)} {one_line(unit)}" if unit else wording.number(value)


def _between(section: CustomMetricSection, low: float, high: float) -> str:
    """`39 % to 45 %`."""
    return f"{_figure(section, low)} to {_figure(section, high)}"
