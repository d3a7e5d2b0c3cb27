"""When jobs run. APScheduler keeps the time; it knows nothing of what the jobs do."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from monitor.errors import StoreError

log = logging.getLogger(__name__)

URGENT = "urgent"
"""Threads that only the tick and the beat use: probes that hang must not keep anybody from being paged."""


class Scheduler:
    """Repeats jobs: one instance of each at a time, late runs folded into one."""

    def __init__(self) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={"default": ThreadPoolExecutor(8), URGENT: ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def every(
        self,
        seconds: float,
        name: str,
        job: Callable[[], object],
        executor: str = "default",
        first: float | None = None,
    ) -> None:
        """Run `job` every `seconds`, the first time one interval from the start, or `first` seconds."""
        first_run = {} if first is None else {"next_run_time": datetime.now(UTC) + timedelta(seconds=first)}
        self._scheduler.add_job(
            _logged(name, job), IntervalTrigger(seconds=seconds), id=name, executor=executor, **first_run
        )

    def start(self) -> None:
        """Begin to run the jobs, in threads."""
        self._scheduler.start()

    def stop(self) -> None:
        """Let running jobs end, start no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)


def _logged(name: str, job: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            job()
        except StoreError as error:  # expected now and then, and told elsewhere: a line is enough
            log.error("the job '%s' will be tried again: %s", name, error)
        except Exception:  # a job that fails must not end the ones after it; the next run tries again
            log.exception("the job '%s' failed and will be tried again", name)

    return run
