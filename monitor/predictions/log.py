"""The prediction log: many requests become one transaction, and each is answered after it is on disk.

Requests wait in a queue that one writer thread empties: whatever waits goes into the next commit. So one sender is
answered after one commit, and a thousand senders share one.
"""

import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.clock import Clock
from monitor.errors import BusyError, InputError, StoreError, WatchkeeperError
from monitor.predictions.batches import Batch, encode, hashes, sampled, split
from monitor.predictions.intake import Kind, Part, Refusal, Submission
from monitor.predictions.rows import columns
from monitor.predictions.schema import Rules
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.shapes import Shapes
from monitor.records import Rejected, Stream
from monitor.store import outcomes, predictions, quarantine, requests
from monitor.store.db import Store
from monitor.store.requests import Request

_LOG = logging.getLogger(__name__)
_KEPT_OF_A_REQUEST = 100
_ROWS_OF_A_COMMIT = 50_000


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request. `replayed`: it had been stored before, and was not stored again."""

    accepted: int
    rejected: Sequence[Rejected] = ()
    ignored: Sequence[str] = ()
    replayed: bool = False


Answer = Callable[[Receipt | WatchkeeperError], None]
"""Who waits for what became of a request."""


@dataclass(frozen=True, slots=True)
class IntakeStats:
    """What came in since the start. `rejected` by reason; `waiting` bytes are in the queue now."""

    accepted: Mapping[str, int]
    rejected: Mapping[str, int]
    replayed: int
    commits: int
    waiting: int

    @property
    def rejected_wrong_key(self) -> int:
        """Requests with a key that is not valid, and records that their key's client does not own."""
        return self.rejected.get("wrong_key", 0) + self.rejected.get("other_client", 0)


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
        self._queue: deque[tuple[Submission, Answer]] = deque()
        self._wake = threading.Condition()
        self._bytes = 0
        self._running = False
        self._thread: threading.Thread | None = None
        self._accepted: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._replayed = 0
        self._commits = 0

    def start(self) -> None:
        """Begin to take requests."""
        with self._store.read() as connection:
            self.shapes.know(predictions.streams(connection))
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

    def submit(self, submission: Submission) -> Future[Receipt]:
        """Hand a request to the writer; the future holds its receipt once it is on disk.

        Raises:
            BusyError: too much waits already, or the log is not running. Nothing was taken.
        """
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()

        def answer(result: Receipt | WatchkeeperError) -> None:
            if isinstance(result, Receipt):
                future.set_result(result)
            else:
                future.set_exception(result)

        self.hand_over(submission, answer)
        return future

    def hand_over(self, submission: Submission, answer: Answer) -> None:
        """The same for callers that wait in their own way: `answer` is called once, in the writer's thread.

        Raises:
            BusyError: too much waits already, or the log is not running. Nothing was taken.
        """
        with self._wake:
            if not self._running:
                raise BusyError("the daemon is stopping", retry_after=5)
            if self._bytes and self._bytes + submission.size > self.settings.queue_limit:
                raise BusyError(
                    "too much waits for the database", retry_after=1, hint="send again a little later"
                )
            self._bytes += submission.size
            self._queue.append((submission, answer))
            self._wake.notify()

    def append(self, batches: Sequence[Batch]) -> None:
        """Write batches of history; durable on return. The same batch written again is there once.

        Raises:
            StoreError: the database refused; nothing was written.
        """
        now = self.clock.now()
        new = [self._new(batch) for batch in batches]
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
            outcomes.put(connection, [_new_outcomes(stream, rows, now)], now)
        self._accepted["outcomes"] += rows.num_rows

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count requests that were refused before their records were read (wrong key, too large, malformed)."""
        self._rejected[reason] += count

    def stats(self) -> IntakeStats:
        """What came in since the start."""
        return IntakeStats(
            dict(self._accepted), dict(self._rejected), self._replayed, self._commits, self._bytes
        )

    def _write(self) -> None:
        while True:
            with self._wake:
                while not self._queue and self._running:
                    self._wake.wait()
                if not self._queue:
                    return
                group = self._take()
            self._commit(group)
            with self._wake:
                self._bytes -= sum(submission.size for submission, _ in group)

    def _take(self) -> list[tuple[Submission, Answer]]:
        group: list[tuple[Submission, Answer]] = []
        rows = 0
        while self._queue and rows < _ROWS_OF_A_COMMIT:
            group.append(self._queue.popleft())
            rows += group[-1][0].accepted
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

    def _store_all(self, group: list[Submission]) -> list[Receipt | WatchkeeperError]:
        now = self.clock.now()
        with self._store.write() as connection:
            answers = _told_apart(connection, group, now)
            fresh = [one for one, answer in zip(group, answers, strict=True) if not _is_settled(answer)]
            predictions.put(connection, self._batches(fresh), now)
            told = [_new_outcomes(stream, rows, now) for stream, rows in _assemble(fresh, Kind.OUTCOMES)]
            outcomes.put(connection, told, now)
            quarantine.put(
                connection, [kept for one in fresh if one.refused for kept in _quarantined(one, now)]
            )
        self._commits += 1
        self._replayed += len(group) - len(fresh)
        for one in fresh:
            self._accepted[one.kind] += one.accepted
            self._rejected.update(refusal.reason for refusal in one.refused)
        return answers

    def _batches(self, group: Sequence[Submission]) -> list[predictions.NewBatch]:
        seconds = int(self.settings.base_window)
        return [
            self._new(batch, os.urandom(predictions.INGESTED))
            for stream, rows in _assemble(group, Kind.PREDICTIONS)
            for batch in split(stream, rows, seconds)
        ]

    def _new(self, batch: Batch, digest: bytes = b"") -> predictions.NewBatch:
        share = self.settings.sample_of(batch.stream)
        blob = encode(sampled(batch.rows, batch.ids, share))
        latest = float(batch.rows.column("timestamp").to_numpy().max()) / 1e6
        return predictions.NewBatch(
            batch.stream,
            batch.window,
            batch.rows.num_rows,
            latest,
            digest or blake2b(blob, digest_size=16).digest(),
            batch.ids.astype("<u8").tobytes(),
            blob,
        )


def _told_apart(
    connection: Connection, group: Sequence[Submission], now: float
) -> list[Receipt | WatchkeeperError]:
    """The answer to each request; one that was stored before, or twice in this group, is marked as replayed."""
    first: dict[bytes, Request] = {}
    for one in group:
        if one.request is not None:
            first.setdefault(one.request.key, one.request)
    before = requests.put(connection, list(first.values()), now)
    answers: list[Receipt | WatchkeeperError] = []
    for one in group:
        replayed = False
        if one.request is not None:
            content = before.get(one.request.key, first[one.request.key].content)
            replayed = one.request.key in before or first[one.request.key] is not one.request
            if content != one.request.content:
                answers.append(
                    InputError("this Idempotency-Key was used for other content", hint="use a new key")
                )
                continue
        refused = [refusal.rejected for refusal in one.refused]
        answers.append(Receipt(one.accepted, refused, sorted(one.ignored), replayed))
    return answers


def _is_settled(answer: Receipt | WatchkeeperError) -> bool:
    return isinstance(answer, WatchkeeperError) or answer.replayed


def _assemble(group: Sequence[Submission], kind: Kind) -> list[tuple[Stream, pa.RecordBatch]]:
    """The rows of many requests as columns: those of one stream and one struct type together."""
    parts: dict[tuple[Stream, type], list[Part]] = {}
    found = []
    for part in (part for one in group if one.kind is kind for part in one.parts):
        if isinstance(part.rows, pa.RecordBatch):
            found.append((part.stream, part.rows))
        else:
            parts.setdefault((part.stream, type(part.rows[0])), []).append(part)
    for (stream, _), some in parts.items():
        rows = [row for part in some for row in part.rows]
        found.append((stream, columns(rows, np.concatenate([part.times for part in some]))))
    return found


def _new_outcomes(stream: Stream, rows: pa.RecordBatch, now: float) -> outcomes.NewOutcomes:
    ids = hashes(rows).astype("<u8").tobytes()
    rows = rows.append_column("received", pa.array(np.full(rows.num_rows, now)))
    return outcomes.NewOutcomes(stream, rows.num_rows, os.urandom(16), ids, encode(rows))


def _quarantined(submission: Submission, now: float) -> list[quarantine.Quarantined]:
    """What is kept of a request's refused records: the first ones, and the number of the rest."""
    kept = [_one(submission.kind, refusal, now, 1) for refusal in submission.refused[:_KEPT_OF_A_REQUEST]]
    rest = Counter(refusal.reason for refusal in submission.refused[_KEPT_OF_A_REQUEST:])
    first = {refusal.reason: refusal for refusal in reversed(submission.refused[_KEPT_OF_A_REQUEST:])}
    return kept + [_one(submission.kind, first[reason], now, count) for reason, count in rest.items()]


def _one(kind: Kind, refusal: Refusal, now: float, count: int) -> quarantine.Quarantined:
    return quarantine.Quarantined(now, kind.value, refusal.reason, refusal.rejected, count)
