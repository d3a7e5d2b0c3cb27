"""A store that time passes in: versions answer, alerts fire, and a platform obeys its orders or does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.config.rule_files import rules_of
from monitor.maintenance.leader import LeaderLease
from monitor.records import Alert, Severity, State, Stream, fingerprint
from monitor.rollback.executors.executor import Executor, ExecutorError, ExecutorSettings
from monitor.rollback.group import RollbackGroup
from monitor.rollback.order import Order
from monitor.rollback.settings import RollbackSettings
from monitor.rules.rule import RuleSet
from monitor.store import alerts, rollbacks
from monitor.store.db import Store
from monitor.store.rollbacks import Rollback
from tests.support import schema
from tests.support.rollouts import Behaviour, put_minute

STREAM = Stream("acme", "fraud")
START = 1_795_420_800.0
STEP = 30
WEBHOOK = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "whsec_" + "QUJD" * 12}
COMMAND = {"kind": "command", "argv": ["roll-back", "{version}"]}
GOOD, FAILING, SLOW = (
    Behaviour(0.01, latency=40.0),
    Behaviour(0.4, latency=40.0),
    Behaviour(0.01, latency=400.0),
)


@cache
def shipped_rules() -> RuleSet:
    """The rules of a configuration that names none."""
    return rules_of(Config())


@dataclass
class Platform:
    """What an executor reaches: keeps its orders, and moves the traffic if it obeys."""

    traffic: dict[str, tuple[int, Behaviour]]
    obeys: bool = True
    orders: list[Order] = field(default_factory=list)
    fails: list[BaseException] = field(default_factory=list)
    seconds = 5.0

    def execute(self, order: Order) -> str:
        """Take the order."""
        self.orders.append(order)
        if self.fails and isinstance(self.fails[0], Exception):
            raise self.fails.pop(0)
        if self.obeys and order.kind == "rollback" and order.version in self.traffic:
            n, _ = self.traffic.pop(order.version)
            answers, how = self.traffic[order.other]
            self.traffic[order.other] = (answers + n, how)
        if self.fails:
            raise self.fails.pop(0)
        return "done"

    def make(self, _: ExecutorSettings) -> Executor:
        """Itself, in the place of any executor."""
        return self


class Timeline:
    """Rollback of acme/fraud over a store. `traffic` are the answers a minute of each version, and how it answers."""

    def __init__(self, store: Store, folder: Path, clock: ManualClock, **rollback: Any) -> None:
        self.store, self.folder, self.clock = store, folder, clock
        self.platform = Platform({"7": (240, GOOD)})
        self.settings = RollbackSettings.model_validate({"mode": "on", "executor": WEBHOOK} | rollback)
        self.group = self.daemon()
        self._random = np.random.default_rng(1)

    @property
    def traffic(self) -> dict[str, tuple[int, Behaviour]]:
        """Who answers."""
        return self.platform.traffic

    def daemon(self, store: Store | None = None) -> RollbackGroup:
        """A daemon's rollback on this store."""
        used = store or self.store
        group = RollbackGroup(
            used,
            {STREAM: self.settings},
            shipped_rules,
            LeaderLease(used),
            self.clock,
            60,
            self.folder / "stop",
        )
        group.worker._make = self.platform.make
        return group

    def live(self, seconds: float, *, works: bool = True) -> None:
        """Predictions come in, and everything that is due is done; with `works` false, no order is carried out."""
        for _ in range(int(seconds // STEP)):
            now = self.clock.advance(STEP) or self.clock.now()
            if now % 60 == 0:
                put_minute(self.store, STREAM, int(now) - 60, self.traffic, self._random)
            self._alert()
            self.step(works=works)

    def step(self, *, works: bool = True) -> None:
        """Do everything that is due."""
        self.group.decide()
        while works and self.group.worker.step():
            pass
        self.group.verify()

    def _alert(self) -> None:
        """What the rules say of the whole stream, which has no versions."""
        total = sum(n for n, _ in self.traffic.values()) or 1
        failing = sum(n * how.failing for n, how in self.traffic.values()) / total
        slow = sum(n for n, how in self.traffic.values() if (how.latency or 0) > 100) / total
        self._put("HighErrorRate", "error_rate", failing > 0.05, failing, 0.05, "share")
        self._put("HighLatency", "latency_p95", slow > 0.05, 0.4, 0.2, "seconds")

    def _put(self, rule: str, metric: str, fires: bool, value: float, limit: float, unit: str) -> None:
        identity, now = fingerprint(rule, STREAM), self.clock.now()
        with self.store.write() as connection:
            before = alerts.load(connection).get(identity)
            is_open = before is not None and before.state is State.FIRING
            if fires != is_open:
                state = State.FIRING if fires else State.RESOLVED
                made = Alert(
                    identity, rule, Severity.CRITICAL, STREAM, state=state, metric=metric, value=value, limit=limit,
                    unit=unit, active_since=now, fired_at=now, reason=f"{metric} is {value:.3g}",
                )  # fmt: skip
                alerts.put(connection, [made])

    def bad_canary(self, how: Behaviour = FAILING, version: str = "8") -> None:
        """A calm time with version 7, then a canary that is bad from its first minute."""
        self.live(300)
        self.traffic["7"] = (180, GOOD)
        self.traffic[version] = (120, how)

    def rows(self) -> list[Rollback]:
        """The stored decisions, newest first."""
        with self.store.read() as connection:
            return rollbacks.of_stream(connection, STREAM)

    def row(self) -> Rollback:
        """The only decision that led to an order."""
        ordered = [one for one in self.rows() if one.was_ordered]
        assert len(ordered) == 1, ordered
        return ordered[0]


@contextmanager
def timeline(folder: Path, url: str = "", **rollback: Any) -> Iterator[Timeline]:
    """Rollback of acme/fraud over a new store."""
    store = Store(url or f"sqlite:///{folder}/a.db")
    schema.create(store)
    try:
        yield Timeline(store, folder, ManualClock(START), **rollback)
    finally:
        store.close()


def unclear(times: int = 1) -> list[BaseException]:
    """Attempts whose outcome is not known."""
    return [ExecutorError("HTTP 500", is_certain=False) for _ in range(times)]
