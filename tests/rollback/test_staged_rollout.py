"""From a staged rollout that fails its verdict to one order to roll it back."""

from pathlib import Path

import pytest

from monitor.rollback.rollback_metrics import RollbackMetrics
from monitor.rollouts import running
from monitor.rollouts.load_arms import ArmSettings
from monitor.rollouts.plan import HALF, parse_plan
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.store import alerts, rollouts
from monitor.store.rollbacks import RollbackState
from monitor.store.rollouts import RolloutState, RolloutStep
from tests.support.rollback_timeline import GOOD, STREAM, Timeline, shipped_rules, timeline
from tests.support.rollouts import Behaviour

WORSE = Behaviour(0.08, latency=40.0)
"""Fails eight times as often; while few are sent to it, no rule on the whole stream fires."""
ANSWERS = 1000


def last_step(line: Timeline) -> RolloutStep:
    with line.store.read() as connection:
        known = rollouts.latest(connection, STREAM)
    assert known is not None
    return known[1][-1]


def judge(line: Timeline, metrics: RollbackMetrics) -> None:
    """What the daemon's tick does: advance rollouts, measure what became of them, evaluate the shipped rules."""
    now = line.clock.now()
    running.advance(line.store, ArmSettings(60), now, lambda *_: "")
    measured = {(STREAM, OPEN): list(metrics.measure(now)[STREAM])}
    with line.store.write() as connection:
        before = alerts.load(connection)
        done = evaluate(shipped_rules(), Readings(measured), before, now, step=60)
        alerts.put(connection, [one for one in done.alerts if one.rule == "RolloutFailed"])


@pytest.mark.parametrize(("how", "orders"), [(WORSE, 1), (GOOD, 0)], ids=["worse", "good"])
def test_a_rollout_that_fails_its_verdict_is_rolled_back_once(
    tmp_path: Path, how: Behaviour, orders: int
) -> None:
    with timeline(tmp_path) as line:
        metrics = RollbackMetrics(line.store, {STREAM: line.settings})
        line.traffic["7"] = (ANSWERS, GOOD)
        line.live(600)
        with line.store.write() as connection:
            plan = parse_plan(HALF, 60)
            running.start(connection, STREAM, "8", "7", plan, who="ann", address="here", now=line.clock.now())
        for _ in range(30):
            sent = round(ANSWERS * last_step(line).share / 100)
            line.traffic["7"] = (ANSWERS - sent, GOOD)
            line.traffic["8"] = (sent, how)
            if line.platform.orders:
                del line.traffic["8"]  # the platform has taken it away
            line.live(60)
            judge(line, metrics)
        expected = RolloutState.FAILED if orders else RolloutState.RUNNING
        assert last_step(line).state is expected
        found = [(order.version, order.other, order.trigger) for order in line.platform.orders]
        assert found == [("8", "7", "RolloutFailed")] * orders
        assert [one.state for one in line.rows() if one.was_ordered] == [RollbackState.VERIFIED] * orders


def test_a_failed_rollout_is_told_for_an_hour_with_its_reason_though_nothing_rolls_back(
    tmp_path: Path,
) -> None:
    with timeline(tmp_path) as line:
        metrics = RollbackMetrics(line.store, {})
        assert metrics.measure(line.clock.now()) == {}
        line.live(300)
        with line.store.write() as connection:
            plan = parse_plan(HALF, 60)
            started = running.start(
                connection, STREAM, "8", "7", plan, who="ann", address="here", now=line.clock.now()
            )
            failed = RolloutStep(
                2, line.clock.now() + 60, RolloutState.FAILED, 0, 0.0, "version 8 is worse: 8% fail"
            )
            rollouts.add(connection, started, failed)

        def told(seconds: float) -> list[tuple[str, float | None, str, str]]:
            found = metrics.measure(failed.at + seconds).get(STREAM, ())
            return [(one.metric, one.value, one.label("version"), one.because) for one in found]

        assert told(10) == [("rollout_failed", 1.0, "8", failed.reason)]
        assert told(3599) == [("rollout_failed", 1.0, "8", failed.reason)]
        assert told(3606) == [("rollout_failed", 0.0, "8", failed.reason)], "so that the alert ends"
        assert told(7300) == []
