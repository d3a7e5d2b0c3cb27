"""The outbox to the channels: a lane for each, in a thread of its own or step by step."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from monitor.clock import Clock
from monitor.errors import StoreError
from monitor.notify.alertmanager import Alertmanager
from monitor.notify.channel import Channel
from monitor.notify.emergency import Emergency
from monitor.notify.lane import Lane
from monitor.notify.resend import Resender
from monitor.store import outbox
from monitor.store.db import Store

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How often a lane looks when nobody wakes it."""


class Dispatcher:
    """Delivers what the outbox holds."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        clock: Clock,
        lease_seconds: float = 30.0,
        spool: str = "",
    ) -> None:
        self._store, self._clock = store, clock
        self.lanes: list[Lane | Resender | Emergency] = [
            Lane(store, channel, clock, lease_seconds) for channel in channels.values()
        ]
        for channel in channels.values():
            if isinstance(channel, Alertmanager):
                self.lanes.append(Resender(store, channel, clock))
        self.emergency = Emergency(store, channels, clock, Path(spool)) if spool and channels else None
        self.lanes += [self.emergency] if self.emergency else []
        self._wakes = [threading.Event() for _ in self.lanes]
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def step(self) -> bool:
        """One step of every lane, in this thread; whether any found work."""
        worked = [lane.step() for lane in self.lanes]
        return any(worked)

    def next_due(self) -> float | None:
        """When the next delivery is due, or None where nothing waits."""
        with self._store.read() as connection:
            return outbox.next_due(connection)

    def start(self) -> None:
        """Work from now on, a thread for each channel."""
        for lane, wake in zip(self.lanes, self._wakes, strict=True):
            name = f"deliver-{lane.channel.name}"
            thread = threading.Thread(target=self._run, args=(lane, wake), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def wake(self) -> None:
        """Look at once: something was put in."""
        for wake in self._wakes:
            wake.set()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish the attempts that are under way, and stop."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(timeout)
        for lane in self.lanes:
            lane.channel.close()

    def is_alive(self) -> bool:
        """Whether every lane that was started still runs."""
        return all(thread.is_alive() for thread in self._threads)

    def _run(self, lane: Lane | Resender | Emergency, wake: threading.Event) -> None:
        while not self._stopping.is_set():
            try:
                while not self._stopping.is_set() and lane.step():
                    pass
            except StoreError as error:
                log.warning("%s waits: %s", lane.channel.name, error)
            wake.wait(POLL_SECONDS)
            wake.clear()
