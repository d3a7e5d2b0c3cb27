"""Drill-down reports on alerts: a queue and a background thread that makes one at a time."""

import logging
import os
import queue
import tempfile
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa

from monitor.clock import Clock
from monitor.errors import BusyError, NotFoundError, WatchkeeperError
from monitor.records import Alert
from monitor.reports.alert_rows import tables
from monitor.reports.child_process import ReportProcess
from monitor.reports.settings import ReportSettings
from monitor.runtime.file_encryption import sealer_of
from monitor.runtime.file_modes import PRIVATE_FOLDER, create_privately
from monitor.runtime.supervisor import SupervisedThread
from monitor.store.db import Store

log = logging.getLogger(__name__)

_RETRY_AFTER = 60.0
_FAULT_LASTS = 1200.0
"""Seconds for which a file that cannot be deleted is reported: until two more tries."""

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made in it
"""A file system in memory, where the rows of a report lie while it is made, if there is a key."""


class ReportStage(StrEnum):
    """The stage of a report."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Drilldown:
    """The state of one report: its stage, the current step or the error, since when, and a hint."""

    stage: ReportStage
    text: str = ""
    since: float = 0.0
    hint: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether the report is waiting or being made."""
        return self.stage in (ReportStage.WAITING, ReportStage.RUNNING)


class Drilldowns:
    """Makes reports in a background thread. A failed report does not affect the daemon."""

    def __init__(self, store: Store, clock: Clock, settings: ReportSettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._requests: queue.Queue[Alert | None] = queue.Queue(settings.most_waiting)
        self._states: dict[str, Drilldown] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: SupervisedThread | None = None
        self._running: ReportProcess | None = None
        self._is_stopping = False
        self._sealer = sealer_of(store.key, "reports")
        self._scratch = _MEMORY if self._sealer is not None and _MEMORY.is_dir() else None

    def ask(self, alert: Alert) -> None:
        """Request a report on an alert, unless one exists or is in progress.

        Raises:
            BusyError: the queue is full.
        """
        with self._lock:
            current = self._state(alert)
            if current is not None and (current.is_under_way or current.stage is ReportStage.READY):
                return
            self._settings.folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
            self._delete_old()
            try:
                self._requests.put_nowait(alert)
            except queue.Full as error:
                raise BusyError("too many reports are waiting", retry_after=_RETRY_AFTER) from error
            self._states[_name(alert)] = Drilldown(
                ReportStage.WAITING, "waiting in the queue", self._clock.now()
            )
            if self._thread is None:
                self._thread = SupervisedThread("reports", self._work, self._ended, self._store.faults)
                self._thread.start()

    def state(self, alert: Alert) -> Drilldown | None:
        """The state of the report on this episode of an alert; None if none was requested."""
        with self._lock:
            return self._state(alert)

    def read(self, alert: Alert) -> bytes:
        """The finished report.

        Raises:
            NotFoundError: there is none.
        """
        with self._lock:
            state = self._state(alert)
        if state is None or state.stage is not ReportStage.READY:
            raise NotFoundError("no report for this alert")
        try:
            content = self._path(alert).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError("no report for this alert") from error
        return content if self._sealer is None else self._sealer.unseal(content)

    def delete_old(self) -> None:
        """Delete reports that are past their time; called by a job of the daemon."""
        with self._lock:
            self._delete_old()

    def stop(self) -> None:
        """Cancel the running report and drop the waiting ones."""
        with self._lock:
            self._is_stopping = True
            self._ended.set()
            process, thread = self._running, self._thread
        if thread is not None:
            if process is not None:
                process.cancel("the daemon is stopping")
            while not self._requests.empty():
                self._requests.get_nowait()
            self._requests.put(None)
            thread.join(timeout=5)

    def _work(self) -> None:
        while (alert := self._requests.get()) is not None:
            name, began = _name(alert), self._clock.now()
            try:
                self._make(alert, name, began)
                ended = Drilldown(ReportStage.READY, "", self._clock.now())
            except WatchkeeperError as error:
                ended = Drilldown(ReportStage.FAILED, error.message, self._clock.now(), error.hint)
            except Exception:  # a failed report must not affect the daemon
                log.exception("the report on %s failed", name)
                ended = _failed()
            except BaseException:  # the thread is restarted for the next report
                with self._lock:
                    self._states[name] = _failed()
                raise
            with self._lock:
                self._states[name] = ended

    def _make(self, alert: Alert, name: str, began: float) -> None:
        def on_step(text: str) -> None:
            with self._lock:
                self._states[name] = Drilldown(ReportStage.RUNNING, text, began)

        process = ReportProcess(self._settings, on_step, self._scratch)
        with self._lock:
            if self._is_stopping:
                return
            self._running = process
        on_step("reading the rows")
        with self._store.read() as connection:
            reference, current = tables(connection, alert, began)
        ended = self._clock.now()
        os.utime(self._write(process, reference, current, self._path(alert)), (ended, ended))

    def _write(self, process: ReportProcess, reference: pa.Table, current: pa.Table, out: Path) -> Path:
        """Write the report; with a key, only its encrypted bytes reach a disk."""
        if self._sealer is None:
            return process.write(reference, current, out)
        with tempfile.TemporaryDirectory(prefix="watchkeeper-report-", dir=self._scratch) as folder:
            plain = process.write(reference, current, Path(folder) / "report.html")
            beside = out.with_suffix(".part")
            create_privately(beside)
            beside.write_bytes(self._sealer.seal(plain.read_bytes()))
        return beside.replace(out)

    def _state(self, alert: Alert) -> Drilldown | None:
        state = self._states.get(_name(alert))
        if state is not None and state.stage is not ReportStage.READY:
            return state
        try:
            written = self._path(alert).stat().st_mtime
        except FileNotFoundError:
            return None
        if written < self._clock.now() - self._settings.kept:
            return None
        return Drilldown(ReportStage.READY, "", written)

    def _path(self, alert: Alert) -> Path:
        return self._settings.folder / f"{_name(alert)}{'.html' if self._sealer is None else '.sealed'}"

    def _delete_old(self) -> None:
        """Delete old report files, parts of unfinished ones, and states. The lock must be held."""
        folder, before = self._settings.folder, self._clock.now() - self._settings.kept
        for path in (*folder.glob("*.html"), *folder.glob("*.sealed"), *folder.glob("*.part")):
            with self._store.faults.isolate("reports", path.name, lasts=_FAULT_LASTS):
                if path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)
        self._states = {name: one for name, one in self._states.items() if one.since >= before}


def _name(alert: Alert) -> str:
    return f"{alert.fingerprint}-{alert.episode}"


def _failed() -> Drilldown:
    return Drilldown(ReportStage.FAILED, "internal error", hint="see the daemon's log")
