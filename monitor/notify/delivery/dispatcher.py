"""The dispatcher: one worker per channel sends the outbox, in threads or step by step."""

import logging
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from monitor.clock import Clock
from monitor.errors import StoreError
from monitor.notify.channel import Channel
from monitor.notify.channels.alertmanager import Alertmanager
from monitor.notify.delivery.alertmanager_resend import Resender
from monitor.notify.delivery.worker import ChannelWorker
from monitor.runtime.supervisor import SupervisedThread
from monitor.store import outbox
from monitor.store.db import Store

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Interval at which an idle worker checks the outbox."""


class DeliveryWork(Protocol):
    """Work that a thread of its own does step by step."""

    @property
    def channel(self) -> Channel:
        """The channel after which the thread is named, and which is closed at the end."""
        ...

    def step(self) -> bool:
        """Do what is due; whether there was anything."""
        ...


class Dispatcher:
    """Delivers the notifications of the outbox. `others` are further workers, run in the same way."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        clock: Clock,
        lease_seconds: float = 30.0,
        others: Sequence[DeliveryWork] = (),
    ) -> None:
        self._store, self._clock = store, clock
        self.workers: list[DeliveryWork] = [
            ChannelWorker(store, channel, clock, lease_seconds) for channel in channels.values()
        ]
        for channel in channels.values():
            if isinstance(channel, Alertmanager):
                self.workers.append(Resender(store, channel, clock))
        self.workers += others
        self._wakes = [threading.Event() for _ in self.workers]
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def step(self) -> bool:
        """Run one step of every worker in this thread; whether any had work."""
        worked = [worker.step() for worker in self.workers]
        return any(worked)

    def next_due(self) -> float | None:
        """When the next delivery is due, or None if the outbox is empty."""
        with self._store.read() as connection:
            return outbox.next_due(connection)

    def start(self) -> None:
        """Start one thread per worker."""
        for worker, wake in zip(self.workers, self._wakes, strict=True):
            name = f"deliver-{worker.channel.name}"
            work = partial(self._run, worker, wake)
            thread = SupervisedThread(name, work, self._stopping, self._store.faults)
            thread.start()
            self._threads.append(thread)

    def wake(self) -> None:
        """Make all workers check the outbox now."""
        for wake in self._wakes:
            wake.set()

    def finish(self) -> None:
        """Start no further attempts; running ones continue."""
        self._stopping.set()
        self.wake()

    def stop(self, timeout: float = 10.0) -> None:
        """Wait for running attempts, then stop the threads and close the channels."""
        self.finish()
        for thread in self._threads:
            thread.join(timeout)
        for worker in self.workers:
            with self._store.faults.isolate("channel", worker.channel.name):
                worker.channel.close()

    def is_alive(self) -> bool:
        """Whether all started threads are alive."""
        return all(thread.is_alive() for thread in self._threads)

    def _run(self, worker: DeliveryWork, wake: threading.Event) -> None:
        while not self._stopping.is_set():
            try:
                while not self._stopping.is_set() and worker.step():
                    pass
            except StoreError as error:
                log.warning("%s is waiting for the database: %s", worker.channel.name, error)
            wake.wait(POLL_SECONDS)
            wake.clear()
