"""Once: whatever dies between the decision and the receipt, and however many daemons there are."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from monitor.rollback.worker import NO_RECEIPT
from monitor.store import outbox
from monitor.store.db import Store
from monitor.store.rollbacks import RollbackState
from tests.support.killing import KilledError
from tests.support.postgresql import postgresql
from tests.support.rollback_timeline import COMMAND, Timeline, timeline

LEASES_END = 330.0


def dies(line: Timeline, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die at a step of the next order."""

    def dead(*_: Any, **__: Any) -> None:
        raise KilledError

    worker = line.group.worker
    if step == "decided":
        monkeypatch.setattr(worker, "_claim", dead)
    elif step == "claimed":  # the row says that it is being sent
        monkeypatch.setattr(worker, "_carry_out", dead)
    elif step == "taken":  # the platform has obeyed
        line.platform.fails = [KilledError()]
    elif step == "settling":  # within the transaction of the receipt
        monkeypatch.setattr(outbox, "add_receipt", dead)


KINDS: dict[str, dict[str, Any]] = {"command": {"executor": COMMAND}, "webhook": {}}


@pytest.mark.parametrize("step", ["decided", "claimed", "taken", "settling"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_death_at_any_step_gives_one_rollback(
    tmp_path: Path, kind: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with timeline(tmp_path, **KINDS[kind]) as line:
        line.bad_canary()
        line.live(60, works=False)
        dies(line, step, monkeypatch)
        with pytest.raises(KilledError):
            line.step()
        monkeypatch.undo()
        line.group = line.daemon()
        line.live(120)
        line.clock.advance(LEASES_END - 120)
        line.live(300)
        taken = [order.id for order in line.platform.orders]
        assert len(set(taken)) <= 1
        repeats = {"taken": 2, "settling": 2}.get(step, 1) if kind == "webhook" else 1
        assert len(taken) <= repeats
        row = line.row()
        if (kind, step) == ("command", "claimed"):
            # Nobody knows whether a command has run: the traffic tells that it has not.
            assert row.state is RollbackState.FAILED
            assert NO_RECEIPT in row.detail or row.detail.startswith("version 8 still has")
        else:
            assert row.state is RollbackState.VERIFIED
            assert taken


@pytest.mark.parametrize("kill_at", ["called", "taken"])
def test_a_process_that_is_killed_has_given_its_order_at_most_once(tmp_path: Path, kill_at: str) -> None:
    with timeline(tmp_path, executor=COMMAND) as line:
        line.bad_canary()
        line.live(60, works=False)
        url = line.store.url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", "tests.support.rollback_process", url, str(tmp_path), kill_at]
        done = subprocess.run([*command, str(line.clock.now()), "command"], check=False)
        assert done.returncode == -9
        assert line.row().state is RollbackState.SENT
        line.clock.advance(LEASES_END)
        line.live(60)
        assert line.platform.orders == []  # this process did not give it again
        given = (tmp_path / "orders").read_text().split() if (tmp_path / "orders").exists() else []
        assert len(given) == (kill_at == "taken")
        assert NO_RECEIPT in line.row().detail


def race(line: Timeline, stores: list[Store]) -> None:
    """Several daemons decide and work at the same time."""
    groups = [line.daemon(store) for store in stores]

    def work(group: Any) -> None:
        for _ in range(5):
            group.decide()
            while group.worker.step():
                pass

    with ThreadPoolExecutor(len(groups)) as threads:
        list(threads.map(work, groups))


def test_two_daemons_on_one_file_give_one_order(tmp_path: Path) -> None:
    with timeline(tmp_path, executor=COMMAND) as line:
        line.bad_canary()
        line.live(60, works=False)
        others = [Store(line.store.url.render_as_string(hide_password=False)) for _ in range(2)]
        race(line, others)
        assert len(line.platform.orders) == 1
        for store in others:
            store.close()


def test_two_daemons_on_postgresql_give_one_order(tmp_path: Path) -> None:
    with postgresql() as server, timeline(tmp_path, server.url, executor=COMMAND) as line:
        line.bad_canary()
        assert line.group._leader.acquire(line.clock.now())
        line.live(60, works=False)
        assert line.row().state is RollbackState.DECIDED
        others = [Store(server.url) for _ in range(3)]
        race(line, others)
        assert len(line.platform.orders) == 1
        line.live(180)
        assert line.row().state is RollbackState.VERIFIED
        for store in others:
            store.close()


def test_a_process_that_is_not_the_leader_decides_nothing(tmp_path: Path) -> None:
    with postgresql() as server, timeline(tmp_path, server.url) as line:
        line.bad_canary()
        line.live(60)
        assert line.rows() == []
