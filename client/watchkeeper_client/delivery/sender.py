"""The queue's other end: builds batches, spools them, sends them, decides what an answer means. Steps when told to."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Callable, Protocol

from watchkeeper_client.counters import SENT, Counters, dropped
from watchkeeper_client.delivery.batch import PATHS, Batch
from watchkeeper_client.delivery.builder import BatchBuilder
from watchkeeper_client.delivery.queue import RecordQueue
from watchkeeper_client.problems import INFO, Problems
from watchkeeper_client.protocol.answers import Reading, Verdict, read_answer
from watchkeeper_client.protocol.failures import Answer, SpoolError, TransportError
from watchkeeper_client.protocol.retry import backoff
from watchkeeper_client.settings import Limits
from watchkeeper_client.version import __version__

if TYPE_CHECKING:
    from watchkeeper_client.delivery.spool import Spool

ADOPT_EVERY = 60.0
_ASIDE_AFTER = 3
"""Failures in a row after which others are tried before a batch that the daemon answers with an error."""
_GIVEN_UP_AFTER = 8
_MOST_ASIDE = 4


class Post(Protocol):
    """`Transport.post`."""

    def __call__(self, path: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
        """Send."""
        ...


class Sender:
    """Used by one thread at a time. Times are those of `clock`, a monotonic one in seconds."""

    def __init__(
        self,
        queue: RecordQueue,
        post: Post,
        spool: Spool | None,
        limits: Limits,
        key: str,
        counters: Counters,
        problems: Problems,
        clock: Callable[[], float],
        pause: Callable[[], None] | None = None,
    ) -> None:
        self._queue = queue
        self._post = post
        self._spool = spool
        self._limits = limits
        self._counters = counters
        self._problems = problems
        self._clock = clock
        self._pause = pause
        self._builder = BatchBuilder(limits, counters, problems)
        self._pending: deque[Batch] = deque()
        self._headers = {"User-Agent": f"watchkeeper-client/{__version__}"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._instance = os.urandom(8).hex()
        self._since: float | None = None
        self._try_at = 0.0
        self._adopt_at = 0.0
        self._failures = 0
        self._taken = 0
        self._told_left_out: set[str] = set()
        self.settled = 0
        """Items of the queue that are sent or dropped."""

    def step(self, flush: bool = False) -> float | None:
        """Do what is due; the time at which something is due again, None where that needs a new record.

        `flush` sends at once what would wait for others or for the next attempt.
        """
        now = self._clock()
        self._adopt(now)
        self._tell_left_out()
        self._collect(now, flush)
        if flush:
            self._try_at = min(self._try_at, now)
        while self._pending and self._clock() >= self._try_at:
            self._attempt(self._pending[0])
            self._collect(self._clock(), flush)
        due = [self._try_at] if self._pending else []
        if self._since is not None and not self._is_held_back():
            due.append(self._since + self._limits.linger)
        elif not self._queue.is_empty():  # it came while the others were dealt with
            due.append(now + self._limits.linger)
        if self._spool is not None:
            due.append(self._adopt_at)
        return min(due, default=None)

    @property
    def is_safe(self) -> bool:
        """Whether all that waits is on disk."""
        return self._spool is not None and self._queue.count == 0

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def _is_held_back(self) -> bool:
        """Without a spool, what cannot be sent stays in the queue, which counts it against its limits."""
        return any(batch.file is None for batch in self._pending)

    def _collect(self, now: float, flush: bool) -> None:
        self._builder.add(self._queue.take())
        if not self._builder:
            self._since = None
            return
        if self._since is None:
            self._since = now
        while self._builder and (not self._is_held_back() or self._may_pass()):
            since = now if self._since is None else self._since
            is_due = flush or now - since >= self._limits.linger
            if not is_due and self._builder.records < self._limits.batch_records:
                return
            batch = self._builder.next(self._pause)
            if batch is None or not batch.count:
                if batch is not None:
                    self._settle(batch)
                continue
            if not self._store(batch) and self._may_pass():
                self._pending.appendleft(batch)
            else:
                self._pending.append(batch)
            if not self._builder:
                self._since = None

    def _may_pass(self) -> bool:
        """Whether another batch may be tried before those that the daemon answers with errors."""
        waiting = [batch for batch in self._pending if batch.file is None]
        return 0 < len(waiting) < _MOST_ASIDE and all(one.failures >= _ASIDE_AFTER for one in waiting)

    def _store(self, batch: Batch) -> bool:
        """Spool a batch; whether it is on disk now."""
        if self._spool is None:
            return False
        try:
            self._spool.write(batch)
        except SpoolError as error:
            self._problems.tell("spool", f"{error}: what cannot be spooled waits in memory")
            return False
        self._problems.over("spool", "the spool takes records again")
        self._queue.release(batch.records_held, batch.weight)
        batch.records_held = batch.weight = 0
        return True

    def _tell_left_out(self) -> None:
        for name, kind in list(self._counters.left_out.items()):
            if name not in self._told_left_out:
                self._told_left_out.add(name)
                message = f"{name!r} is left out where it is of type {kind}: send numbers, texts, or lists of numbers"
                self._problems.tell(f"left out {name}", message)

    def _adopt(self, now: float) -> None:
        if self._spool is None or now < self._adopt_at:
            return
        self._adopt_at = now + ADOPT_EVERY
        try:
            adopted = self._spool.adopt()
        except SpoolError as error:
            self._problems.tell("spool", str(error))
            return
        self._pending.extendleft(reversed(adopted))

    def _attempt(self, batch: Batch) -> None:
        body = self._body(batch)
        if body is None:
            return
        headers = {
            **self._headers,
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": batch.key,
            "Watchkeeper-Client": self._report(),
        }
        try:
            answer = self._post(PATHS[batch.kind], body, headers, self._limits.request_timeout)
        except TransportError as error:
            self._later(Reading(Verdict.BUSY), f"Watchkeeper cannot be reached: {error}")
            return
        reading = read_answer(answer, batch.count)
        if reading.verdict is Verdict.TAKEN:
            self._taken_in(batch, reading)
        elif reading.verdict is Verdict.SPLIT:
            self._split(batch, body, reading)
        else:
            self._later(reading, f"Watchkeeper does not take records now: {reading.message}")
            if answer.status not in (429, 503):
                self._suspect(batch, body, reading)

    def _body(self, batch: Batch) -> bytes | None:
        if batch.body is not None:
            return batch.body
        assert self._spool is not None
        try:
            return self._spool.read(batch)
        except SpoolError as error:
            self._problems.tell("spool_damaged", f"{error}: its records are lost")
            self._counters.add("spool_damaged", batch.count)
            self._done(batch)
            return None

    def _taken_in(self, batch: Batch, reading: Reading) -> None:
        self._failures = 0
        self._taken += 1
        self._try_at = 0.0
        self._problems.over("later", "Watchkeeper takes records again")
        self._counters.add(SENT, batch.count - reading.refused)
        if reading.refused:
            self._refused(reading.refused, reading.message)
        if reading.ignored:
            names = ", ".join(reading.ignored)
            self._problems.tell(
                f"ignored {names}", f"Watchkeeper knows no such fields, and ignores them: {names}"
            )
        self._done(batch)

    def _refused(self, count: int, message: str) -> None:
        self._counters.add("refused", count)
        self._problems.tell(
            f"refused {message[:80]}",
            f"Watchkeeper refused {count:,} {'record' if count == 1 else 'records'}: {message}",
        )

    def _split(self, batch: Batch, body: bytes, reading: Reading) -> None:
        """Halves of a batch that cannot be taken whole; of a single record, its end."""
        if batch.count <= 1 or body.count(b"\n") == 0:
            self._refused(batch.count, reading.message)
            self._done(batch)
            return
        self._problems.tell(
            "split", f"a batch of {batch.count:,} records is sent in halves: {reading.message}", INFO
        )
        first, second = batch.halves(body)
        self._pending.remove(batch)
        if batch.file is not None:
            self._store(first)
            self._store(second)
        self._pending.extendleft((second, first))
        if self._spool is not None:
            self._spool.remove(batch)

    def _later(self, reading: Reading, message: str) -> None:
        self._failures += 1
        self._try_at = self._clock() + max(reading.wait, backoff(self._failures))
        self._problems.tell("later", message)

    def _suspect(self, batch: Batch, body: bytes, reading: Reading) -> None:
        """A batch that alone is answered with errors must not hold up the others for ever."""
        if batch.failures == 0:
            batch.taken_since = self._taken
        batch.failures += 1
        if batch.failures >= _GIVEN_UP_AFTER and self._taken > batch.taken_since:
            self._split(batch, body, reading)
        elif batch.failures >= _ASIDE_AFTER:
            self._pending.rotate(-1)

    def _done(self, batch: Batch) -> None:
        self._pending.remove(batch)
        if self._spool is not None:
            self._spool.remove(batch)
        self._settle(batch)

    def _settle(self, batch: Batch) -> None:
        self._queue.release(batch.records_held, batch.weight)
        self.settled += batch.items

    def _report(self) -> str:
        """What became of this process's records so far, as RFC 8941's dictionary. Totals: a lost request loses none."""
        totals = self._counters.totals()
        numbers = {
            "sent": totals[SENT],
            "waiting": self._queue.count,
            "dropped": dropped(totals),
            **{name: count for name, count in totals.items() if count and name not in ("accepted", SENT)},
        }
        counts = ", ".join(f"{name}={count}" for name, count in numbers.items())
        return f'version="{__version__}", instance="{self._instance}", {counts}'
