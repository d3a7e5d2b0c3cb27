"""Runs of an agent: steps, calls of tools and their errors, loops, and whether the goal was reached."""

from collections.abc import Iterator

from monitor.expressions.expression import UndefinedError
from monitor.metrics.declared import unusable_rows
from monitor.metrics.declared.custom_metrics import figure
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.declared.agent_definitions import BY_TOOL, PREFIX
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.tally_labels import ROWS
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
STEPS = MetricInfo(
    "agent_steps", "steps", Better.NONE, "Mean number of steps of a run.", _WHERE, "sum of steps / runs",
    "`agent` of the model with `steps`; numbers",
)  # fmt: skip
TOOL_CALLS = MetricInfo(
    "agent_tool_calls", "calls", Better.NONE, "Mean number of calls of tools in a run.", _WHERE, "sum of calls / runs",
    "`agent` of the model with `tool_calls`; numbers",
)  # fmt: skip
TOOL_ERROR_RATE = MetricInfo(
    "tool_error_rate", "share", Better.LOWER, "Share of the calls of tools that failed.", ("tool", *_WHERE),
    "sum of failed calls / sum of calls; interval by the delta method, runs as units",
    "`agent` of the model with `tool_calls` and `tool_errors`, by tool with `tools`; numbers",
)  # fmt: skip
LOOP_RATE = MetricInfo(
    "loop_rate", "share", Better.LOWER, "Share of the runs that repeated a call of a tool.", _WHERE,
    "runs with loops above 0 / runs, Wilson interval", "`agent` of the model with `loops`; numbers", "Wilson 1927",
)  # fmt: skip
GOAL_RATE = MetricInfo(
    "goal_rate", "share", Better.HIGHER, "Share of the runs that reached their goal.", _WHERE,
    "runs whose truth is the goal / runs with an outcome, Wilson interval",
    "`agent` of the model with `goal`, outcomes with `truth`", "Wilson 1927",
)  # fmt: skip
SET_ASIDE = MetricInfo(
    "agent_set_aside", "share", Better.LOWER,
    "Share of the runs that a figure could not use, by reason: such as runs of which the spans tell too little.",
    ("name", "reason"), "runs without a usable value / runs, Wilson interval", "`agent` of the model", "Wilson 1927",
)  # fmt: skip
INFO = (STEPS, TOOL_CALLS, TOOL_ERROR_RATE, LOOP_RATE, GOAL_RATE, SET_ASIDE)
_OF_TOOL = f"{PREFIX}{BY_TOOL}"
_BY_NAME = {f"{PREFIX}{info.name}": info for info in INFO}


def measure(subject: Subject) -> Iterator[Measurement]:
    """The figures of an agent. A model without the setting has none."""
    for metric in subject.declared.of(subject.window):
        info, of_tool = _BY_NAME.get(metric.name), labels()
        if metric.name.startswith(_OF_TOOL):
            info, of_tool = TOOL_ERROR_RATE, labels(tool=metric.name.removeprefix(_OF_TOOL))
        if info is not None:
            for where, part, base in subject.scopes():
                yield _measured(subject, metric, info, tuple(sorted((*of_tool, *where))), part, base)
            if not of_tool:  # a run has nothing of tools that it did not call
                yield from _set_aside(subject, metric, info)


def _measured(
    subject: Subject, metric: CustomMetric, info: MetricInfo, where: Labels, part: Slice, base: Slice | None
) -> Measurement:
    n, needed = part.tally(metric.tally).get(ROWS, 0.0), _needed(subject, info)
    if n < needed:
        what = "outcomes" if info is GOAL_RATE else "runs"
        return subject.not_measured(info, too_few(n, needed, what), n, where=where)
    try:
        value, interval = figure(metric, part)
    except UndefinedError:
        return subject.not_measured(info, "no run called a tool", n, where=where)
    if interval is not None:
        high = min(interval[1], max(value, 1.0)) if info.unit == "share" else interval[1]
        interval = max(interval[0], min(value, 0.0)), high
    return subject.ok(
        info, value, n, where=where, interval=interval, baseline=_usual(subject, metric, info, base)
    )


def _set_aside(subject: Subject, metric: CustomMetric, info: MetricInfo) -> Iterator[Measurement]:
    tally = subject.profile.overall.tally(metric.tally)
    unusable = unusable_rows.by_reason(tally)
    of = tally.get(ROWS, 0.0) + sum(unusable.values())
    yield from unusable_rows.shares(subject, SET_ASIDE, info.name, unusable, of)


def _needed(subject: Subject, info: MetricInfo) -> int:
    settings = subject.settings
    return settings.min_outcomes if info is GOAL_RATE else max(settings.min_rates, 1)


def _usual(subject: Subject, metric: CustomMetric, info: MetricInfo, base: Slice | None) -> float | None:
    if base is None or base.tally(metric.tally).get(ROWS, 0.0) < _needed(subject, info):
        return None
    try:
        return figure(metric, base)[0]
    except UndefinedError:
        return None
