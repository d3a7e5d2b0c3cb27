"""The worker processes of a daemon: started, given their orders at each tick, and replaced when they end.

The daemon holds a lease for each of its workers that lives and answers. A worker that dies or hangs loses it, so its
streams move to the others with the next tick. While no worker of its own lives, the daemon is a worker itself: of
several daemons on one database, each judges its share.
"""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.childprocess.attempts import Attempts
from monitor.childprocess.messages import Maker
from monitor.childprocess.resident import ChildFailedError, Resident
from monitor.errors import StoreError
from monitor.runtime.faults import one_line
from monitor.store import worker_leases
from monitor.store.db import Store
from monitor.store.worker_leases import Division
from monitor.workers.assignment import IsMine, Share, everything
from monitor.workers.messages import Report, TickOrder
from monitor.workers.progress import cpu_seconds
from monitor.workers.sent_measurements import MeasurementReceiver, SentBatch

log = logging.getLogger(__name__)

AT_MOST = 15.0
"""Seconds that a tick waits for workers. What is found later becomes part of a later tick."""
_AT_A_START = 5.0
"""Seconds that the first tick waits for the workers to start. Until they have, the daemon judges by itself."""
_PATIENCE = 120.0
"""Seconds after which a worker that does not answer is killed."""
_MEMORY = 2**40
"""Bytes that a worker may use: it has no limit of its own, but the kernel ends it before the daemon."""
_LOOK = 1.0
"""Seconds after which a tick that waits for workers looks for what they have found."""
_FOREVER = 1e6
"""Seconds without an order after which a worker ends."""


def worker_process(make: Maker, setup: object) -> Resident:
    """A worker process, which is not running yet. It is as urgent as the daemon: what it finds is to be paged."""
    return Resident(make, setup, memory=_MEMORY, patience=_PATIENCE, idle=_FOREVER, niceness=0)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What workers did in a tick, and what they leave to this process. `is_worker`: it has a share of the streams as
    one of the workers.
    """

    is_mine: IsMine = everything
    division: Division | None = None
    is_worker: bool = False
    streams: int = 0
    windows: int = 0
    evaluated: int = 0
    errors: int = 0

    def is_in_force(self, connection: Connection) -> bool:
        """Whether the streams are still divided so; they then stay until the transaction ends."""
        return self.division is None or worker_leases.is_in_force(connection, self.division)


@dataclass(slots=True)
class WorkerState:
    """A worker process. `since` is when it was given the order that it works on, and `moved_at` when it was last seen
    to have computed anything since, in monotonic seconds.
    """

    name: str
    resident: Resident
    is_ready: bool = False
    work: Future[list[object]] | None = None
    since: float = 0.0
    moved_at: float = 0.0
    cpu: float = 0.0
    streams: int = 0
    seconds: float = 0.0
    receiver: MeasurementReceiver = field(default_factory=MeasurementReceiver)

    @property
    def number(self) -> str:
        """Its number in this daemon, from 1."""
        return self.name.rpartition("/")[2]

    @property
    def is_up(self) -> bool:
        """Whether it has carried out its last order in time."""
        return self.is_alive and self.work is None

    def is_idle(self, seconds: float) -> bool:
        """Whether it has an order, and has computed nothing for so long: a busy machine makes it slow, not idle."""
        cpu, now = cpu_seconds(self.resident.pid), time.monotonic()
        if cpu != self.cpu:
            self.cpu, self.moved_at = cpu, now
        return self.work is not None and now - self.moved_at > seconds

    @property
    def is_alive(self) -> bool:
        """Whether its process runs and has answered once."""
        return self.is_ready and self.resident.pid is not None


class WorkerPool:
    """The workers of the daemon that is called `daemon`, by name. While none of them lives, the daemon is one itself.
    `order` completes the order to a worker, `on_report` takes its report. Leases last so
    many `seconds`.
    """

    def __init__(
        self,
        store: Store,
        daemon: str,
        workers: Mapping[str, Resident],
        seconds: float,
        order: Callable[[float, Division], TickOrder],
        on_report: Callable[[Report], None],
        at_most: float = AT_MOST,
    ) -> None:
        self._store, self.daemon, self.lease = store, daemon, seconds
        self._own, self._division = f"{daemon}/0", Division(-1)
        self._order, self._on_report, self._at_most = order, on_report, at_most
        self.workers = [WorkerState(name, resident) for name, resident in workers.items()]
        self._threads = ThreadPoolExecutor(max(1, len(workers)), thread_name_prefix="worker")
        self._attempts = Attempts()
        self._share = Share((), self._own, is_daemon=True)
        self._is_new, self._is_stopped = True, False

    def judge(self, now: float, meanwhile: Callable[[], object] = lambda: None) -> Elsewhere:
        """Have the workers judge their streams at `now`. Waits for them, but not for long; `meanwhile` is called while
        it waits.
        """
        if self._is_new:  # better than to judge all streams at first, and a share of them later
            self.start(now, min(_AT_A_START, self._at_most))
        self._start_missing()
        self._collect(now, 0.0)
        division = self._divide(now)
        for worker in self.workers:
            if worker.is_alive and worker.work is None and worker.name in division.workers:
                self._submit(worker, self._order(now, division))
        reports = self._collect(now, self._at_most, meanwhile)
        if self._share.workers != division.workers:
            self._share = Share(division.workers, self._own, is_daemon=True)
        return Elsewhere(
            self._share,
            division,
            self._own in division.workers,
            sum(worker.streams for worker in self.workers if worker.is_alive),
            sum(report.windows for report in reports),
            sum(report.evaluated for report in reports),
            sum(report.errors for report in reports),
        )

    def start(self, now: float, seconds: float) -> bool:
        """Start the workers, and wait so many seconds for them. Returns whether all are there."""
        self._is_new = False
        self._start_missing()
        self._collect(now, seconds)
        return all(worker.is_alive for worker in self.workers)

    def is_in_force(self, connection: Connection) -> bool:
        """Whether the streams are still divided as in the last tick; they then stay until the transaction ends."""
        return worker_leases.is_in_force(connection, self._division)

    def renew(self, now: float) -> None:
        """Renew the leases: a tick, or the time between two, may take longer than they last."""
        mine = {self._own, *self._live()}.intersection(self._division.workers)
        with self._store.write() as connection:
            worker_leases.renew(connection, self.daemon, mine, now, self.lease)

    def receivers(self) -> list[MeasurementReceiver]:
        """The receivers of the workers' measurements."""
        return [worker.receiver for worker in self.workers]

    def stop(self) -> None:
        """End all workers."""
        self._is_stopped = True
        for worker in self.workers:
            worker.resident.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def leave(self) -> None:
        """Give up the leases, so that other daemons need not wait for their end."""
        with suppress(StoreError), self._store.write() as connection:  # without a database they expire
            worker_leases.divide(connection, self.daemon, (), 0.0, self.lease)

    def _start_missing(self) -> None:
        for worker in self.workers:
            if worker.work is None and not worker.is_alive and not self._is_stopped:
                worker.is_ready = False
                if self._attempts.is_due(worker.name, time.monotonic()):
                    self._submit(worker, None)

    def _submit(self, worker: WorkerState, order: TickOrder | None) -> None:
        worker.since = worker.moved_at = time.monotonic()
        worker.work = self._threads.submit(worker.resident.call, order, (), _no_question)

    def _divide(self, now: float) -> Division:
        """The division among the workers that live and answer."""
        live = self._live() or [self._own]
        with self._store.write() as connection:
            self._division = worker_leases.divide(connection, self.daemon, live, now, self.lease)
        return self._division

    def _live(self) -> list[str]:
        return [worker.name for worker in self.workers if worker.is_alive and not worker.is_idle(self.lease)]

    def _collect(
        self, now: float, seconds: float, meanwhile: Callable[[], object] = lambda: None
    ) -> list[Report]:
        """What workers report within so many seconds; their leases are renewed meanwhile. A worker that was late before
        is not waited for.
        """
        began = renewed = time.monotonic()
        reports = list[Report]()
        awaited = [one.work for one in self.workers if one.work is not None and one.since >= began - 1.0]
        while True:
            waited = time.monotonic() - began
            wait(awaited, max(0.0, min(seconds - waited, self.lease / 3, _LOOK)))
            meanwhile()
            for worker in self.workers:
                if worker.work is not None and worker.work.done():
                    reports += self._finish(worker)
            if time.monotonic() - began >= seconds or all(one.done() for one in awaited):
                return reports
            if time.monotonic() - renewed >= self.lease / 3:
                renewed = time.monotonic()
                self._divide(now + renewed - began)

    def _finish(self, worker: WorkerState) -> list[Report]:
        """Take what a worker has answered."""
        assert worker.work is not None
        work, worker.work = worker.work, None
        try:
            answers = work.result()
        except Exception as error:  # whatever ends a worker must not stop the others
            self._failed(worker, str(error) if isinstance(error, ChildFailedError) else one_line(error))
            return []
        if not worker.is_ready:
            worker.is_ready = True
            log.info("worker started", extra={"worker": worker.name, "pid": worker.resident.pid})
        worker.seconds = time.monotonic() - worker.since
        reports = [answer for answer in answers if isinstance(answer, Report)]
        for report in reports:
            self._receive(worker, report)
        for answer in answers:
            if isinstance(answer, SentBatch):
                with self._store.faults.isolate("worker", f"{worker.name}: figures"):
                    worker.receiver.receive(answer)
        return reports

    def _receive(self, worker: WorkerState, report: Report) -> None:
        faults = self._store.faults
        self._attempts.worked(worker.name)
        worker.streams = report.streams
        worker.receiver.forget(report.given_up)
        faults.adopt(worker.name, report.faults)
        if report.problem:
            faults.report("worker", worker.name, report.problem)
        else:
            faults.resolve("worker", worker.name)
        with faults.isolate("worker", f"{worker.name}: report"):
            self._on_report(report)

    def _failed(self, worker: WorkerState, reason: str) -> None:
        worker.is_ready, worker.streams, worker.receiver = False, 0, MeasurementReceiver()
        if self._is_stopped:
            return
        faults = self._store.faults
        faults.adopt(worker.name, ())
        self._attempts.failed(worker.name, reason, time.monotonic())
        faults.report("worker", worker.name, f"{reason}; its streams move to the others")


def _no_question(question: object) -> object:
    raise TypeError(f"unexpected question from a worker: {question!r}")
