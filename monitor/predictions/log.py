"""The prediction log: many requests become one transaction, and each is answered after it is on disk.

Requests wait in a queue that one writer thread empties: whatever waits goes into the next commit. So one sender is
answered after one commit, and a thousand senders share one.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from monitor.clock import Clock
from monitor.errors import BusyError, StoreError, WatchkeeperError
from monitor.predictions import assembly
from monitor.predictions.batches import Batch
from monitor.predictions.intake import Kind, Submission
from monitor.predictions.letters import Letter, opened
from monitor.predictions.receipts import Answer, Receipt, is_settled, told_apart
from monitor.predictions.schema import Rules
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.shapes import Shapes
from monitor.records import Stream
from monitor.store import outcomes, predictions, quarantine, register
from monitor.store.db import Store
from monitor.store.outcomes import NewOutcomes
from monitor.store.predictions import NewBatch
from monitor.store.quarantine import Quarantined

_LOG = logging.getLogger(__name__)
_MOST_OF_A_COMMIT = 16_000_000
"""Bytes of the requests of one commit, about: whoever waits for it must not wait long."""
_WORTH_A_COMMIT = 1_000_000
"""So many bytes that wait are stored at once."""
_LINGER = 0.002
"""Seconds that fewer, which came during a commit, wait after it for others to join them."""


@dataclass(frozen=True, slots=True)
class IntakeStats:
    """What came in since the start. `rejected` by reason; `waiting` bytes are in the queue now."""

    accepted: Mapping[str, int]
    rejected: Mapping[str, int]
    replayed: int
    waiting: int

    @property
    def rejected_wrong_key(self) -> int:
        """Requests with a key that is not valid, and records that their key's client does not own."""
        return self.rejected.get("wrong_key", 0) + self.rejected.get("other_client", 0)


@dataclass(frozen=True, slots=True)
class _Made:
    """What a group of requests becomes in the store."""

    predictions: Sequence[NewBatch]
    outcomes: Sequence[NewOutcomes]
    refused: Sequence[Quarantined]

    @classmethod
    def of(cls, group: Sequence[Submission], settings: PredictionSettings, now: float) -> "_Made":
        return cls(
            assembly.ingested(group, settings), assembly.told(group, now), assembly.refused(group, now)
        )


class PredictionLog:
    """Takes predictions and outcomes in, durably. `clients` are those whose records are taken; None for any."""

    def __init__(
        self, store: Store, settings: PredictionSettings, clock: Clock, clients: frozenset[str] | None = None
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.clients = clients
        self.shapes = Shapes(settings)
        self._store = store
        self._queue: deque[tuple[Letter | Submission, Answer]] = deque()
        self._wake = threading.Condition()
        self._bytes = 0
        self._is_called = False
        self._running = False
        self._thread: threading.Thread | None = None
        self._accepted: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self.on_refused: Callable[[Stream, pa.RecordBatch], object] = lambda _stream, _rows: None
        """Told of predictions that were valid and had to be refused, because the store is out of reach."""
        self._replayed = 0

    def start(self) -> None:
        """Begin to take requests."""
        with self._store.read() as connection:
            self.shapes.know(register.streams(connection))
        self._running = True
        self._thread = threading.Thread(target=self._write, name="prediction-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then take no more."""
        with self._wake:
            self._running = False
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def rules(self, client: str = "") -> Rules:
        """What records are held against now, from a sender whose key is bound to `client`."""
        return Rules(self.settings, self.clock.now(), client, self.clients)

    def hand_over(self, requests: Sequence[tuple[Letter | Submission, Answer]]) -> None:
        """Have the writer store requests. One call for many of them makes one commit.

        Each is answered once, in the writer's thread; at once, and in this one, where too much waits already or the
        log is not running. Without any, what came during a commit is stored at once.
        """
        refused: list[tuple[Answer, BusyError]] = []
        with self._wake:
            for request, answer in requests:
                if (busy := self._is_busy(request.size)) is not None:
                    refused.append((answer, busy))
                    continue
                self._bytes += request.size
                self._queue.append((request, answer))
            self._is_called = True
            self._wake.notify()
        for answer, busy in refused:
            answer(busy)

    def _is_busy(self, size: int) -> BusyError | None:
        """Why a request of so many bytes cannot be taken."""
        if not self._running:
            return BusyError("the daemon is stopping", retry_after=5)
        if self._bytes and self._bytes + size > self.settings.queue_limit:
            hint = "send again a little later"
            return BusyError("too much waits for the database", retry_after=1, hint=hint)
        return None

    def append(self, batches: Sequence[Batch]) -> None:
        """Write batches of history; durable on return. The same batch written again is there once.

        Raises:
            StoreError: the database refused; nothing was written.
        """
        now = self.clock.now()
        new = [assembly.new_batch(batch, self.settings) for batch in batches]
        with self._store.write() as connection:
            written = predictions.put(connection, new, now)
        self._accepted["predictions"] += written

    def append_outcomes(self, stream: Stream, rows: pa.RecordBatch) -> None:
        """Write outcomes of history; durable on return. Told again, they change nothing: an id's fields count once.

        Raises:
            StoreError: the database refused; nothing was written.
        """
        now = self.clock.now()
        with self._store.write() as connection:
            outcomes.put(connection, [assembly.new_outcomes(stream, rows, now)], now)
        self._accepted["outcomes"] += rows.num_rows

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count requests that were refused before their records were read (wrong key, too large, malformed)."""
        self._rejected[reason] += count

    def stats(self) -> IntakeStats:
        """What came in since the start."""
        return IntakeStats(dict(self._accepted), dict(self._rejected), self._replayed, self._bytes)

    def _write(self) -> None:
        while True:
            with self._wake:
                self._wait()
                if not self._queue and not self._running:
                    return
                group = self._take()
            if read := list(opened(group, self.shapes)):
                self._commit(read)
            with self._wake:
                self._bytes -= sum([request.size for request, _ in group])
                self._is_called = False

    def _wait(self) -> None:
        """Until there is something to store, and whoever was just answered had a moment to send more.

        A commit costs the same for one small request as for thirty.
        """
        while self._running and not self._is_called and self._bytes < _WORTH_A_COMMIT:
            if not self._wake.wait(_LINGER if self._queue else None):
                return

    def _take(self) -> list[tuple[Letter | Submission, Answer]]:
        group: list[tuple[Letter | Submission, Answer]] = []
        size = 0
        while self._queue and size < _MOST_OF_A_COMMIT:
            group.append(self._queue.popleft())
            size += group[-1][0].size
        return group

    def _commit(self, group: list[tuple[Submission, Answer]]) -> None:
        """Store a group in one transaction; if one of it cannot be stored, each alone."""
        results: Sequence[Receipt | WatchkeeperError]
        try:
            results = self._store_all([submission for submission, _ in group])
        except StoreError as error:
            hint = "nothing of this request was stored; send it again"
            results = [BusyError(error.message, retry_after=5, hint=hint)] * len(group)
        except (
            Exception
        ) as error:  # the border: one request must neither stop the writer nor spoil the others
            if len(group) > 1:
                for one in group:
                    self._commit([one])
                return
            _LOG.exception("a request could not be stored")
            results = [WatchkeeperError(f"the request could not be stored: {error}")]
        for (_, answer), result in zip(group, results, strict=True):
            answer(result)
        if isinstance(results[0], BusyError):
            self._show([submission for submission, _ in group])

    def _show(self, refused: list[Submission]) -> None:
        """Let whoever watches without a store see what it could not take."""
        try:
            for stream, rows in assembly.assemble(refused, Kind.PREDICTIONS):
                self.on_refused(stream, rows)
        except Exception:  # the border again: these rows were answered, and the writer goes on
            _LOG.exception("rows that could not be stored could not be looked at either")

    def _store_all(self, group: list[Submission]) -> list[Receipt | WatchkeeperError]:
        now = self.clock.now()
        made = _Made.of(group, self.settings, now)  # before the transaction, in which others wait
        with self._store.write() as connection:
            answers = told_apart(connection, group, now)
            fresh = [one for one, answer in zip(group, answers, strict=True) if not is_settled(answer)]
            if len(fresh) < len(group):  # a resend: rare enough to make the others' columns again
                made = _Made.of(fresh, self.settings, now)
            predictions.put(connection, made.predictions, now)
            outcomes.put(connection, made.outcomes, now)
            quarantine.put(connection, made.refused)
        self._replayed += len(group) - len(fresh)
        for kind in Kind:
            self._accepted[kind] += sum([one.accepted for one in fresh if one.kind is kind])
        self._rejected.update(refusal.reason for one in fresh for refusal in one.refused)
        return answers
