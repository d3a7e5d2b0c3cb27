"""What a load test finds, on servers whose limits are known from theory."""

import asyncio
import math
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from monitor.loadtest.arrivals import Arrivals, due
from monitor.loadtest.report import failures
from monitor.loadtest.run import Pace
from monitor.loadtest.search import PRECISION, Tried, held, missed, next_rate
from monitor.loadtest.stage import ObjectiveState
from monitor.outgoing.persistent import Answer
from monitor.rollouts.verdict import Outcome
from tests.loadtest.virtual import SimulatedServer, VirtualLoop, run_on, waited
from tests.support.thorough import examples

SERVICE = 0.010


def waits_at_most(seconds: float, rate: float, service: float) -> float:
    """The probability that a call waits at most so long for one worker: Erlang's formula of the queue M/D/1."""
    terms = (
        (-rate * (seconds - k * service)) ** k / math.factorial(k) * math.exp(rate * (seconds - k * service))
        for k in range(int(seconds / service) + 1)
    )
    return (1 - rate * service) * math.fsum(terms)


def test_the_limit_is_that_of_the_queueing_formula() -> None:
    limit = 0.1
    knee = brentq(lambda rate: waits_at_most(limit - SERVICE, rate, SERVICE) - 0.95, 30, 99.9)
    found = run_on(SimulatedServer(SERVICE), 40, pace=Pace(duration=300, step=300))
    assert found.verdict.outcome is Outcome.PASS
    assert found.verdict.holds is not None
    assert found.verdict.misses is not None
    assert found.verdict.holds / 1.06 < knee < found.verdict.misses * 1.06
    headroom = found.verdict.holds / 40
    assert (
        f"holds 40/s with {headroom:.2g}x headroom; first limit: the model: half of the calls"
        in found.verdict.sentence
    )


def test_latencies_are_those_of_the_recursion_whatever_the_backlog() -> None:
    found = run_on(SimulatedServer(SERVICE), 95, "p50<10s", up_to=1, pace=Pace(duration=60, seed=3))
    [stage] = found.stages
    exact = np.sort(waited(due(Arrivals.POISSON, 95, 60, 3).tolist(), lambda _: SERVICE))
    for percent in (50.0, 95.0, 99.0, 100.0):
        assert stage.latency[percent] == pytest.approx(
            exact[math.ceil(percent / 100 * len(exact)) - 1], abs=1e-6
        )


def test_a_stall_counts_for_every_call_that_it_delayed() -> None:
    """A closed loop would send nothing meanwhile, and see one slow call."""
    found = run_on(
        SimulatedServer(lambda number: 2.0 if number == 500 else 0.001),
        100,
        "p95<100ms",
        pace=Pace(duration=20, warm_up=0, most_stages=1),
    )
    [stage] = found.stages
    moments = due(Arrivals.POISSON, 100, 20, 0).tolist()
    exact = waited(moments, lambda number: 2.0 if number == 499 else 0.001)  # the trial was the first call
    for percent in (50.0, 95.0, 99.0, 100.0):
        expected = np.sort(exact)[math.ceil(percent / 100 * len(exact)) - 1]
        assert stage.latency[percent] == pytest.approx(expected, abs=1e-5)
    assert stage.state is ObjectiveState.MISSED
    assert stage.latency[95.0] > 0.5


def test_a_rate_above_the_capacity_is_missed_even_if_the_latency_is_not_yet() -> None:
    found = run_on(
        SimulatedServer(SERVICE), 120, "p50<9s", up_to=1, pace=Pace(duration=30, within=100, most_stages=1)
    )
    assert found.verdict.outcome is Outcome.FAIL
    assert "calls arrive faster than they complete" in found.verdict.sentence


def test_a_pause_of_the_server_at_the_end_of_a_stage_is_not_a_growing_backlog() -> None:
    paused = SimulatedServer(lambda number: 0.4 if number == 200 else 0.001)
    found = run_on(paused, 250, "errors<1%", pace=Pace(duration=1, step=1, warm_up=0, most_stages=1))
    assert (found.verdict.outcome, found.stages[0].backlog_grows) == (Outcome.PASS, False)


def test_calls_that_the_generator_came_to_late_are_no_backlog_of_the_server() -> None:
    server = SimulatedServer(0.001)

    def request(number: int) -> bytes:
        if number & 0xFFFFFF == 800:
            asyncio.get_running_loop().spend(3.0)  # type: ignore[attr-defined]
        return b""

    pace = Pace(duration=10, step=10, warm_up=0, most_stages=1)
    found = run_on(server, 100, "errors<1%", pace=pace, request=request)
    assert (found.verdict.outcome, found.stages[0].backlog_grows) == (Outcome.PASS, False)


def test_below_the_agreed_rate_it_looks_for_what_is_held() -> None:
    found = run_on(SimulatedServer(SERVICE), 300, pace=Pace(duration=60, step=60))
    assert found.verdict.outcome is Outcome.FAIL
    assert found.verdict.sentence.startswith("acme/fraud/staging does not hold 300/s: p95 is ")
    assert found.verdict.holds is not None
    assert 70 < found.verdict.holds < 100


def test_too_few_connections_are_told() -> None:
    many = SimulatedServer(0.05, workers=1000)
    found = run_on(many, 60, pace=Pace(duration=30, step=30, most_connections=4))
    assert "first limit: connections: all 4" in found.verdict.sentence
    assert found.verdict.misses is not None
    assert found.verdict.misses < 4 / 0.05 * 1.1


def test_a_generator_that_is_too_slow_says_so_and_tells_nothing_of_the_server() -> None:
    def slow(_number: int) -> bytes:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.spend(0.02)
        return b""

    found = run_on(SimulatedServer(0.0001), 100, pace=Pace(duration=20), request=slow)
    assert found.verdict.outcome is Outcome.INCONCLUSIVE
    assert (
        "the limit was the load generator itself (it sent 1 % of the calls more than"
        in found.verdict.sentence
    )
    assert (found.verdict.holds, found.verdict.misses) == (None, None)


def test_a_server_that_refuses_and_asks_to_wait_is_left_alone_meanwhile() -> None:
    moments: list[float] = []

    def limited(number: int, _waited: float) -> Answer:
        now = asyncio.get_running_loop().time()
        moments.append(now)
        last_second = sum(at > now - 1 for at in moments[-200:])
        return Answer(429, retry_after=7.0) if last_second > 100 else Answer(200)

    found = run_on(
        SimulatedServer(0.001, answer=limited),
        80,
        "p95<1s,errors<1%",
        pace=Pace(duration=20, step=20, arrivals=Arrivals.CONSTANT),
    )
    assert found.verdict.outcome is Outcome.PASS
    assert "first limit: a rate limit: the model answered " in found.verdict.sentence
    assert max(np.diff(moments)) >= 7.0
    assert set(failures(found)) == {"HTTP 429"}


def test_a_stage_stops_when_most_calls_fail() -> None:
    def broken(number: int, _waited: float) -> Answer:
        return Answer(200) if number < 300 else Answer(500)

    found = run_on(SimulatedServer(0.001, answer=broken), 50, "errors<1%", pace=Pace(duration=600, step=600))
    assert found.verdict.outcome is Outcome.FAIL
    assert "of the calls of the last two seconds failed" in found.stages[0].stopped
    assert found.stages[0].calls < 700
    assert "errors: " in found.verdict.sentence
    assert "HTTP 500" in found.verdict.sentence


def test_an_interrupted_test_reports_what_it_has() -> None:
    def later(stage: object) -> None:
        asyncio.get_running_loop().call_later(3, signal.raise_signal, signal.SIGINT)

    found = run_on(SimulatedServer(0.001), 100, pace=Pace(duration=20, step=20), on_stage=later)
    assert found.interrupted
    assert [stage.stopped for stage in found.stages] == ["", "interrupted"]
    assert found.verdict.outcome is Outcome.PASS
    assert found.verdict.sentence.endswith("(interrupted)")


def test_few_calls_do_not_prove_a_small_share_of_failures() -> None:
    pace = Pace(duration=5, within=5)
    [stage] = run_on(SimulatedServer(0.001), 50, "errors<0.1%", up_to=1, pace=pace).stages
    assert stage.due >= 1001, "the stage is as long as it takes"


@settings(max_examples=examples(60), deadline=None)
@given(
    capacity=st.floats(0.01, 50_000),
    wanted=st.floats(0.01, 10_000),
    up_to=st.floats(1, 100),
)
def test_the_search_ends_around_the_capacity(capacity: float, wanted: float, up_to: float) -> None:
    tried: list[Tried] = []
    highest = wanted * up_to
    while (rate := next_rate(wanted, highest, tried, 60)) is not None:
        assert rate <= highest * (1 + 1e-9)
        tried.append(Tried(rate, ObjectiveState.HELD if rate <= capacity else ObjectiveState.MISSED))
        assert len(tried) < 40
    low, high = held(tried), missed(tried)
    assert low is None or low <= capacity
    assert high is None or high > capacity
    if low is not None and high is not None:
        assert high / low <= PRECISION * (1 + 1e-6)
    elif high is None:
        assert low == pytest.approx(highest)
    else:
        assert capacity < wanted / 12
