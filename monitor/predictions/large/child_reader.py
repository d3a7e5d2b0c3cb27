"""Reads large requests in child processes of low priority: some for each line, each of which reads one at a time.

Reading holds the interpreter for seconds where a body is large, damaged or full of texts; in a process of its own, it
delays only further requests of its sender. A process starts with its first request, and ends when none comes for a
minute. One that has just read reads the next request, so that one sender keeps one process.
"""

import logging
import threading
from queue import LifoQueue
from typing import Any

import msgspec

from monitor.childprocess.resident import ChildFailedError, Resident
from monitor.errors import BusyError, WatchkeeperError
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import ParsedRequest
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.large.child import ReaderSetup, serve
from monitor.predictions.large.daemon_queries import AskRegistered
from monitor.predictions.large.reading import PROCESSES, SizeClass, Slices, size_class_of
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter
from monitor.runtime.faults import Fault

_LOG = logging.getLogger(__name__)
MEMORY = 2 * 2**30
"""What the process may allocate: a body of 32 MB may hold eight million values."""
PATIENCE = 60.0
"""Seconds that the reading of one request may take."""
IDLE = 60.0


class ChildReader:
    """Reads requests in child processes. See `Reader`."""

    def __init__(
        self,
        decoders: FastDecoders,
        meter: SignalMeter,
        settings: PredictionSettings,
        *,
        memory: int = MEMORY,
        patience: float = PATIENCE,
        idle: float = IDLE,
    ) -> None:
        self._decoders, self._meter = decoders, meter
        setup = ReaderSetup(settings, dict(meter.policies), dict(meter.own))
        self._children = {
            line: [
                Resident(serve, setup, memory=memory, patience=patience, idle=idle) for _ in range(PROCESSES)
            ]
            for line in SizeClass
        }
        self._free = {line: LifoQueue[Resident]() for line in SizeClass}
        for line, children in self._children.items():
            for child in children:
                self._free[line].put(child)
        self._registering = threading.Lock()

    @property
    def pids(self) -> list[int]:
        """The running processes."""
        return [
            pid
            for children in self._children.values()
            for child in children
            if (pid := child.pid) is not None
        ]

    def read(self, request: RawRequest) -> Slices:
        """See `Reader`. If the process fails, the sender may try again."""
        without_body = msgspec.structs.replace(request, body=b"")
        free = self._free[size_class_of(request.size)]
        child = free.get()
        try:
            results = child.call(without_body, (request.body,), self._answered)
        except ChildFailedError as error:
            _LOG.warning("a large request of %s could not be read: %s", request.sender, error)
            return BusyError(
                f"the request could not be read: {error}",
                retry_after=5,
                hint="send it again, or fewer records per request",
            )
        finally:
            free.put(child)
        slices: list[ParsedRequest] = []
        for result in results:
            if isinstance(result, WatchkeeperError):
                return result
            if isinstance(result, Fault):
                self._meter.faults.report(result.part, result.subject, result.reason)
            else:
                slices.append(result)
        return slices

    def stop(self) -> None:
        """See `Reader`."""
        for children in self._children.values():
            for child in children:
                child.stop()

    def _answered(self, question: Any) -> Any:
        """The answer to a question of the child; an exception is raised there."""
        try:
            if isinstance(question, AskRegistered):
                with self._registering:
                    return self._meter.registered_for(question.stream)
            return question.answer(self._decoders)
        except WatchkeeperError as error:
            return error
        except Exception as error:  # boundary: the child reports it
            return RuntimeError(f"{type(error).__name__}: {error}")
