"""`kill -9` of the daemon in the middle of a staged rollout: the share never falls by itself, and the order is one.

In a thorough run also at each step between the verdict and the receipt, with an executor that hangs, and with two
daemons of which one is killed or frozen.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from monitor.maintenance.leader import NAME
from monitor.records import Action, State, Stream
from monitor.rollouts import running
from monitor.rollouts.plan import parse_plan
from monitor.store import alerts, api_keys, rollbacks, rollouts
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.store.leases import leases
from monitor.store.migrate import migrate
from monitor.store.outbox import outbox
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import RolloutState, RolloutStep
from tests.support.daemon import Daemon
from tests.support.postgresql import postgresql
from tests.support.rollouts import Behaviour, put_minute
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

STREAM = Stream("acme", "fraud")
GOOD, BAD = Behaviour(0.01), Behaviour(0.4)
PLAN = "5:1s,10:1s,25:1s,50:1s,100:10m"
SLOW = "echo rolled back >> {orders}; exec sleep 2"
HANGING = "echo $$$$ >> {orders}; exec sleep 600"
CONFIG = """
store: {{url: "{store}"}}
predictions: {{base_window: 1s}}
windows: {{lateness: 500ms, idle: 5s}}
evaluate: {{every: 250ms, takeover: 3s}}
clients:
  acme:
    models:
      fraud:
        rollback:
          mode: "on"
          executor: {{kind: command, argv: [/bin/sh, -c, "{command}"], timeout: {timeout}}}
"""


class Site:
    """Daemons that are killed, their store, and the orders that their platform received."""

    def __init__(
        self, folder: Path, command: str = SLOW, timeout: str = "30s", url: str = "", daemons: int = 1
    ) -> None:
        self.orders = folder / "orders"
        url = url or f"sqlite:///{folder}/watchkeeper.db"
        script = command.format(orders=self.orders)
        config = CONFIG.format(store=url, command=script, timeout=timeout)
        self.daemons = [Daemon(self._made(folder / str(number)), config) for number in range(daemons)]
        self.daemon = self.daemons[0]
        self.newest: tuple[Behaviour, int] = (GOOD, 0)
        self.store = Store(url)
        migrate(self.store)
        with self.store.write() as connection:
            self.key = api_keys.create(connection, KeyKind.PAGE, "acme", time.time())[1]
            self.ingest_key = api_keys.create(connection, KeyKind.INGEST, "acme", time.time())[1]

    @staticmethod
    def _made(folder: Path) -> Path:
        folder.mkdir()
        return folder

    def close(self) -> None:
        """End all daemons."""
        for daemon in self.daemons:
            daemon.kill()
        self.store.close()

    def begin(self, plan: str) -> None:
        """A rollout of version 8 that was started 40 seconds ago."""
        with self.store.write() as connection:
            began, stages = time.time() - 40, parse_plan(plan, 1)
            running.start(connection, STREAM, "8", "7", stages, who="ada", address="here", now=began)

    def is_failed(self) -> bool:
        """The verdict is stored."""
        return self.steps()[-1].state is RolloutState.FAILED

    def has_come_to(self, state: RollbackState) -> bool:
        """The order is in this state."""
        return any(one.state is state for one in self.ordered())

    def has_left(self) -> bool:
        """The platform has taken the version away: only the one before answers, and the order is verified by it."""
        record = {"client": "acme", "model": "fraud", "version": "7", "prediction": "ok"}
        key = f"Bearer {self.ingest_key}"
        answer = self.daemon.post("/v1/predictions", [record] * 50, Authorization=key)
        assert answer.status_code == 202, answer.text
        return self.has_come_to(RollbackState.VERIFIED)

    def orders_in_outbox(self) -> int:
        """All that were ever made."""
        with self.store.read() as connection:
            query = outbox.select().where(outbox.c.action == Action.ROLLBACK.value)
            return len(connection.execute(query).all())

    def judge(self) -> int:
        """The process that decides."""
        with self.store.read() as connection:
            holder = connection.scalar(select(leases.c.holder).where(leases.c.name == NAME))
        return int(holder.split("/")[1]) if holder else 0

    def is_paged(self) -> bool:
        """Somebody is told that the rollback has failed."""
        with self.store.read() as connection:
            known = alerts.load(connection).values()
        return any(one.rule == "RollbackFailed" and one.state is State.FIRING for one in known)

    def traffic(self, canary: Behaviour, seconds: int) -> None:
        """Both versions have answered a hundred times a second until now, as the daemon has counted it."""
        random, now = np.random.default_rng(3), int(time.time())
        behaved, until_then = self.newest
        first = max(now - seconds, until_then if canary is behaved else 0)
        for start in range(first, now):
            put_minute(self.store, STREAM, start, {"7": (100, GOOD), "8": (100, canary)}, random, seconds=1)
        self.newest = (canary, now)

    def share(self) -> float:
        """What the switch is told."""
        answer = self.daemon.get("/v1/rollouts/acme/fraud/step", Authorization=f"Bearer {self.key}")
        assert answer.status_code == 200, answer.text
        return float(answer.json()["share"])

    def rises(self, told: list[float], before: float) -> bool:
        """Ask for the share while the traffic goes on, and keep what was told."""
        self.traffic(GOOD, 60)
        told.append(self.share())
        return told[-1] > before

    def is_ordered_under(self, canary: Behaviour) -> bool:
        """The order has reached the platform, while the traffic goes on."""
        self.traffic(canary, 20)
        return self.orders.exists()

    def steps(self) -> tuple[RolloutStep, ...]:
        with self.store.read() as connection:
            known = rollouts.latest(connection, STREAM)
        assert known is not None
        return known[1]

    def ordered(self) -> list[Rollback]:
        with self.store.read() as connection:
            return [one for one in rollbacks.of_stream(connection, STREAM) if one.was_ordered]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def test_a_rollout_survives_kill_9_at_each_step_and_ends_in_one_order(site: Site) -> None:
    site.traffic(GOOD, 60)
    site.begin(PLAN)
    told = [5.0]
    while told[-1] < 100.0:
        site.daemon.start()
        until(partial(site.rises, told, told[-1]), "the next step")
        site.daemon.kill()
    assert told == sorted(told), "no switch was ever told a smaller share"
    steps = site.steps()
    assert [step.share for step in steps] == [5, 10, 25, 50, 100], "each step once, and none left out"
    assert [step.number for step in steps] == [1, 2, 3, 4, 5]

    site.traffic(BAD, 20)
    site.daemon.start()
    until(partial(site.is_ordered_under, BAD), "the order reaches the platform")
    site.daemon.kill()  # while the platform is at work: nobody knows whether it will succeed
    [sent] = site.ordered()
    assert (sent.version, sent.other, sent.state) == ("8", "7", RollbackState.SENT)
    site.daemon.start()
    until(site.has_left, "the traffic proves the order")
    assert site.share() == 0.0
    assert site.orders.read_text() == "rolled back\n"
    assert [one.id for one in site.ordered()] == [sent.id]
    failed = site.steps()[-1]
    assert (failed.state, failed.number) == (RolloutState.FAILED, 6)
    assert site.orders_in_outbox() == 1


thorough = pytest.mark.skipif(not THOROUGH, reason="thorough runs only")
MOMENTS: dict[str, Callable[[Site], bool]] = {
    "the verdict is stored": Site.is_failed,
    "the order is stored": lambda site: bool(site.ordered()),
    "the order is marked as sent": lambda site: site.has_come_to(RollbackState.SENT),
    "the platform has it": lambda site: site.orders.exists(),
    "the receipt is stored": lambda site: site.has_come_to(RollbackState.CONFIRMED),
}


@thorough
@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_9_at_each_step_between_the_verdict_and_the_receipt_gives_one_order(
    site: Site, moment: str
) -> None:
    site.traffic(BAD, 60)
    site.begin("50:10m,100:10m")
    site.daemon.start()
    until(partial(MOMENTS[moment], site), moment)
    site.daemon.kill()
    site.daemon.start()
    until(lambda: bool(site.ordered()), "it is decided")
    until(site.has_left, "the traffic proves the order")
    taken = site.orders.read_text().splitlines() if site.orders.exists() else []
    assert len(taken) <= 1
    assert [step.state for step in site.steps()] == [RolloutState.RUNNING, RolloutState.FAILED]
    assert (len(site.ordered()), site.orders_in_outbox()) == (1, 1)


@thorough
def test_a_command_that_hangs_is_killed_and_told_and_not_repeated(tmp_path: Path) -> None:
    with ExitStack() as ends:
        site = Site(tmp_path, HANGING, "1s")
        ends.callback(site.close)
        site.traffic(BAD, 60)
        site.begin("50:10m,100:10m")
        site.daemon.start()
        until(lambda: site.has_come_to(RollbackState.FAILED), "the deadline is over")
        [failed] = site.ordered()
        assert "it is not known whether it was carried out" in failed.detail
        [process] = site.orders.read_text().split()
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)
        until(site.is_paged, "the on-call engineer is paged")
        assert site.daemon.get("/healthz").status_code == 200
        assert site.orders_in_outbox() == 1


@thorough
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_of_two_daemons_one_gives_the_order_though_the_other_is_killed_or_frozen(
    tmp_path: Path, moment: str, how: signal.Signals
) -> None:
    with postgresql() as server, ExitStack() as ends:
        site = Site(tmp_path, url=server.url, daemons=2)
        ends.callback(site.close)
        site.traffic(BAD, 60)
        site.begin("50:10m,100:10m")
        for daemon in site.daemons:
            daemon.start()
        until(partial(MOMENTS[moment], site), moment)
        judge = until(site.judge, "one of them decides")
        [site.daemon] = [one for one in site.daemons if one.pid != judge]
        os.kill(judge, how)
        until(lambda: bool(site.ordered()), "it is decided")
        until(site.has_left, "the traffic proves the order")
        if how is signal.SIGSTOP:
            os.kill(judge, signal.SIGCONT)
            until(lambda: all(one.get("/healthz").status_code == 200 for one in site.daemons), "it is awake")
        assert len(site.orders.read_text().splitlines() if site.orders.exists() else []) <= 1
        assert [step.state for step in site.steps()] == [RolloutState.RUNNING, RolloutState.FAILED]
        assert (len(site.ordered()), site.orders_in_outbox()) == (1, 1)
