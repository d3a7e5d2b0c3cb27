"""`kill -9` of the daemon in the middle of a staged rollout: the share never falls by itself, and the order is one."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from monitor.records import Action, Stream
from monitor.rollouts import running
from monitor.rollouts.plan import parse_plan
from monitor.store import api_keys, rollbacks, rollouts
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.outbox import outbox
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import RolloutState, Step
from tests.support.daemon import Daemon
from tests.support.rollouts import Behaviour, put_minute
from tests.support.waiting import until

STREAM = Stream("acme", "fraud")
GOOD, BAD = Behaviour(0.01), Behaviour(0.4)
PLAN = "5:1s,10:1s,25:1s,50:1s,100:10m"
CONFIG = """
predictions: {{base_window: 1s}}
windows: {{lateness: 500ms, idle: 5s}}
evaluate: {{every: 250ms}}
clients:
  acme:
    models:
      fraud:
        rollback:
          mode: "on"
          executor: {{kind: command, argv: [/bin/sh, -c, "echo rolled back >> {orders}; exec sleep 2"]}}
"""


class Site:
    """A daemon that is killed, its store, and the orders that its platform received."""

    def __init__(self, folder: Path) -> None:
        self.orders = folder / "orders"
        self.daemon = Daemon(folder, CONFIG.format(orders=self.orders))
        self.store = Store(self.daemon.store_url)
        migrate(self.store)
        with self.store.write() as connection:
            self.key = api_keys.create(connection, KeyKind.PAGE, "acme", time.time())[1]
            self.ingest_key = api_keys.create(connection, KeyKind.INGEST, "acme", time.time())[1]

    def traffic(self, canary: Behaviour, seconds: int) -> None:
        """Both versions have answered a hundred times a second until now, as the daemon has counted it."""
        random, now = np.random.default_rng(3), int(time.time())
        for start in range(now - seconds, now):
            put_minute(self.store, STREAM, start, {"7": (100, GOOD), "8": (100, canary)}, random, seconds=1)

    def share(self) -> float:
        """What the switch is told."""
        answer = self.daemon.get("/v1/rollouts/acme/fraud/step", Authorization=f"Bearer {self.key}")
        assert answer.status_code == 200, answer.text
        return float(answer.json()["share"])

    def rises(self, told: list[float], before: float) -> bool:
        """Ask for the share, and keep what was told."""
        told.append(self.share())
        return told[-1] > before

    def steps(self) -> tuple[Step, ...]:
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
    made.daemon.kill()
    made.store.close()


def test_a_rollout_survives_kill_9_at_each_step_and_ends_in_one_order(site: Site) -> None:
    site.traffic(GOOD, 60)
    with site.store.write() as connection:
        began = time.time() - 40
        plan = parse_plan(PLAN, 1)
        running.start(connection, STREAM, "8", "7", plan, who="ada", address="here", now=began)
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
    until(site.orders.exists, "the order reaches the platform")
    site.daemon.kill()  # while the platform is at work: nobody knows whether it will succeed
    [sent] = site.ordered()
    assert (sent.version, sent.other, sent.state) == ("8", "7", RollbackState.SENT)
    site.daemon.start()
    record = {"client": "acme", "model": "fraud", "version": "7", "prediction": "ok"}

    def has_left() -> bool:
        """The platform has taken the version away: only the one before answers, and the order is verified by it."""
        key = f"Bearer {site.ingest_key}"
        answer = site.daemon.post("/v1/predictions", [record] * 50, Authorization=key)
        assert answer.status_code == 202, answer.text
        return site.ordered()[0].state is RollbackState.VERIFIED

    until(has_left, "the traffic proves the order")
    assert site.share() == 0.0
    assert site.orders.read_text() == "rolled back\n"
    assert [one.id for one in site.ordered()] == [sent.id]
    failed = site.steps()[-1]
    assert (failed.state, failed.number) == (RolloutState.FAILED, 6)
    with site.store.read() as connection:
        rows = connection.execute(outbox.select().where(outbox.c.action == Action.ROLLBACK.value)).all()
    assert len(rows) == 1
