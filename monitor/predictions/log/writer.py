"""The prediction log: commits many requests in one transaction, and answers each after it is on disk.

Requests wait in a queue that one writer thread empties: all waiting requests go into the next commit. A single sender
is answered after one commit, and a thousand senders share one.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import numpy.ma  # noqa: F401 - Arrow would load it for the first record, which would hold up everybody for 0.02 to 0.1 s
import pyarrow as pa
from sqlalchemy import Connection

from monitor.clock import Clock
from monitor.errors import BusyError, StoreError, WatchkeeperError
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.requests import (
    Answer,
    Entry,
    IntakeResult,
    Most,
    RawRequest,
    RepeatedPartError,
    deduplicate,
    is_settled,
    portion,
)
from monitor.predictions.intake.schema import Rules
from monitor.predictions.large.plain_arrow import PlainArrowReader
from monitor.predictions.large.reading import ReaderHere, ReaderMaker
from monitor.predictions.large.slices import Whole, is_over, stored_before
from monitor.predictions.log import batching
from monitor.predictions.log.batch import Batch, decode, without_ids
from monitor.predictions.log.fair_queue import FairQueue
from monitor.predictions.log.store_rows import StoreRows
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter, without_texts
from monitor.records import Stream
from monitor.runtime.supervisor import SupervisedThread
from monitor.store import idempotency, outcomes, predictions, quarantine, scores, streams, texts
from monitor.store.db import Store

_LOG = logging.getLogger(__name__)
_STOPPING = BusyError("the daemon is stopping", retry_after=5)
_COMMIT_AT_ONCE_BYTES = 1_000_000
"""When this many bytes wait, they are committed at once."""
_PARSE_SECONDS, _PARSE_SECONDS_SHARED = 0.05, 0.006
"""Seconds of parsing for one commit, of a sender that is alone and beside others."""
_TEXT_BYTES_SHARED = 32_768
"""Bytes of texts that are measured for one commit beside other senders: about a microsecond each."""
_SEE_LOG = "the daemon's log has the reason"
_LINGER = 0.002
"""Seconds that fewer bytes, which arrived during a commit, wait after it for further requests."""


@dataclass(frozen=True, slots=True)
class IntakeStats:
    """Counts since the start. `rejected` is by reason; `waiting` is the bytes in the queue now."""

    accepted: Mapping[str, int]
    rejected: Mapping[str, int]
    replayed: int
    waiting: int

    @property
    def rejected_wrong_key(self) -> int:
        """Requests with an invalid key, and records of a client that the key does not own."""
        return self.rejected.get("wrong_key", 0) + self.rejected.get("other_client", 0)


class PredictionLog:
    """Stores predictions and outcomes durably. `clients` are the accepted clients; None for any.

    `on_rejected` receives valid predictions that were rejected because the store is unavailable. `meter` measures the
    signals of calls of language models. `reader` reads large requests.
    """

    def __init__(
        self,
        store: Store,
        settings: PredictionSettings,
        clock: Clock,
        clients: frozenset[str] | None = None,
        on_rejected: Callable[[Stream, pa.RecordBatch], object] = lambda _stream, _rows: None,
        meter: SignalMeter | None = None,
        reader: ReaderMaker = ReaderHere,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.clients = clients
        self.decoders = FastDecoders(settings)
        self._store = store
        self._meter = meter or SignalMeter(store.faults)
        self._reader = reader(self.decoders, self._meter, settings)
        self._plain = PlainArrowReader(self.decoders, self._meter, settings)
        self._most = Most(settings.base_window, 200, _PARSE_SECONDS)
        self._most_shared = Most(settings.base_window, 30, _PARSE_SECONDS_SHARED, _TEXT_BYTES_SHARED)
        self._queue = FairQueue(settings.queue_limit, settings.client_rate, clock.elapsed)
        self._wake = threading.Condition()
        self._is_called = False
        self._running = False
        self._ended = threading.Event()
        self._thread: SupervisedThread | None = None
        self._accepted: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._on_rejected = on_rejected
        self._replayed = 0
        self._counting = threading.Lock()

    def start(self) -> None:
        """Start accepting requests."""
        with self._store.read() as connection:
            known = streams.figures_of_all(connection)
        silent = self.clock.now() - self.settings.retention
        self.decoders.register(figures.stream for figures in known if figures.last_received >= silent)
        self._running = True
        self._ended.clear()
        self._thread = SupervisedThread("prediction-log", self._write, self._ended, self._store.faults)
        self._thread.start()

    def stop(self) -> None:
        """Write the waiting requests, then stop accepting new ones."""
        self._reader.stop()
        with self._wake:
            self._running = False
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def rules(self, client: str = "", models: tuple[str, ...] = (), waited: float = 0.0) -> Rules:
        """The rules for records from a sender whose key is bound to `client` and `models`. They were received now, or
        `waited` seconds ago by a relay.
        """
        now = self.clock.now()
        return Rules(self.settings, now - waited, client, self.clients, models=models, checked_at=now)

    def prepared(self, request: RawRequest) -> Sequence[ParsedRequest] | IntakeResult | WatchkeeperError:
        """Read a large request apart from the writer, who then only stores its slices; or its receipt, if it was stored
        before.

        Raises:
            StoreError: whether it was stored before is not known.
        """
        slices = None if self._queue.is_shared else self._plain.read(request)
        if slices is None:
            slices = self._reader.read(request)
        if isinstance(slices, WatchkeeperError) or len(slices) == 1:
            return slices
        with self._store.read() as connection:
            stored = stored_before(connection, slices)
        if isinstance(stored, IntakeResult):
            with self._counting:
                self._replayed += 1
        return stored or slices

    def known_keys(self, keys: Sequence[bytes]) -> Container[bytes]:
        """Those of these keys by which requests were stored.

        Raises:
            StoreError: they cannot be read.
        """
        with self._store.read() as connection:
            return idempotency.contents_of(connection, keys)

    def prepare(self, parsed: ParsedRequest) -> None:
        """Make the rows of a large request, in another thread than the writer's, who then only stores them."""
        try:
            parsed.rows = StoreRows.of([parsed], self.settings, self._meter, self.clock.now())
        except Exception:  # boundary: the writer answers the request
            _LOG.exception("rows could not be made; the writer tries again")

    def submit(self, requests: Sequence[tuple[RawRequest | ParsedRequest, Answer]]) -> None:
        """Queue requests for the writer. The requests of one call share a commit.

        Each is answered once, in the writer's thread; or at once, in the calling thread, if too much is waiting or the
        log is not running. An empty list commits at once what arrived during the last commit.
        """
        self._submit([[entry] for entry in requests])

    def submit_slices(self, slices: Sequence[ParsedRequest], answer: Answer) -> None:
        """Queue the slices of a request. It is answered once, as one of `submit` is: after the last slice, or when one
        cannot be stored.
        """
        whole = Whole(answer, slices)
        self._submit([[(one, whole.answer_of(one)) for one in slices]])

    def _submit(self, groups: Sequence[Sequence[Entry]]) -> None:
        rejected: list[tuple[Answer, BusyError]] = []
        with self._wake:
            for entries in groups:
                busy = self._queue.put_all(entries) if self._running else _STOPPING
                if busy is not None:
                    rejected.append((entries[-1][1], busy))
            self._is_called = True
            self._wake.notify()
        for answer, busy in rejected:
            answer(busy)

    def append(self, batches: Sequence[Batch]) -> None:
        """Write batches of history; durable on return. Rows whose ids are already stored for their time are skipped,
        and an equal batch is stored only once.

        Raises:
            StoreError: the database failed; nothing was written.
        """
        now = self.clock.now()
        with self._store.read() as connection:
            stored_ids = [predictions.ids_in(connection, batch.stream, batch.window) for batch in batches]
        remaining = [without_ids(batch, ids) for batch, ids in zip(batches, stored_ids, strict=True)]
        measured, kept = self._meter.separate_batches([batch for batch in remaining if batch is not None])
        new = [batching.new_batch(batch, self.settings) for batch in measured]
        with self._store.write() as connection:
            written = predictions.put(connection, new, now)
            texts.put(connection, kept)
        self._accepted["predictions"] += written

    def append_outcomes(self, stream: Stream, rows: pa.RecordBatch) -> None:
        """Write outcomes of history; durable on return. Repeated outcomes change nothing: a field of an id counts once.

        Raises:
            StoreError: the database failed; nothing was written.
        """
        now = self.clock.now()
        with self._store.write() as connection:
            outcomes.put(connection, [batching.new_outcomes(stream, rows, now)], now)
        self._accepted["outcomes"] += rows.num_rows

    def store_delivery(
        self, requests: Sequence[ParsedRequest], settle: Callable[[Connection], object]
    ) -> list[IntakeResult | WatchkeeperError]:
        """Write what a source delivered, and with `settle` its positions, in one transaction; durable on return.

        Raises:
            StoreError: the database rejected the transaction; nothing was written.
        """
        return self._store_all(list(requests), settle)

    def count_rejected(self, reason: str, count: int = 1) -> None:
        """Count requests that were rejected before their records were parsed (wrong key, too large, malformed)."""
        self._rejected[reason] += count

    def stats(self) -> IntakeStats:
        """Counts since the start."""
        return IntakeStats(dict(self._accepted), dict(self._rejected), self._replayed, self._queue.bytes)

    def _write(self) -> None:
        while True:
            with self._wake:
                self._wait()
                if not self._queue and not self._running:
                    self._ended.set()
                    return
                group = self._queue.take()
            rest: list[Entry] = []
            try:
                most = self._most_shared if self._queue.is_shared else self._most
                part, rest = portion(group, self.decoders, most, self.clock.elapsed)
                self._commit(part)
            finally:  # also if the thread fails here and is restarted
                with self._wake:
                    self._queue.put_back(rest, group)
                    self._queue.done(group[: len(group) - len(rest)])
                    self._is_called = bool(rest)

    def _wait(self) -> None:
        """Wait until there is something to store, and until senders that were just answered had a moment to send more.

        A commit costs the same for one small request as for thirty.
        """
        while self._running and not self._is_called and self._queue.bytes < _COMMIT_AT_ONCE_BYTES:
            if not self._wake.wait(_LINGER if self._queue else None):
                return

    def _commit(self, group: list[tuple[ParsedRequest, Answer]]) -> None:
        """Store a group in one transaction; if one of its requests cannot be stored, each alone."""
        group = [entry for entry in group if not is_over(entry[0])]
        if not group:
            return
        results: Sequence[IntakeResult | WatchkeeperError]
        try:
            results = self._store_all([request for request, _ in group])
        except StoreError as error:
            hint = "nothing was acknowledged; send the same request again"
            results = [BusyError(error.public, retry_after=5, hint=hint)] * len(group)
        except Exception as error:  # boundary: one request must not stop the writer or the others
            if len(group) > 1:
                for entry in group:
                    self._commit([entry])
                return
            results = [_unstored(error)]
        for (_, answer), result in zip(group, results, strict=True):
            try:
                answer(result)
            except Exception:  # the sender is gone, which must not delay the others
                _LOG.exception("an answer could not be delivered")
        if isinstance(results[0], BusyError):
            self._report_rejected([request for request, _ in group])

    def _report_rejected(self, requests: list[ParsedRequest]) -> None:
        """Pass rejected predictions to `on_rejected`, for rules that are evaluated without the store."""
        try:
            for stream, rows in batching.assemble(requests, RecordKind.PREDICTIONS):
                self._on_rejected(stream, without_texts(rows))
            for request in requests:
                if isinstance(request.rows, StoreRows):
                    for batch in request.rows.predictions:
                        self._on_rejected(batch.stream, decode(batch.blob))
        except Exception:  # boundary: these rows were answered, and the writer goes on
            _LOG.exception("rows that could not be stored could not be evaluated either")

    def _rows(self, requests: Sequence[ParsedRequest], now: float) -> StoreRows:
        """The rows of requests: those that were made before, and those of the others together."""
        prepared = [request.rows for request in requests if isinstance(request.rows, StoreRows)]
        if not prepared:
            return StoreRows.of(requests, self.settings, self._meter, now)
        others = [request for request in requests if not isinstance(request.rows, StoreRows)]
        return StoreRows.joined([*prepared, StoreRows.of(others, self.settings, self._meter, now)])

    def _store_all(
        self, group: list[ParsedRequest], settle: Callable[[Connection], object] = lambda _connection: None
    ) -> list[IntakeResult | WatchkeeperError]:
        now = self.clock.now()
        # Before the transaction, during which other writers wait.
        rows = self._rows(group, now)
        with self._store.write() as connection:
            answers = deduplicate(connection, group, now)
            new = [request for request, answer in zip(group, answers, strict=True) if not is_settled(answer)]
            if len(new) < len(group):  # a resend: rare, so the columns of the others are built again
                rows = self._rows(new, now)
            predictions.put(connection, rows.predictions, now)
            texts.put(connection, rows.texts)
            outcomes.put(connection, rows.outcomes, now)
            scores.put(connection, (score for request in new for score in request.scores), now)
            quarantine.put(connection, rows.quarantined)
            settle(connection)
        with self._counting:
            self._replayed += len(group) - len(new)
            for kind in RecordKind:
                self._accepted[kind] += sum([request.accepted for request in new if request.kind is kind])
            for request in new:
                if request.rejected:
                    self._rejected.update(request.reasons)
        return answers


def _unstored(error: Exception) -> WatchkeeperError:
    """The answer to a request that raised an error."""
    if isinstance(error, RepeatedPartError):
        return error
    _LOG.error("a request could not be stored", exc_info=error)
    return WatchkeeperError("the request could not be stored", hint=_SEE_LOG)
