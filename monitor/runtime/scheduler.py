"""Runs jobs at intervals. APScheduler keeps the schedule.

APScheduler computes with the wall clock, which may be set back or forward. Each job therefore has a due time on the
monotonic clock as well: a thread compares the two clocks each second, and after a step sets each job's next run again.
A run that a step started too early is skipped.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from monitor.errors import StoreError
from monitor.runtime.faults import Faults
from monitor.runtime.supervisor import SupervisedThread
from monitor.runtime.threads.preemption import OF_JOBS, SHORT_REQUESTS, LongWork, long_work

log = logging.getLogger(__name__)

DEFAULT, URGENT = "default", "urgent"
"""Threads for jobs, and threads for the tick and the heartbeat only: probes that hang must not delay a page."""
_THREADS = {DEFAULT: 8, URGENT: 2}
_CLOCK_CHECK_SECONDS = 1.0
"""Seconds between two comparisons of the clocks."""
_STEP = 0.5
"""Seconds by which the clocks diverge before jobs get new times. A clock that is slewed stays below."""
_EARLY = 1.0
"""Seconds by which a run may come before its time."""
_OVERDUE = 30.0
"""Seconds after which a run that APScheduler has not started means that its thread has ended or hangs."""


class Scheduler:
    """Repeats jobs: at most one instance of each at a time; late runs are merged into one."""

    def __init__(self, faults: Faults | None = None) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._faults = faults or Faults()
        self._stopping = threading.Event()
        self._jobs: list[_Job] = []
        self._scheduler = _new_scheduler()
        self._offset = _clock_offset()
        self._clocks = SupervisedThread("scheduler", self._watch, self._stopping, self._faults)

    def every(
        self,
        seconds: float,
        name: str,
        job: Callable[[], object],
        executor: str = DEFAULT,
        first: float | None = None,
    ) -> None:
        """Run `job` every `seconds`, the first time one interval from the start, or `first` seconds."""
        repeated = _Job(name, seconds, self._guarded(name, seconds, job), executor, self._stopping)
        repeated.due = time.monotonic() + (seconds if first is None else first)
        repeated.add_to(self._scheduler)
        self._jobs.append(repeated)

    def start(self) -> None:
        """Start running the jobs, in threads."""
        self._scheduler.start()
        self._clocks.start()

    def pause(self) -> None:
        """Start no more jobs."""
        self._stopping.set()

    def stop(self) -> None:
        """Start no more jobs, and wait for those that run."""
        self._stopping.set()
        if self._clocks.is_alive():
            self._clocks.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _watch(self) -> None:
        while not self._stopping.wait(_CLOCK_CHECK_SECONDS):
            if abs(_clock_offset() - self._offset) >= _STEP:
                log.warning(
                    "the system clock was changed by %+.0f s; jobs keep their intervals",
                    _clock_offset() - self._offset,
                )
                self._offset = _clock_offset()
                for job in self._jobs:
                    job.align()
            elif any(job.overdue() for job in self._jobs):
                self._restart()

    def _restart(self) -> None:
        self._faults.report("thread", "APScheduler", "it no longer starts jobs; it is restarted")
        ended, self._scheduler = self._scheduler, _new_scheduler()
        for job in self._jobs:
            job.add_to(self._scheduler)
        self._scheduler.start()
        ended.shutdown(wait=False)

    def _guarded(self, name: str, seconds: float, job: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            started = time.monotonic()
            try:
                pauses = LongWork(SHORT_REQUESTS.are_of_others, OF_JOBS)
                with self._faults.isolate("job", name, lasts=2 * seconds + 60.0), long_work(pauses):
                    job()
            except StoreError as error:  # expected at times and reported elsewhere: a line is enough
                log.error("the job '%s' will be retried: %s", name, error)
            except BaseException as error:  # raised by extensions in other languages
                self._faults.report("job", name, error, lasts=2 * seconds + 60.0)
            _log_if_late(name, time.monotonic() - started, seconds)

        return run


class _Job:
    """One job. `due` is when it runs next, in seconds of the monotonic clock."""

    def __init__(
        self, name: str, seconds: float, work: Callable[[], None], executor: str, stopping: threading.Event
    ) -> None:
        self._name, self._seconds, self._work, self._executor = name, seconds, work, executor
        self._stopping = stopping
        self._scheduled: Any = None
        self.due = 0.0

    def add_to(self, scheduler: Any) -> None:
        """Add the job to `scheduler`."""
        self._scheduled = scheduler.add_job(
            self._run,
            Interval(self._seconds),
            name=self._name,
            executor=self._executor,
            next_run_time=self._next(),
        )

    def align(self) -> None:
        """Set the next run from the monotonic clock."""
        self._scheduled.modify(next_run_time=self._next())

    def overdue(self) -> bool:
        """Whether APScheduler should have started it long ago. A job that runs or waits for a thread is not overdue."""
        return bool(self._scheduled.next_run_time < datetime.now(UTC) - timedelta(seconds=_OVERDUE))

    def _next(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=max(self.due - time.monotonic(), 0.0))

    def _run(self) -> None:
        now = time.monotonic()
        if self._stopping.is_set() or now < self.due - _EARLY:
            return
        self.due = max(self.due + self._seconds, now)
        self._work()


class Interval(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """A fixed interval in seconds. Any number of missed runs is merged into one."""

    def __init__(self, seconds: float) -> None:
        self._length = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """The next run of a job that last ran at `previous`."""
        due = (previous or now) + self._length
        return due if due > now else now + self._length


def _log_if_late(name: str, duration: float, interval: float) -> None:
    if duration > interval:
        fields = {"job": name, "duration": round(duration, 3), "interval": interval}
        log.warning("job took longer than its interval", extra=fields)


def _new_scheduler() -> Any:
    pools = {
        name: ThreadPoolExecutor(threads, {"thread_name_prefix": name}) for name, threads in _THREADS.items()
    }
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    return BackgroundScheduler(timezone=UTC, executors=pools, job_defaults=defaults)


def _clock_offset() -> float:
    """Seconds from the monotonic clock to the wall clock."""
    return time.time() - time.monotonic()
