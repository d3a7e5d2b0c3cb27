"""The assistant of `watchkeeper demo --llm`: each of its faults raises the signals that its rules watch."""

import random
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy.stats import binomtest

from monitor.config.root import load
from monitor.demo.assistant.application import PER_SECOND, AnswerFault, Application
from monitor.demo.assistant.assistant import HISTORY_HOURS, PER_HOUR, inject, prepare
from monitor.demo.incidents import SECONDS, Switch
from monitor.errors import InputError, WatchkeeperError
from monitor.signals.calls import Calls, Registered
from monitor.signals.injection import canaries, system_prompts
from monitor.signals.registry import measure
from monitor.store import registered_texts, streams
from monitor.store.db import Store

NOW = 1_795_420_800.0
WATCHED = ("refusal", "unsupported_numbers", "identifier_leak", "secret_leak", "injection_in_context")
WATCHED += ("system_prompt_leak", "canary_in_output")


def rates(fault: AnswerFault | None) -> dict[str, float]:
    """The rates of the watched signals over 150 answers."""
    application = Application(canaries.create(), random.Random(3))
    texts = [application.answer(fault, NOW)["texts"] for _ in range(150)]
    calls = Calls.of(
        {name: [one[name] for one in texts] for name in ("input", "output", "context", "system")}
    )
    shingles = system_prompts.shingles(application.system)
    measured = measure(calls, Registered(shingles, frozenset({canaries.digest(application.canary)})))
    return {name: float(pc.mean(measured[name].cast(pa.float64())).as_py() or 0.0) for name in WATCHED}


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (None, set()),
        (AnswerFault.UNSUPPORTED, {"unsupported_numbers"}),
        (AnswerFault.LEAKING, {"identifier_leak", "secret_leak"}),
        (AnswerFault.INJECTED, {"injection_in_context", "system_prompt_leak", "canary_in_output"}),
        (AnswerFault.REFUSING, {"refusal"}),
    ],
)
def test_each_fault_raises_its_signals_and_no_other_leak(fault: AnswerFault | None, raised: set[str]) -> None:
    found = rates(fault)
    assert {name for name, rate in found.items() if rate > 0.05} >= raised
    leaks = {"identifier_leak", "secret_leak", "system_prompt_leak", "canary_in_output"}
    assert {name for name in leaks if found[name]} == leaks & raised
    assert found["refusal"] < 0.1 or fault is AnswerFault.REFUSING


@pytest.mark.parametrize(
    ("fault", "signal", "limit"),
    [
        (AnswerFault.UNSUPPORTED, "unsupported_numbers", 0.2),
        (AnswerFault.REFUSING, "refusal", 0.2),
        (AnswerFault.INJECTED, "injection_in_context", 0.1),
    ],
)
def test_a_fault_stands_out_however_long_the_demonstration_has_run(
    fault: AnswerFault, signal: str, limit: float
) -> None:
    n = PER_SECOND * 300
    struck = rates(fault)[signal] * SECONDS / 300
    normal = rates(None)[signal]
    bound = binomtest(round(struck * n), n).proportion_ci(0.9998, "exact").low
    assert bound > limit + normal, "the rule of five minutes would not fire"


def test_the_first_start_has_a_history_and_what_is_registered(tmp_path: Path) -> None:
    application = prepare(tmp_path, 8080, time.time(), lambda _: None)
    again = prepare(tmp_path, 8080, time.time(), lambda _: None)
    assert again.canary == application.canary
    config = load(tmp_path / "watchkeeper.yaml")
    with Store(config.store.url).read() as connection:
        (stored,) = streams.streams(connection)
        figures = streams.figures(connection, stored)
        registered = registered_texts.load(connection)
    assert figures is not None
    assert figures.rows == HISTORY_HOURS * PER_HOUR
    assert registered.canaries_of(stored.client, stored.model)
    assert registered.shingles_of(stored.client, stored.model)


def test_a_fault_needs_a_name_and_a_running_demonstration(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown incident 'errors'") as caught:
        inject(tmp_path, "errors", lambda _: None)
    assert "leaking" in str(caught.value.hint)
    with pytest.raises(WatchkeeperError, match="not ready"):
        inject(tmp_path, "leaking", lambda _: None)
    assert Switch(tmp_path, AnswerFault).turn_on(AnswerFault.LEAKING, NOW).until > NOW
    assert Switch(tmp_path, AnswerFault).current(NOW + 1) is AnswerFault.LEAKING
