"""From figures of two versions to an order, and to the proof that the traffic has gone."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.rollback.executors.executor import ExecutorError
from monitor.store import audit, releases, rollback_stops
from monitor.store.releases import Release
from monitor.store.rollback_stops import RollbackStop
from monitor.store.rollbacks import RollbackState
from tests.support.rollback_timeline import COMMAND, FAILING, GOOD, SLOW, STREAM, timeline, unclear
from tests.support.rollouts import Behaviour
from tests.support.thorough import thinned


def test_a_bad_version_is_rolled_back_once_and_its_traffic_is_seen_to_go(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary()
        line.live(90)
        [order] = line.platform.orders
        assert (order.version, order.other, order.trigger) == ("8", "7", "HighErrorRate")
        assert line.row().state is RollbackState.CONFIRMED
        assert line.row().share_before == pytest.approx(0.4)
        line.live(210)
        done = line.row()
        assert (done.state, done.share_after) == (RollbackState.VERIFIED, 0.0)
        assert done.detail == "done; version 8 has 0.0% of the traffic, 40.0% before"
        with line.store.read() as connection:
            [entry] = audit.latest(connection)
        assert (entry.who, entry.client) == ("rule HighErrorRate", "acme")
        assert entry.target.startswith("rollback of version 8 acme/fraud/production, on: 3")
        line.traffic["8"] = (120, FAILING)  # somebody deploys it again
        line.live(3600)
        assert len(line.platform.orders) == 1


def test_a_slow_version_is_rolled_back(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary(SLOW)
        line.live(240)
        assert [order.trigger for order in line.platform.orders] == ["HighLatency"]
        assert line.row().reason.startswith("latency_p95 of version 8 is ")


def test_a_version_that_is_slow_and_fails_gets_one_order(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary(Behaviour(0.4, latency=400.0))
        line.live(300)
        assert len(line.platform.orders) == 1


@pytest.mark.parametrize("how", [FAILING, SLOW], ids=["fails", "slow"])
def test_a_shared_cause_rolls_nothing_back(tmp_path: Path, how: Behaviour) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary(how)
        line.traffic["7"] = (180, how)
        line.live(900)
        assert line.platform.orders == []
        [held] = [one for one in line.rows() if one.version == "8"]
        assert held.state is RollbackState.WITHHELD
        assert held.reason.startswith("not the new version's fault: ")


def test_after_a_switch_of_all_traffic_a_young_version_is_rolled_back(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.live(600)
        line.traffic["8"] = (240, FAILING)
        line.traffic["7"] = (0, GOOD)
        line.live(180)
        assert [order.version for order in line.platform.orders] == ["8"]
        assert "in its last minutes" in line.row().reason


@pytest.mark.parametrize("how", [FAILING, SLOW], ids=["fails", "slow"])
def test_a_switch_in_the_middle_of_a_minute_delays_nothing(tmp_path: Path, how: Behaviour) -> None:
    with timeline(tmp_path) as line:
        line.live(600)
        line.traffic.update({"7": (120, GOOD), "8": (120, how)})
        line.live(60)
        line.traffic.update({"7": (0, GOOD), "8": (240, how)})
        line.live(180)
        assert [order.version for order in line.platform.orders] == ["8"]


HEALTHY = [
    (seed, failing, n) for seed, (failing, n) in enumerate(product((0.0, 0.002, 0.01, 0.04), (24, 60, 240)))
]
"""Twelve streams: their shares of errors, and answers a minute. Each lives twice, with other chances."""
DAYS = [(seed + 12 * again, failing, n) for again in (0, 1) for seed, failing, n in HEALTHY]


@pytest.mark.parametrize(("seed", "failing", "n"), thinned(DAYS[8:] + DAYS[:8], 24))
def test_a_day_of_a_healthy_stream_and_its_rollouts_does_nothing(
    tmp_path: Path, seed: int, failing: float, n: int
) -> None:
    """Its usual errors, a new version every two hours; and one hour in which 10 % of both fail."""
    usual = Behaviour(failing, latency=40.0)
    with timeline(tmp_path) as line:
        line._random = np.random.default_rng(seed)
        line.traffic["7"] = (n, usual)
        for number in range(8, 20):
            line.traffic[str(number)] = (n // 10, usual)
            line.live(600)
            if number == 12:
                bad = Behaviour(0.1, latency=40.0)
                line.traffic.update({name: (answers, bad) for name, (answers, _) in line.traffic.items()})
                line.live(3600)
                line.traffic.update({name: (answers, usual) for name, (answers, _) in line.traffic.items()})
            line.traffic.pop(str(number - 1))
            line.traffic[str(number)] = (n, usual)
            line.live(600)
        assert line.platform.orders == []
        assert not any(one.was_ordered for one in line.rows())


def test_a_dry_run_says_what_it_would_do_once(tmp_path: Path) -> None:
    with timeline(tmp_path, mode="dry-run", executor=COMMAND) as line:
        line.bad_canary()
        line.live(900)
        done = line.row()
        assert (done.state, done.mode, line.platform.orders) == (RollbackState.CONFIRMED, "dry-run", [])
        assert done.detail == "dry run: it would run roll-back 8"


def test_off_decides_nothing(tmp_path: Path) -> None:
    with timeline(tmp_path, mode="off") as line:
        line.bad_canary()
        line.live(240)
        assert line.rows() == []


def test_a_platform_that_says_yes_and_does_nothing_is_found_out(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.platform.obeys = False
        line.bad_canary()
        line.live(330)
        assert line.row().state is RollbackState.CONFIRMED
        line.live(120)
        failed = line.row()
        assert failed.state is RollbackState.FAILED
        assert (
            failed.detail
            == "done; version 8 still has 40.0% of the traffic 5m after the order (40.0% before)"
        )
        line.traffic.pop("8")  # somebody does it by hand
        line.live(240)
        assert line.row().state is RollbackState.VERIFIED
        assert len(line.platform.orders) == 1


def test_a_stream_that_falls_silent_is_not_verified(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.platform.obeys = False
        line.bad_canary()
        line.live(60)
        line.traffic.clear()
        line.live(420)
        assert line.row().state is RollbackState.FAILED
        assert "no answers of any version" in line.row().detail


@pytest.mark.parametrize("by", ["configuration", "release"])
def test_a_migration_is_frozen(tmp_path: Path, by: str) -> None:
    with timeline(tmp_path, migration=["8"] if by == "configuration" else []) as line:
        if by == "release":
            with line.store.write() as connection:
                release = Release(
                    STREAM, "8", "d" * 64, line.clock.now(), line.clock.now(), flags=("migration",)
                )
                releases.add(connection, release)
        line.bad_canary()
        line.live(240)
        assert [order.kind for order in line.platform.orders] == ["freeze"]
        assert line.row().state is RollbackState.VERIFIED


@pytest.mark.parametrize("how", ["file", "stop"])
def test_the_kill_switch_holds_decisions_until_it_is_taken_back(tmp_path: Path, how: str) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary()
        if how == "file":
            (tmp_path / "stop").touch()
        else:
            with line.store.write() as connection:
                rollback_stops.add(connection, RollbackStop(None, line.clock.now(), "Ann", "a\nb"))
        line.live(240)
        assert line.platform.orders == []
        assert "stopped by" in line.rows()[0].reason
        (tmp_path / "stop").unlink(missing_ok=True)
        with line.store.write() as connection:
            rollback_stops.resume(connection, None, line.clock.now(), "Ann")
        line.live(30)
        assert len(line.platform.orders) == 1


def test_the_kill_switch_stops_an_order_that_waits(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary()
        line.live(120, works=False)
        assert line.row().state is RollbackState.DECIDED
        with line.store.write() as connection:
            rollback_stops.add(connection, RollbackStop(STREAM, line.clock.now(), "Ann", ""))
        line.live(30)
        assert (line.platform.orders, line.row().state) == ([], RollbackState.FAILED)


def test_an_order_expires(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary()
        line.live(480, works=False)
        line.live(30)
        assert line.platform.orders == []
        assert "expired" in line.row().detail


def test_a_version_that_has_gone_meanwhile_is_not_rolled_back(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary()
        line.live(90, works=False)
        line.traffic.pop("8")
        line.live(270, works=False)
        assert line.row().state is RollbackState.DECIDED
        line.live(30)
        assert line.platform.orders == []
        assert line.row().state is RollbackState.VERIFIED
        assert "has not answered for" in line.row().detail


def test_a_newer_version_is_not_rolled_back_in_its_place(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary()
        line.live(90, works=False)
        line.traffic["9"] = (60, GOOD)
        line.live(60, works=False)
        line.live(30)
        assert line.platform.orders == []
        assert "is not the newest" in line.row().detail


def test_an_executor_that_repeats_safely_is_called_again_after_an_unclear_attempt(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.platform.fails = unclear(2)
        line.bad_canary()
        line.live(420)
        assert len({order.id for order in line.platform.orders}) == 1
        assert len(line.platform.orders) == 3
        assert line.row().state is RollbackState.VERIFIED


def test_attempts_end(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.platform.fails = unclear(20)
        line.bad_canary()
        line.live(900)
        assert len(line.platform.orders) == 4
        assert line.row().state is RollbackState.FAILED


REFUSALS: dict[str, tuple[dict[str, Any], bool]] = {
    "a command hangs": ({"executor": COMMAND}, False),
    "a command is refused": ({"executor": COMMAND}, True),
    "a webhook refuses": ({}, True),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_other_failures_are_told_at_once(tmp_path: Path, name: str) -> None:
    section, is_certain = REFUSALS[name]
    with timeline(tmp_path, **section) as line:
        line.platform.fails = [ExecutorError("no\r\nanswer", is_certain=is_certain) for _ in range(5)]
        line.bad_canary()
        line.live(120)
        assert len(line.platform.orders) == 1
        failed = line.row()
        assert failed.state is RollbackState.FAILED
        assert failed.detail.startswith("no answer")
        assert ("not known" in failed.detail) is not is_certain


def test_a_bug_in_an_executor_fails_its_order_and_nothing_else(tmp_path: Path) -> None:
    with timeline(tmp_path, executor=COMMAND) as line:
        line.platform.fails = [ZeroDivisionError("oh")]
        line.bad_canary()
        line.live(120)
        assert line.row().state is RollbackState.FAILED
        assert "ZeroDivisionError" in line.row().detail


def test_hostile_names_of_versions_are_decided_on_as_well(tmp_path: Path) -> None:
    name = "\u202e8'\"\u2028{{7*7}}\x07" + "x" * 300
    with timeline(tmp_path) as line:
        line.bad_canary(version=name)
        line.live(300)
        assert [order.version for order in line.platform.orders] == [name]
        done = line.row()
        assert done.state is RollbackState.VERIFIED
        assert (done.reason + done.detail).isprintable()
