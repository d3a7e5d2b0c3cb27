"""The protocol between parent and child: a job is called once per task, and yields any number of results."""

import logging
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from monitor.errors import WatchkeeperError

log = logging.getLogger(__name__)

Job = Callable[[Any], Iterable[Any]]
"""A module-level function, or a `functools.partial` of one. Arguments and results are pickled."""

LENGTH = struct.Struct("<Q")
"""The length in bytes that precedes each pickled message."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed task: the exception of the job, or how its process ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """The order of a child: a job and its tasks."""

    job: Job
    tasks: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A message about the task at `place`: its start, one result, or its end."""

    place: int
    began: bool = False
    ended: bool = False
    result: Any = None


def results(job: Job, task: object) -> Iterator[Any]:
    """The results of a job for a task; the last one is `Failed` if the job raised."""
    try:
        yield from job(task)
    except (WatchkeeperError, OSError) as error:
        yield Failed(str(error))
    except MemoryError:
        yield Failed("it exceeded its memory limit")
    except Exception as error:  # one task must not stop the others
        log.exception("a task of %s failed", job)
        yield Failed(f"{type(error).__name__}: {error}")
