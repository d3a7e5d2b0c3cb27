"""Reports on alerts, one at a time, in the background of a daemon that has more important things to do."""

import logging
import os
import queue
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from monitor.clock import Clock
from monitor.errors import BusyError, NotFoundError, WatchkeeperError
from monitor.records import Alert
from monitor.reports.around import tables
from monitor.reports.making import Making
from monitor.reports.settings import ReportSettings
from monitor.store.db import Store

log = logging.getLogger(__name__)

_RETRY_AFTER = 60.0


class Stage(StrEnum):
    """How far a report is."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Drilldown:
    """Where one report stands: what is being done since when, or why there is none and what to do about it."""

    stage: Stage
    text: str = ""
    since: float = 0.0
    hint: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether it will be something else soon."""
        return self.stage in (Stage.WAITING, Stage.RUNNING)


class Drilldowns:
    """Makes reports in a thread of its own; whatever happens to one, the daemon goes on."""

    def __init__(self, store: Store, clock: Clock, settings: ReportSettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._asked: queue.Queue[Alert | None] = queue.Queue(settings.most_waiting)
        self._known: dict[str, Drilldown] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._making: Making | None = None
        self._is_stopping = False

    def ask(self, alert: Alert) -> None:
        """Have a report made of the rows around an alert, unless there is one or it is on its way.

        Raises:
            BusyError: too many wait already.
        """
        with self._lock:
            found = self._state(alert)
            if found is not None and (found.is_under_way or found.stage is Stage.READY):
                return
            self._forget_old()
            try:
                self._asked.put_nowait(alert)
            except queue.Full as error:
                raise BusyError("too many reports wait already", retry_after=_RETRY_AFTER) from error
            self._known[_name(alert)] = Drilldown(Stage.WAITING, "waits for its turn", self._clock.now())
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reports", daemon=True)
                self._thread.start()

    def state(self, alert: Alert) -> Drilldown | None:
        """Where the report on this episode of an alert stands; None if nobody asked for it."""
        with self._lock:
            return self._state(alert)

    def read(self, alert: Alert) -> bytes:
        """The finished report.

        Raises:
            NotFoundError: there is none.
        """
        try:
            return self._path(alert).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError("there is no report on this alert") from error

    def stop(self) -> None:
        """End what is under way; what waits is forgotten."""
        with self._lock:
            self._is_stopping = True
            making, thread = self._making, self._thread
        if thread is not None:
            if making is not None:
                making.give_up("the daemon is stopping")
            while not self._asked.empty():
                self._asked.get_nowait()
            self._asked.put(None)
            thread.join(timeout=5)

    def _work(self) -> None:
        while (alert := self._asked.get()) is not None:
            name, began = _name(alert), self._clock.now()
            try:
                self._make(alert, name, began)
                ended = Drilldown(Stage.READY, "", self._clock.now())
            except WatchkeeperError as error:
                ended = Drilldown(Stage.FAILED, error.message, self._clock.now(), error.hint)
            except (
                Exception
            ):  # a report is a convenience: nothing that goes wrong with it may reach the daemon
                log.exception("the report on %s failed", name)
                ended = Drilldown(Stage.FAILED, "something went wrong here", hint="see the daemon's log")
            with self._lock:
                self._known[name] = ended

    def _make(self, alert: Alert, name: str, began: float) -> None:
        def say(text: str) -> None:
            with self._lock:
                self._known[name] = Drilldown(Stage.RUNNING, text, began)

        making = Making(self._settings, say)
        with self._lock:
            if self._is_stopping:
                return
            self._making = making
        say("reading the rows")
        with self._store.read() as connection:
            reference, current = tables(connection, alert, began)
        ended = self._clock.now()
        os.utime(making.write(reference, current, self._path(alert)), (ended, ended))

    def _state(self, alert: Alert) -> Drilldown | None:
        known = self._known.get(_name(alert))
        if known is not None and known.stage is not Stage.READY:
            return known
        try:
            written = self._path(alert).stat().st_mtime
        except FileNotFoundError:
            return None
        return Drilldown(Stage.READY, "", written)

    def _path(self, alert: Alert) -> Path:
        return self._settings.folder / f"{_name(alert)}.html"

    def _forget_old(self) -> None:
        """Called with the lock held."""
        folder, before = self._settings.folder, self._clock.now() - self._settings.kept
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in folder.glob("*.html"):
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
        self._known = {name: one for name, one in self._known.items() if one.since >= before}


def _name(alert: Alert) -> str:
    return f"{alert.fingerprint}-{alert.episode}"
