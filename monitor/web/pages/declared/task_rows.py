"""The figures of a kind of task for engineers, such as those of lists: one row per figure and part of the stream."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from monitor.health.wording import NOTHING, share
from monitor.metrics.declared import agents, ranked_scores
from monitor.metrics.metric import MetricInfo
from monitor.metrics.quality import multi_label, multi_output
from monitor.metrics.recommendation import list_quality, shown_items
from monitor.metrics.settings import Ranking
from monitor.records import Measurement
from monitor.visible import counted, one_line

_ASIDE = (
    "without {share} of {n}: {why}. Runs over OpenTelemetry have no counts if they are too long, or were under way at "
    "a restart"
)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One figure with its 95 % interval and baseline. `note` says why it is not measured."""

    name: str
    about: str
    value: str
    interval: str
    baseline: str
    n: int
    note: str


@dataclass(frozen=True, slots=True)
class TaskView:
    """The figures of one kind of task over the window that begins at `start` and ends at `end`. `note` is about all."""

    key: str
    title: str
    rows: Sequence[TaskRow]
    start: float
    end: float
    note: str = ""


def of_measurements(
    ranking: Ranking | None, measured: Sequence[Measurement], otherwise: Sequence[Measurement] = ()
) -> list[TaskView]:
    """The kinds of tasks that have figures, each of one window, else of another.

    A day has the figures that rules and targets ask for only.
    """
    views = [
        _view("lists", "Lists", list_quality.INFO, measured, otherwise, f"k is {(ranking or Ranking()).k}."),
        _view("shown", "What lists show", shown_items.INFO, measured, otherwise),
        _view("label_sets", "Sets of labels", multi_label.INFO, measured, otherwise),
        _view("scores", "Scores", ranked_scores.INFO, measured, otherwise),
        _view("agent", "Runs of the agent", agents.INFO, measured, otherwise),
        _view("outputs", "Outputs", multi_output.INFO, measured, otherwise),
    ]
    return [view for view in views if view is not None]


def _view(
    key: str,
    title: str,
    infos: Collection[MetricInfo],
    measured: Sequence[Measurement],
    otherwise: Sequence[Measurement],
    note: str = "",
) -> TaskView | None:
    order = {info.name: place for place, info in enumerate(infos)}
    source = measured if any(one.metric in order for one in measured) else otherwise
    mine = [one for one in source if one.metric in order and one.metric != agents.SET_ASIDE.name]
    if not mine:
        return None
    mine.sort(key=lambda one: (len(one.labels), one.labels, order[one.metric]))
    window = mine[0].window
    return TaskView(key, title, [_row(one, source) for one in mine], window.start, window.end, note)


def _row(one: Measurement, measured: Sequence[Measurement]) -> TaskRow:
    known = one.low is not None and one.high is not None
    notes = [one.reason] if one.reason else []
    if not one.labels:
        notes += [
            _ASIDE.format(share=share(aside.value), n=counted(aside.n, "run"), why=aside.label("reason"))
            for aside in measured
            if aside.metric == agents.SET_ASIDE.name
            and aside.label("name") == one.metric
            and aside.value is not None
        ]
    return TaskRow(
        one.metric,
        one_line(", ".join(f"{name} {value}" for name, value in one.labels)),
        _figure(one.value, one.unit),
        f"{_figure(one.low, one.unit)} to {_figure(one.high, one.unit)}" if known else NOTHING,
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
