"""Rollback in the daemon: decides, carries orders out in a thread of its own, and verifies."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from monitor.clock import Clock
from monitor.config.units import DAY
from monitor.errors import StoreError
from monitor.maintenance.leader import LeaderLease
from monitor.records import Stream
from monitor.rollback import traffic
from monitor.rollback.comparison import LOOKBACK
from monitor.rollback.planner import Planner
from monitor.rollback.settings import RollbackSettings
from monitor.rollback.verification import CHECKING, VerificationCheck, verify
from monitor.rollback.worker import RollbackWorker
from monitor.rules.rule import RuleSet
from monitor.runtime.supervisor import SupervisedThread
from monitor.store import rollbacks
from monitor.store.db import Store
from monitor.store.rollbacks import Rollback

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
_OFF = RollbackSettings()


class RollbackGroup:
    """The parts of rollback. `settings` are those of all configured models."""

    def __init__(
        self,
        store: Store,
        settings: Mapping[Stream, RollbackSettings],
        rules: Callable[[], RuleSet],
        leader: LeaderLease,
        clock: Clock,
        base_seconds: int,
        stop_file: Path,
    ) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self._leader, self._base = leader, base_seconds
        switched_on = {stream: one for stream, one in settings.items() if one.mode != "off"}
        self.planner = Planner(store, switched_on, rules, leader, base_seconds, stop_file)
        self.worker = RollbackWorker(store, self.settings_of, clock, stop_file)
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._thread = SupervisedThread("roll-back", self._run, self._stopping, store.faults)

    def settings_of(self, stream: Stream) -> RollbackSettings:
        """The settings of a stream; off for one that is not configured."""
        return self._settings.get(stream, _OFF)

    def decide(self) -> None:
        """Decide on firing alerts."""
        if self.planner.step(self._clock.now()):
            self._wake.set()

    def verify(self) -> None:
        """Check the traffic of versions that are being rolled back."""
        now = self._clock.now()
        if not self._leader.is_held:
            return
        with self._store.read() as connection:
            waiting = [one for one in rollbacks.unfinished(connection) if _is_checked(one, now)]
        for one in waiting:
            with self._store.faults.isolate("rollback", f"verification of {one.id}"):
                self._verify(one, now)

    def _verify(self, before: Rollback, now: float) -> None:
        check = VerificationCheck(now, self._base, self.settings_of(before.stream).verify_within)
        with self._store.read() as connection:
            start = (before.sent_at or before.decided_at) - LOOKBACK
            figures = traffic.load(connection, before.stream, (), self._base, start, now)
        after = verify(before, figures, check)
        if after == before:
            return
        with self._leader.write() as connection:
            if connection is not None and rollbacks.change(connection, after, (before.state,)):
                fields = {"id": after.id, "stream": str(after.stream), "state": str(after.state)}
                log.warning("rollback", extra={**fields, "reason": after.detail})

    def start(self) -> None:
        """Start to carry out orders."""
        self._thread.start()

    def stop(self) -> None:
        """Start no further order, and wait for the one that is being carried out."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                while not self._stopping.is_set() and self.worker.step():
                    pass
            except StoreError as error:
                log.warning("rollback is waiting for the database: %s", error)
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()


def _is_checked(one: Rollback, now: float) -> bool:
    return one.is_real and one.kind == "rollback" and one.state in CHECKING and now - one.decided_at < DAY
