"""The disk buffer: the queues of all keys, one limit, and one thread that puts requests on disk in groups."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from monitor.errors import BusyError, WatchkeeperError
from monitor.relay.frames import RelayedRequest
from monitor.relay.request_queue import RequestQueue
from monitor.relay.set_aside import SetAside
from monitor.runtime.file_modes import PRIVATE_FOLDER

log = logging.getLogger(__name__)

QUEUES = "keys"
_LOCK = ".lock"
_LOCKS_WITHIN = 1.0
"""Seconds in which another process may let go: `watchkeeper relay status` holds the folder for a moment."""
_RETRY_AFTER = 30
_TOLD_EVERY = 60.0
_SHARED = 0.9
"""The part of the buffer that a key may use beyond an equal share."""

Done = Callable[[WatchkeeperError | None], None]
"""Called once, by the writing thread, when a request is on disk (None), or is not."""


class BufferedRequest(msgspec.Struct, frozen=True, eq=False):
    """A request that is to be put on disk."""

    queue: str
    request: RelayedRequest
    body: bytes
    size: int
    done: Done


class Buffer:
    """All queues in a folder, by the name of their key. One process at a time."""

    def __init__(self, folder: Path, names: Iterable[str], limit: int, keep: float) -> None:
        """Open it: the queues of `names`, and those of earlier keys that are there.

        Raises:
            WatchkeeperError: another relay uses the folder.
            OSError: the folder cannot be made or read.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        self._lock_file = lock(folder)
        if self._lock_file < 0:
            raise WatchkeeperError(
                f"another relay uses the folder {folder}", hint="stop it, or set another relay.folder"
            )
        known = {path.name for path in (folder / QUEUES).glob("*") if path.is_dir()}
        self.queues: Mapping[str, RequestQueue] = {
            name: RequestQueue(folder / QUEUES / name) for name in sorted({*names, *known})
        }
        self.aside = {name: SetAside(queue.folder) for name, queue in self.queues.items()}
        self._limit, self._keep = limit, keep
        self._condition = threading.Condition()
        self._pending: list[BufferedRequest] = []
        self._pending_bytes = 0
        self._is_closed = False
        self._told_at = float("-inf")
        self.full_answers = 0
        """How many requests were answered with 503 because the buffer or the disk was full."""
        self.full_reason = ""
        """Why the newest of them was; empty when one was stored since."""

    def put(self, entry: BufferedRequest, now: float) -> None:
        """Have a request put on disk; its `done` is called later.

        Raises:
            BusyError: the buffer is full.
        """
        self.ensure_room(entry.queue, entry.size, now)
        with self._condition:
            if self._is_closed:
                raise BusyError("the relay is stopping", retry_after=5, hint="send the same request again")
            self._pending.append(entry)
            self._pending_bytes += entry.size
            self._condition.notify()

    def ensure_room(self, name: str, size: int, now: float) -> None:
        """Check the limits for a further request of a key.

        Raises:
            BusyError: the buffer is full.
        """
        used = {one: queue.waiting + self.aside[one].size for one, queue in self.queues.items()}
        reason = flaw_of(used, name, size + self._pending_bytes, self._limit)
        oldest = self.queues[name].oldest_at
        if not reason and oldest is not None and now - oldest > self._keep:
            reason = "the oldest request of this key waits longer than relay.keep"
        if reason:
            raise self._full(reason)

    def _full(self, reason: str) -> BusyError:
        self.full_answers += 1
        self.full_reason = reason
        if time.monotonic() - self._told_at > _TOLD_EVERY:
            self._told_at = time.monotonic()
            log.error("requests are refused with 503: %s", reason)
        hint = "send the same request again later; nothing was stored"
        return BusyError(reason, retry_after=_RETRY_AFTER, hint=hint)

    def write_until_closed(self) -> None:
        """Put requests on disk, all that wait at once. The work of one thread."""
        while self._write_pending():
            pass

    def _write_pending(self) -> bool:
        """Wait for requests and write them; False if there are none and the buffer is closed."""
        with self._condition:
            while not self._pending and not self._is_closed:
                self._condition.wait()
            entries, self._pending = self._pending, []
        try:
            self._write(entries)
        finally:
            with self._condition:
                self._pending_bytes -= sum(entry.size for entry in entries)
        return bool(entries)

    def _write(self, entries: list[BufferedRequest]) -> None:
        by_queue = dict[str, list[BufferedRequest]]()
        for entry in entries:
            by_queue.setdefault(entry.queue, []).append(entry)
        for name, group in by_queue.items():
            result: WatchkeeperError | None = None
            try:
                self.queues[name].append([(entry.request, entry.body) for entry in group])
                self.full_reason = ""
            except OSError as error:
                result = self._full(f"the buffer cannot be written: {error.strerror or error}")
            except Exception as error:  # senders must have an answer, whatever it was
                log.exception("requests could not be written")
                result = self._full(f"the buffer cannot be written: {type(error).__name__}")
            for entry in group:
                entry.done(result)

    def close(self) -> None:
        """Accept nothing further. What was accepted is still written."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()

    def release(self) -> None:
        """Let go of the folder, after the writing thread has ended."""
        for queue in self.queues.values():
            queue.close()
        os.close(self._lock_file)


def flaw_of(used: Mapping[str, int], name: str, size: int, limit: int) -> str:
    """Why a key may not store `size` further bytes; empty if it may. `used` are the bytes of each key.

    The last tenth is for keys that use less than an equal share, so that one whose requests are not taken leaves the
    others theirs.
    """
    total = sum(used.values()) + size
    if total > limit:
        return f"the buffer is full: relay.buffer is {limit:,} bytes"
    if len(used) > 1 and total > limit * _SHARED and used[name] + size > limit / len(used):
        return f"the buffer is nearly full, and this key uses more than its share of {limit:,} bytes"
    return ""


def lock(folder: Path, within: float = _LOCKS_WITHIN) -> int:
    """Hold the folder until the descriptor is closed; -1 if another process does so for `within` seconds.

    Raises:
        OSError: the folder cannot be used.
    """
    file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + within
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(file)
                return -1
        time.sleep(0.02)


def is_held(folder: Path) -> bool:
    """Whether a process holds the folder.

    Raises:
        OSError: the folder cannot be used.
    """
    if not folder.is_dir():
        return False
    file = lock(folder, 0.0)
    if file >= 0:
        os.close(file)
    return file < 0
