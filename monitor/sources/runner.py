"""Runs one source: fetch, read, store records with the new position in one transaction, acknowledge; again.

Unreadable messages are stored as rejected and acknowledged, so that one message never stops the others. Messages stay
unacknowledged only while the store is unavailable: the source is closed, and opened again after a wait that doubles
until something is stored.
After a crash between the commit and the acknowledgement, repeated messages are recognized by position or key.
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from monitor.clock import Clock
from monitor.errors import StoreError, WatchkeeperError
from monitor.predictions.intake.parse import MAX_VALUES
from monitor.predictions.intake.requests import is_settled
from monitor.predictions.log.writer import PredictionLog
from monitor.runtime.faults import one_line
from monitor.runtime.supervisor import SupervisedThread
from monitor.sources import progress
from monitor.sources.pairing.waiting import PairingPlan, WaitingHalves
from monitor.sources.progress import Look
from monitor.sources.reading import ParsedPayloads, PayloadReader, nothing
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Fetched, Gone, Lag, Payload, Source, SourceError, positions_after
from monitor.store import idempotency, source_positions
from monitor.store.db import Store
from monitor.store.half_calls import HalfCallConflictError
from monitor.store.idempotency import RequestKey
from monitor.store.source_positions import PositionConflictError
from monitor.store.source_states import SourceState

log = logging.getLogger(__name__)

MOST_PAYLOADS = 2000
FETCH_WAIT = 1.0
"""Seconds that a fetch waits for the first payload: also how long a stop may take."""
LAG_EVERY, UNKNOWN_LAG_EVERY = 10.0, 1.0
"""Seconds between two looks at the lag: a broker tells nothing before it has assigned the source its part."""
NOWHERE: Mapping[str, str] = {}
"""No new positions."""
MOST_CONFLICTS = 5
"""Times that a transaction is repeated because another daemon paired the same calls."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before a source that failed is opened again: the first time, and at most."""


class RepeatedMessageError(WatchkeeperError):
    """Of messages that were read together, one was stored in the meantime: each is stored for itself."""


class SourceRunner:
    """One source and its thread."""

    def __init__(
        self,
        name: str,
        kind: str,
        settings: SourceSettings,
        prediction_log: PredictionLog,
        store: Store,
        clock: Clock,
        make_source: Callable[[str], Source] | None = None,
    ) -> None:
        self.name, self.kind = name, kind
        self._make_source = make_source or settings.make_source
        self._settings, self._log, self._store, self._clock = settings, prediction_log, store, clock
        self._stopping = threading.Event()
        self._positions: dict[str, str] = {}
        self._lock = threading.Lock()
        self._state = SourceState(name, kind)
        self._lag_due = 0.0
        self._looks: list[Look] = []
        self._is_first: bool | None = None
        self._stored = 0
        self._halves = WaitingHalves(name, settings, store, clock)
        self._thread = SupervisedThread(f"source {name}", self._work, self._stopping, store.faults)

    def start(self) -> None:
        """Begin to fetch."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Ask the thread to end after its current step."""
        self._stopping.set()

    def stop(self) -> None:
        """Finish the payloads that were fetched, and disconnect."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def state(self) -> SourceState:
        """How the source is doing."""
        with self._lock:
            return self._state

    def _work(self) -> None:
        wait = FIRST_WAIT
        while not self._stopping.is_set():
            source = self._make_source(self.name)
            began, stored = self._clock.elapsed(), self._stored
            try:
                source.open(self._stored_positions)
                self._read_on(source)
            except (PositionConflictError, HalfCallConflictError) as error:
                log.info("%s", error.message, extra={"source": self.name})
            except WatchkeeperError as error:
                self._failed(error)
            except Exception as error:  # boundary: what a client library raises stops only this source
                log.exception("source %s failed", self.name)
                self._failed(SourceError(one_line(error), hint="the daemon's log has the details"))
            finally:
                source.close()
            if self._stored > stored or self._clock.elapsed() - began > LONGEST_WAIT:
                wait = FIRST_WAIT
            if self._stopping.wait(wait):
                return
            wait = min(wait * 2, LONGEST_WAIT)

    def _read_on(self, source: Source) -> None:
        """Until the source fails or the daemon stops."""
        reader = PayloadReader(
            self.name,
            self._settings.make_format(),
            self._log,
            self._settings.defaults,
            self._settings.client,
            is_ordered=source.is_ordered,
        )
        self._halves.began = self._clock.elapsed()
        while not self._stopping.is_set():
            fetched = source.fetch(MOST_PAYLOADS, FETCH_WAIT)
            if fetched.payloads:
                self._store_all(reader, fetched)
                self._stored += 1
                source.acknowledge(fetched)
            if fetched.gone is not None:
                self._forget(fetched.gone)
            if fetched.problem is None:
                self._works()
            else:
                self._report(fetched.problem)
            if self._clock.elapsed() >= self._lag_due:
                self._measure_lag(source)
                self._halves.give_up(reader, self._store_plan)

    def _known(self, keys: Sequence[bytes]) -> Collection[bytes]:
        with self._store.read() as connection:
            return idempotency.contents_of(connection, keys).keys()

    def _store_all(self, reader: PayloadReader, fetched: Fetched) -> None:
        """Store payloads together; where that fails, each for itself, and quarantine those that fail again."""
        for known in (nothing, self._known):  # what comes again is rare
            try:
                reading = reader.read_all(fetched.payloads, known)
                if sum(request.places for request in reading.requests) > MAX_VALUES:
                    break
                self._commit(reader, reading, positions_after(fetched.payloads))
                return
            except (StoreError, PositionConflictError, HalfCallConflictError):
                raise
            except RepeatedMessageError as error:
                log.info("%s", error.message, extra={"source": self.name})
            except Exception:  # boundary: one payload that cannot be stored does not take the others with it
                log.exception("source %s: payloads cannot be stored together", self.name)
                break
        for payload in fetched.payloads:
            self._store_one(reader, payload)

    def _store_one(self, reader: PayloadReader, payload: Payload) -> None:
        position = positions_after([payload])
        try:
            self._commit(reader, reader.read(payload), position)
        except (StoreError, PositionConflictError, HalfCallConflictError):
            raise
        except Exception as error:  # boundary again
            log.exception("source %s: %s cannot be stored", self.name, payload.name)
            rejected = reader.rejected(payload, f"it cannot be stored: {one_line(error)}")
            self._commit(reader, ParsedPayloads([rejected]), position)

    def _commit(self, reader: PayloadReader, reading: ParsedPayloads, positions: Mapping[str, str]) -> None:
        for attempt in range(1, MOST_CONFLICTS + 1):
            plan = self._halves.plan(reader, reading.halves)
            try:
                requests = [*reading.requests, *plan.requests]
                self._store_plan(replace(plan, requests=requests), positions, reading.keys)
                return
            except HalfCallConflictError:
                if attempt == MOST_CONFLICTS:
                    raise

    def _forget(self, gone: Gone) -> None:
        """Delete the positions of what no longer exists."""
        with self._store.write() as connection:
            forgotten = source_positions.forget(connection, self.name, gone.shards, gone.before)
        for shard in forgotten:
            self._positions.pop(shard, None)

    def _store_plan(
        self, plan: PairingPlan, positions: Mapping[str, str] = NOWHERE, keys: Sequence[RequestKey] = ()
    ) -> None:
        """Store requests, half calls, positions and the keys of messages in one transaction."""
        now = self._clock.now()
        requests = plan.requests

        def settle(connection: Connection) -> None:
            source_positions.advance(connection, self.name, self._positions, positions, now)
            plan.settle(connection)
            if keys and idempotency.put(connection, keys, now):
                raise RepeatedMessageError("one of these messages is already stored")

        answers = self._log.store_delivery(requests, settle)
        self._positions |= positions
        new = [request for request, answer in zip(requests, answers, strict=True) if not is_settled(answer)]
        accepted = sum(request.accepted for request in new)
        rejected = sum(request.rejected_count for request in new)
        with self._lock:
            state = self._state
            self._state = replace(
                state,
                accepted=state.accepted + accepted,
                rejected=state.rejected + rejected,
                last_stored_at=now if accepted or rejected else state.last_stored_at,
            )

    def _stored_positions(self) -> Mapping[str, str]:
        try:
            with self._store.read() as connection:
                self._positions = source_positions.load(connection, self.name)
        except (ValueError, TypeError) as error:
            hint = "restore the database from a backup, or delete the row from source_positions"
            raise SourceError(f"its stored position is damaged: {error}", hint=hint) from error
        return dict(self._positions)

    def _measure_lag(self, source: Source) -> None:
        at = self._clock.elapsed()
        self._lag_due = at + LAG_EVERY
        lag = source.lag()
        if lag == Lag():
            self._lag_due = at + UNKNOWN_LAG_EVERY
        late = self._behind(at, lag.oldest_seconds)
        with self._lock:
            self._state = replace(
                self._state, waiting=lag.waiting, oldest_seconds=lag.oldest_seconds, behind_seconds=late
            )

    def _behind(self, at: float, oldest: float | None) -> float | None:
        """For how many seconds the records will still be late; None if nobody knows."""
        if oldest is None:
            self._looks = []
            return None
        self._looks = progress.recent(self._looks, Look(at, oldest))
        if self._is_first is not False:
            with self._store.read() as connection:
                self._is_first = not source_positions.has_caught_up(connection, self.name)
        if self._is_first and oldest < self._settings.max_age:
            with self._store.write() as connection:
                source_positions.note_caught_up(connection, self.name, self._clock.now())
            self._is_first = False
        return progress.behind(self._looks, is_first=self._is_first)[0]

    def _works(self) -> None:
        with self._lock:
            was_failing = self._state.failing_since is not None
            if was_failing:
                self._state = replace(self._state, error="", failing_since=None)
        if was_failing:
            log.warning("source %s works again", self.name)

    def _failed(self, error: WatchkeeperError) -> None:
        self._report(error)
        with self._lock:
            self._state = replace(self._state, waiting=None, oldest_seconds=None, behind_seconds=None)

    def _report(self, error: WatchkeeperError) -> None:
        """Show an error, and log it once."""
        with self._lock:
            state = self._state
            since = self._clock.now() if state.failing_since is None else state.failing_since
            self._state = replace(state, error=str(error), failing_since=since)
        if state.error != str(error):
            log.warning("source %s failed: %s", self.name, error)
