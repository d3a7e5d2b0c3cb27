"""Runs of an agent beside plain sums, on dirty rows."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitor.config.root import Config
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.declared import agents, custom_metrics
from monitor.records import Measurement, Stream, Window
from monitor.windows.baseline_from_table import conform
from monitor.windows.declared import custom_counts
from monitor.windows.declared.agent_definitions import Agent, definitions
from monitor.windows.declared.declared import Declared
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge

STREAM, DAY = Stream("acme", "helpdesk"), Window(0, 86400)
DEFINED = definitions(Agent("steps", "tool calls", "tool errors", "loops", "resolved"))


def profile(rows: pa.Table) -> Profile:
    (batch,) = conform(rows).combine_chunks().to_batches()
    own = [custom_counts.count(batch, BARE, 50, DEFINED, are_joined=joined) for joined in (False, True)]
    return merge([count(batch, BARE), count_outcomes(batch, BARE), *(one for one in own if one is not None)])


def measured(now: Profile) -> dict[tuple[str, ...], Measurement]:
    declared = Declared({one.name: [(0, one)] for one in DEFINED})
    subject = Subject(STREAM, DAY, now, None, MetricSettings(), declared=declared)
    assert not list(custom_metrics.measure(subject))
    return {(one.metric, *(value for _, value in one.labels)): one for one in agents.measure(subject)}


def runs(seed: int, amount: int = 200) -> dict[str, Any]:
    chance = np.random.default_rng(seed)
    calls = chance.integers(0, 9, amount)
    return {
        "features.steps": chance.integers(1, 20, amount),
        "features.tool calls": calls,
        "features.tool errors": chance.binomial(calls, 0.2),
        "features.loops": chance.integers(0, 3, amount),
        "truth": chance.choice(["resolved", "given up"], amount).tolist(),
        "segments.team": ["a", "b"] * (amount // 2),
    }


def test_figures_of_runs_are_those_of_plain_sums_for_all_and_by_segment() -> None:
    rows = runs(1)
    rows["truth"][0] = None
    found = measured(profile(pa.table(rows)))
    for where, chosen in (((), slice(None)), (("team=a",), slice(None, None, 2))):
        steps, calls, errors, loops = (
            rows[f"features.{name}"][chosen] for name in ("steps", "tool calls", "tool errors", "loops")
        )
        known = [one for one in rows["truth"][chosen] if one is not None]
        expected = {
            "agent_steps": steps.mean(),
            "agent_tool_calls": calls.mean(),
            "tool_error_rate": errors.sum() / calls.sum(),
            "loop_rate": (loops > 0).mean(),
            "goal_rate": known.count("resolved") / len(known),
        }
        for metric, value in expected.items():
            one = found[(metric, *where)]
            assert one.value == pytest.approx(value), metric
            assert one.low is not None
            assert one.high is not None
            assert one.low <= value <= one.high
    halves = [
        profile(pa.table({name: values[some] for name, values in rows.items()}))
        for some in (slice(90, None), slice(90))
    ]
    assert measured(merge(halves)) == found


def test_errors_of_single_tools() -> None:
    rows = {
        "features.tool_calls.search": [2, 3, None, 1] * 50,
        "features.tool_errors.search": [1, 0, None, 1] * 50,
        "features.tool_calls.book a seat": [None, 4, 0, None] * 50,
        "features.tool_errors.book a seat": [None, 1, 0, None] * 50,
    }
    defined = definitions(Agent(tools=("search", "book a seat", "none")))
    (batch,) = conform(pa.table(rows)).combine_chunks().to_batches()
    own = custom_counts.count(batch, BARE, 50, defined, are_joined=False)
    assert own is not None
    subject = Subject(
        STREAM, DAY, merge([count(batch, BARE), own]), None, MetricSettings(),
        declared=Declared({one.name: [(0, one)] for one in defined}),
    )  # fmt: skip
    found = {dict(one.labels)["tool"]: one for one in agents.measure(subject)}
    assert found["search"].value == pytest.approx(100 / 300)
    assert (found["search"].n, found["book a seat"].value) == (150, pytest.approx(0.25))
    assert (found["none"].value, found["none"].reason) == (None, "0 runs of 1 needed")


def test_what_cannot_be_measured_has_a_reason_and_dirty_rows_change_nothing() -> None:
    rows = runs(2)
    clean = measured(profile(pa.table(rows)))
    dirty: dict[str, Any] = {name: [*np.asarray(values).tolist(), None] for name, values in rows.items()}
    dirty["features.steps"] = [str(one) for one in dirty["features.steps"][:-1]] + ["many"]
    found = measured(profile(pa.table(dirty)))
    aside = {key for key in found if key[0] == "agent_set_aside"}
    assert {key: one.value for key, one in found.items() if key not in aside} == {
        key: one.value for key, one in clean.items()
    }
    assert {key[1:]: round((found[key].value or 0.0) * found[key].n) for key in aside} == {
        ("agent_steps", "features.steps is a text, not a number"): 1,
        ("agent_tool_calls", "features.tool calls is missing"): 1,
        ("tool_error_rate", "features.tool errors is missing"): 1,
        ("loop_rate", "features.loops is missing"): 1,
    }
    idle = measured(
        profile(pa.table({**rows, "features.tool calls": [0] * 200, "features.tool errors": [0] * 200}))
    )
    assert idle["tool_error_rate",].reason == "no run called a tool"
    few = measured(profile(pa.table({**rows, "truth": pa.array(["resolved"] * 12 + [None] * 188)})))
    assert few["goal_rate",].reason == "12 outcomes of 30 needed"


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        ({"steps": "features.steps"}, "names are bare: write steps"),
        ({"tool_errors": "errors"}, "tool_errors need tool_calls"),
        ({"steps": "x" * 200}, "too long"),
        ({"tools": ["a", "b", "a"]}, "a is duplicated"),
        ({"tools": [""]}, "is not a valid tool name"),
        ({"tools": [str(one) for one in range(51)]}, "51 tools are too many"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(agent: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Config.model_validate({"clients": {"acme": {"models": {"helpdesk": {"agent": agent}}}}})
