"""A verdict from stored profiles: what the daemon counted per version is what is compared."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.errors import NotFoundError
from monitor.records import Stream
from monitor.rollouts.evaluate import evaluate
from monitor.rollouts.load_arms import ArmSettings
from monitor.rollouts.signals.signal import CanarySignal, SignalState
from monitor.rollouts.verdict import Gate, Outcome, Verdict
from monitor.store.db import Store
from monitor.windows import baseline
from tests.support import schema
from tests.support.rollouts import Behaviour, put_minute, rows

STREAM = Stream("acme", "fraud")
START = 1_795_420_800
READING = ArmSettings(60)
ALL = Behaviour(0.01, 0.1, 0.8, 0.1, 40.0, 1.0, 0.1, 0.9)
HOSTILE = "\u202e\u2028'\"\r\n{{7*7}}<b>" * 30


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(made)
    yield made
    made.close()


def run(
    store: Store, minutes: int, versions: Mapping[str, tuple[int, Behaviour]], at: int = 0, seed: int = 1
) -> int:
    rng = np.random.default_rng(seed)
    for number in range(at, at + minutes):
        put_minute(store, STREAM, START + 60 * number, versions, rng)
    return at + minutes


def verdict(
    store: Store, minute: int, canary: str = "8", stable: str = "", since: float | None = None
) -> Verdict:
    now = START + 60.0 * minute
    with store.read() as connection:
        return evaluate(connection, STREAM, canary, stable, Gate.GUARD, READING, now, since)


def signals(found: Verdict) -> dict[str, CanarySignal]:
    return {signal.name: signal for signal in found.signals}


def with_baseline(store: Store) -> None:
    sample = rows(np.random.default_rng(9), "7", 4000, ALL)
    renamed = sample.rename_columns([name.replace("outcome.truth", "truth") for name in sample.schema.names])
    table = pa.Table.from_batches([renamed]).drop_columns(["version", "error", "outcome.reviewed"])
    with store.write() as connection:
        baseline.save(connection, baseline.from_table(STREAM, table, START), START)


def test_each_signal_is_measured_from_what_the_daemon_counts(store: Store) -> None:
    with_baseline(store)
    at = run(store, 30, {"7": (900, ALL)})
    at = run(store, 10, {"7": (900, ALL), "8": (100, ALL)}, at)
    found = verdict(store, at)
    assert found.outcome is Outcome.PASS, found.reason
    assert found.stable == "7"
    assert (found.n_canary, found.n_stable) == (1000, 900 * 40)
    told = signals(found)
    assert [one.name for one in told.values() if one.state is SignalState.NOT_MEASURED] == []
    assert told["latency"].stable == pytest.approx(0.040 * np.exp(1.645 * 0.5), rel=0.05), (
        "p95 of the log-normal"
    )
    assert told["quality"].stable == pytest.approx(0.1, abs=0.01)
    assert told["automation"].stable == pytest.approx(0.2, abs=0.01)
    assert told["reviews"].stable == pytest.approx(0.1, abs=0.01)
    assert told["cost"].stable == pytest.approx(np.exp(0.125), rel=0.02)
    assert told["inputs"].state is SignalState.PASS


@pytest.mark.parametrize(
    ("name", "worse"),
    [
        ("failures", Behaviour(0.08, 0.1, 0.8, 0.1, 40.0, 1.0, 0.1, 0.9)),
        ("latency", Behaviour(0.01, 0.1, 0.8, 0.1, 84.0, 1.0, 0.1, 0.9)),
        ("quality", Behaviour(0.01, 0.2, 0.8, 0.1, 40.0, 1.0, 0.1, 0.9)),
        ("outputs", Behaviour(0.01, 0.1, 0.8, 0.1, 40.0, 1.0, 0.4, 0.9)),
        ("cost", Behaviour(0.01, 0.1, 0.8, 0.1, 40.0, 2.0, 0.1, 0.9)),
    ],
)
def test_a_canary_that_is_worse_in_one_signal_fails_for_it(store: Store, name: str, worse: Behaviour) -> None:
    with_baseline(store)
    at = run(store, 10, {"7": (900, ALL)})
    at = run(store, 12, {"7": (900, ALL), "8": (100, worse)}, at)
    found = verdict(store, at)
    assert found.outcome is Outcome.FAIL, found.reason
    assert signals(found)[name].state is SignalState.FAIL


def test_confidence_that_falls_is_an_estimated_loss_before_any_truth_is_known(store: Store) -> None:
    with_baseline(store)
    plain = Behaviour(0.01, confidence=0.9)
    at = run(store, 10, {"7": (900, plain)})
    at = run(store, 12, {"7": (900, plain), "8": (100, Behaviour(0.01, confidence=0.55))}, at)
    told = signals(verdict(store, at))
    assert told["quality"].reason == "nothing was sent with `truth`"
    assert told["estimated_quality"].state is SignalState.FAIL
    assert told["estimated_quality"].canary == pytest.approx(0.45, abs=0.03), "what the confidence claims"
    assert "are expected to be wrong" in told["estimated_quality"].reason


def test_different_inputs_are_seen_by_a_baseline_and_said(store: Store) -> None:
    with_baseline(store)
    at = run(store, 10, {"7": (900, ALL)})
    other = Behaviour(0.01, 0.3, 0.8, 0.1, 40.0, 1.0, 0.1, 0.9, country=0.95)
    found = verdict(store, run(store, 12, {"7": (900, ALL), "8": (100, other)}, at))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "receive different requests" in found.reason


def test_without_baseline_labels_are_compared_and_inputs_are_not_measured(store: Store) -> None:
    at = run(store, 10, {"7": (900, Behaviour())})
    found = verdict(store, run(store, 12, {"7": (900, Behaviour()), "8": (100, Behaviour(fraud=0.4))}, at))
    assert "outputs: " in found.reason
    assert signals(found)["inputs"].reason == "no features were sent that a baseline has"


def test_of_two_canaries_at_once_each_is_compared_with_the_version_that_answers_most(store: Store) -> None:
    good, bad = Behaviour(0.01), Behaviour(0.2)
    at = run(store, 10, {"7": (900, good)})
    at = run(store, 12, {"7": (700, good), "8": (100, good), "9": (100, bad)}, at)
    assert (verdict(store, at).stable, verdict(store, at).outcome) == ("7", Outcome.PASS)
    assert (verdict(store, at, "9").stable, verdict(store, at, "9").outcome) == ("7", Outcome.FAIL)


def test_a_hostile_name_of_a_version_is_a_version_like_any_other(store: Store) -> None:
    name = HOSTILE[:512]
    at = run(store, 10, {"7": (900, Behaviour(0.01))})
    at = run(store, 12, {"7": (900, Behaviour(0.01)), name: (100, Behaviour(0.2))}, at)
    assert verdict(store, at, name).outcome is Outcome.FAIL


def test_answers_of_the_canary_before_the_rollout_do_not_count(store: Store) -> None:
    at = run(store, 10, {"7": (900, Behaviour(0.01)), "8": (100, Behaviour(0.5))})
    since = START + 60.0 * at
    assert "no answers of version '8'" in verdict(store, at, since=since).reason
    at = run(store, 12, {"7": (900, Behaviour(0.01)), "8": (100, Behaviour(0.01))}, at)
    assert verdict(store, at, since=since).outcome is Outcome.PASS
    assert verdict(store, at).outcome is Outcome.FAIL


def test_a_canary_that_dies_is_inconclusive_and_one_that_nobody_saw_is_told(store: Store) -> None:
    at = run(store, 12, {"7": (900, Behaviour(0.01)), "8": (100, Behaviour(0.01))})
    at = run(store, 5, {"7": (900, Behaviour(0.01))}, at)
    found = verdict(store, at)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "the last answer of version '8' is 5m old" in found.reason
    assert "versions in use: 7, 8" in verdict(store, at, "99").reason
    with pytest.raises(NotFoundError), store.read() as connection:
        evaluate(connection, Stream("acme", "nothing"), "8", "", Gate.GUARD, READING, START)
