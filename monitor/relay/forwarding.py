"""Sends the requests of one key to the daemon until each is answered: those of one address in order, those of several
at once. One thread for each key, and more while there are several at once.

A request is sent with the same idempotency key until it has an answer, so the daemon stores it once. What the daemon
refuses is set aside, and the others go on; while it takes nothing, they wait.
"""

import contextlib
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import httpx2
import msgspec

from monitor import outgoing
from monitor.config.units import format_duration
from monitor.relay.frames import Frame, RelayedRequest
from monitor.relay.otlp_responses import PATHS as OTLP_PATHS
from monitor.relay.request_queue import RequestQueue
from monitor.relay.responses import DaemonAnswer, Disposition, read_answer, read_otlp_answer, seconds_of
from monitor.relay.set_aside import SetAside
from monitor.runtime.cpu_tuning import release_freed_memory
from monitor.runtime.file_modes import PRIVATE_FILE

log = logging.getLogger(__name__)

STATE = "state.json"
_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_ASKED = 0.5, 60.0, 300.0
_MOST_DOUBTFUL = 20
"""Attempts, in about a quarter of an hour, after which a request that something on the way refuses is set aside."""
_LARGE = 1_000_000
_LOOKS_EVERY = 1.0
"""Seconds after which a waiting thread looks for requests that are to be sent once more."""


class ForwardingState(msgspec.Struct):
    """How far sending has come since the relay started, and what went wrong last. Times are seconds since the epoch."""

    sent: int = 0
    rejected_records: int = 0
    set_aside: int = 0
    attempts_failed: int = 0
    last_sent_at: float = 0.0
    error: str = ""
    """Why requests wait; empty while they are taken."""
    error_at: float = 0.0
    rejected: str = ""
    """Why the daemon rejected a record last."""
    resend_window: float = 0.0
    """Seconds within which the daemon recognizes what is sent again; 0 while it is not known."""


Post = Callable[[RelayedRequest, bytes], DaemonAnswer]


@dataclass(eq=False)
class Forwarder:
    """Sends the requests of one key."""

    name: str
    queue: RequestQueue
    aside: SetAside
    post: Post
    stopping: threading.Event
    state: ForwardingState = field(default_factory=ForwardingState)
    at_once: int = 1
    keep: float = 0.0
    """Seconds that a request may wait at most: what is sent again after an outage must be recognized as long."""
    _failures: int = 0
    _largest: int = 0
    _saved: bytes = b""

    def send_until_stopped(self) -> None:
        """Send stored and new requests. Runs in a thread of its own."""
        while not self.stopping.is_set():
            self.queue.arrived.clear()
            try:
                worked = self._send_again() and self._send_next()
            except OSError as error:
                worked = True
                self._unreadable(error)
            self._save()
            if not worked and not self.stopping.is_set():
                self._rest()

    def _rest(self) -> None:
        """Wait for requests. The memory of large ones is given back first; if none comes, nothing sent stays."""
        if self._largest > _LARGE:
            self._largest = 0
            release_freed_memory()
        if not self.queue.arrived.wait(_LOOKS_EVERY):
            self.queue.drop_sent()

    def _send_next(self) -> bool:
        """Send the next requests; False if none waits."""
        first = self.queue.peek()
        if first is None:
            return False
        taken = together(first, self.queue.after, self.at_once)
        unsettled = taken
        while unsettled and not self.stopping.is_set():
            unsettled = self._settled(unsettled)
        settled = taken[: taken.index(unsettled[0])] if unsettled else taken
        if settled:
            self.queue.advance(settled[-1])
        return True

    def _settled(self, waiting: list[Frame]) -> list[Frame]:
        """Send requests at once; those that are neither taken nor set aside. If there are any, time has passed."""
        if len(waiting) == 1:
            return [] if self._settle(waiting[0]) else waiting
        readings = self._posted(waiting)
        left = [
            frame for frame, one in zip(waiting, readings, strict=True) if not self._is_settled(frame, one)
        ]
        if left:
            later = [
                reading
                for reading in readings
                if reading.verdict in (Disposition.LATER, Disposition.DOUBTFUL)
            ]
            if later:  # else one could not be set aside, and time has passed
                self._wait(later[0].reason, max(one.wait for one in later))
        return left

    def _posted(self, waiting: list[Frame]) -> list[DaemonAnswer]:
        """The answers to requests that are sent at once. Threads that hang do not keep the process from ending."""
        readings = [DaemonAnswer(Disposition.LATER, "it was not sent")] * len(waiting)

        def send(place: int) -> None:
            try:
                readings[place] = self.post(waiting[place].request, waiting[place].body)
            except Exception as error:  # of whatever kind: the request stays, and is tried again
                log.exception("a request could not be sent", extra={"key": self.name})
                readings[place] = DaemonAnswer(
                    Disposition.LATER, f"it was not sent: {outgoing.reason(error)}"
                )

        threads = [
            threading.Thread(target=send, args=(place,), name=f"relay {self.name} {place}", daemon=True)
            for place in range(1, len(waiting))
        ]
        started = list[threading.Thread]()
        with contextlib.suppress(RuntimeError):  # the system allows no further thread: they are sent later
            for thread in threads:
                thread.start()
                started.append(thread)
        send(0)
        for thread in started:
            thread.join()
        return readings

    def _is_settled(self, frame: Frame, reading: DaemonAnswer) -> bool:
        """Whether a request is taken or set aside."""
        match reading.verdict:
            case Disposition.TAKEN:
                self._taken(reading)
                return True
            case Disposition.REFUSED:
                return self._set_aside(frame, reading.reason)
            case Disposition.DOUBTFUL if self._failures >= _MOST_DOUBTFUL:
                return self._set_aside(frame, reading.reason)
        return False

    def _send_again(self) -> bool:
        """Send what was set aside and is to be sent once more; False if one must wait."""
        for path in self.aside.again():
            frame = self.aside.read(path)
            if frame is None:
                self.aside.put_back(path, "the file is damaged")
            elif self._settle(frame):
                self.aside.remove(path)
            else:
                return False
        return True

    def _settle(self, frame: Frame) -> bool:
        """Send a request; whether it is taken or set aside. If neither, time has passed."""
        self._largest = max(self._largest, len(frame.body))
        reading = self.post(frame.request, frame.body)
        if self._is_settled(frame, reading):
            return True
        if reading.verdict is not Disposition.REFUSED:  # else it could not be set aside, and time has passed
            self._wait(reading.reason, reading.wait)
        return False

    def _unreadable(self, error: OSError) -> None:
        """Wait for the disk; if it does not become readable, pass over the segment."""
        reason = f"the buffer cannot be read: {error.strerror or error}"
        if self._failures >= _MOST_DOUBTFUL:
            with contextlib.suppress(OSError):
                if path := self.queue.skip():
                    self._failures = 0
                    fields = {"key": self.name, "reason": reason, "file": str(path)}
                    log.error("skipped a damaged part of the buffer", extra=fields)
                    return
        self._wait(reason, 0.0)

    def _taken(self, reading: DaemonAnswer) -> None:
        state, self._failures = self.state, 0
        state.sent += 1
        if reading.window and reading.window != state.resend_window:
            state.resend_window = reading.window
            if warning := flaw_of_window(reading.window, self.keep):
                log.warning(warning, extra={"key": self.name})
        state.last_sent_at = time.time()
        if state.error:
            log.warning("the daemon accepts requests again", extra={"key": self.name})
            state.error = ""
        if reading.rejected:
            state.rejected_records += reading.rejected
            if reading.reason != state.rejected:
                fields = {"key": self.name, "records": reading.rejected, "reason": reading.reason}
                log.warning("the daemon rejected records", extra=fields)
            state.rejected = reading.reason

    def _set_aside(self, frame: Frame, reason: str) -> bool:
        try:
            path = self.aside.add(frame, reason)
        except OSError as error:
            self._wait(f"a refused request cannot be set aside: {error.strerror or error}", 0.0)
            return False
        self.state.set_aside += 1
        self._failures = 0
        fields = {"key": self.name, "reason": reason, "file": str(path)}
        log.error("the daemon refused a request; it is set aside", extra=fields)
        return True

    def _wait(self, reason: str, asked: float) -> None:
        self._failures += 1
        self.state.attempts_failed += 1
        if reason != self.state.error:
            log.warning("requests are waiting", extra={"key": self.name, "reason": reason})
        self.state.error, self.state.error_at = reason, time.time()
        self._save()
        self.stopping.wait(wait_after(self._failures, asked, random.random()))  # noqa: S311 - spreads retries

    def _save(self) -> None:
        """Write the state for `watchkeeper relay status`, if it has changed."""
        content = msgspec.json.encode(self.state)
        if content == self._saved:
            return
        path = self.queue.folder / STATE
        with contextlib.suppress(OSError):  # on a full disk, the older one stays
            part = path.with_name(f".{STATE}.part")
            part.write_bytes(content)
            part.chmod(PRIVATE_FILE)
            part.replace(path)
            self._saved = content


def together(first: Frame, after: Callable[[Frame], Frame | None], most: int) -> list[Frame]:
    """Requests that may be sent at once: at most one of each address, so that those of one arrive in order."""
    frames, size = [first], len(first.body)
    while len(frames) < most and size < _LARGE and (frame := after(frames[-1])) is not None:
        size += len(frame.body)
        if size > _LARGE or any(frame.request.address == one.request.address for one in frames):
            break
        frames.append(frame)
    return frames


def wait_after(failures: int, asked: float, chance: float) -> float:
    """Seconds to wait after so many failures in a row, of which half is chance; at least what the daemon asks for."""
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures - 1, 20))
    return max(longest * (0.5 + 0.5 * chance), min(asked, _LONGEST_ASKED))


def flaw_of_window(window: float, keep: float) -> str:
    """What to say of a daemon that recognizes requests for `window` seconds, 0 if unknown; empty if that is enough."""
    if not window or window >= keep:
        return ""
    told, asked = format_duration(round(window)), format_duration(math.ceil(keep))
    return (
        f"the daemon recognizes what is sent again for {told}, and requests may wait for {asked}: a request whose "
        f"answer is lost in a longer outage would be stored twice; "
        f"set predictions.resend_window to {asked} or more there"
    )


def state_in(folder: Path) -> ForwardingState:
    """The state in the folder of a queue; an empty one if there is none."""
    try:
        return msgspec.json.decode((folder / STATE).read_bytes(), type=ForwardingState)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return ForwardingState()


def poster(client: httpx2.Client, url: str, key: str) -> Post:
    """Sends requests by a client with one deadline and one size limit for each call."""
    authorization = b"Bearer " + key.encode()

    def post(request: RelayedRequest, body: bytes) -> DaemonAnswer:
        headers = {b"Authorization": authorization, **headers_of(request, time.time())}
        try:
            response = client.post(f"{url}{request.path}", content=body, headers=headers)
        except httpx2.LocalProtocolError as error:  # it can never be sent
            return DaemonAnswer(Disposition.REFUSED, outgoing.reason(error))
        except outgoing.FAILURES as error:
            return DaemonAnswer(Disposition.LATER, outgoing.reason(error))
        retry_after = response.headers.get("Retry-After", "")
        if request.path in OTLP_PATHS:
            kind = response.headers.get("Content-Type", "")
            return read_otlp_answer(response.status_code, kind, response.content, retry_after)
        reading = read_answer(response.status_code, response.content, retry_after)
        return replace(reading, window=seconds_of(response.headers.get("Watchkeeper-Resend-Window", "")))

    return post


def headers_of(request: RelayedRequest, now: float) -> Mapping[bytes, bytes]:
    """The headers of the sender, and the relay's own: whose records these are, how long they have waited, and a key for
    those that nothing else identifies.
    """
    named = {
        b"Idempotency-Key" if request.is_own_key else b"Watchkeeper-Request": request.key,
        b"Content-Type": request.content_type,
        b"Content-Encoding": request.content_encoding,
        b"Watchkeeper-Relay-Client": quote(request.client, safe=""),
        b"Watchkeeper-Waited": f"{max(0.0, now - request.received_at):.3f}",
    }
    return {name: value.encode("latin-1") for name, value in named.items() if value}
