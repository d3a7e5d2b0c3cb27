"""Has half calls wait in the store, and makes requests of what was paired."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.clock import Clock
from monitor.predictions.intake.parse import ParsedRequest
from monitor.sources.formats.format import PairingFormat, Side
from monitor.sources.pairing import halves
from monitor.sources.pairing.halves import Half, Pairing
from monitor.sources.reading import PayloadReader
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Payload
from monitor.store import half_calls, idempotency
from monitor.store.db import Store
from monitor.store.half_calls import StoredHalf

_MOST_GIVEN_UP = 500
"""Halves that are given up in one transaction."""
_DAMAGED = "a message that waited for its other half is damaged in the database"


@dataclass(frozen=True)
class PairingPlan:
    """The requests of paired calls, and what to write in their transaction."""

    requests: Sequence[ParsedRequest] = ()
    kept: Sequence[StoredHalf] = ()
    taken: Sequence[StoredHalf] = ()
    source: str = ""

    def settle(self, connection: Connection) -> None:
        """Have new halves wait, and others wait no longer.

        Raises:
            HalfCallConflictError: another daemon was faster; the plan must be made again.
        """
        half_calls.take(connection, self.source, self.taken)
        half_calls.put(connection, self.source, self.kept)


@dataclass
class WaitingHalves:
    """The half calls of one source. `began` is when the source was opened, in seconds of the monotonic clock."""

    source: str
    settings: SourceSettings
    store: Store
    clock: Clock
    began: float = field(default=0.0)

    def plan(self, reader: PayloadReader, arrived: Sequence[Half]) -> PairingPlan:
        """Pair what arrived with what waits."""
        if not arrived:
            return PairingPlan()
        calls = {half.call for half in arrived}
        keys = [halves.key_of(self.source, call, side) for call in calls for side in Side]
        with self.store.read() as connection:
            rows = half_calls.of_calls(connection, self.source, calls)
            known = idempotency.contents_of(connection, keys)
        pairs = [(row, halves.of_row(row)) for row in rows]
        waiting = [half for _, half in pairs if half is not None]
        damaged = [row for row, half in pairs if half is None]
        return self._of(reader, halves.pair(self.source, arrived, waiting, known), damaged)

    def give_up(self, reader: PayloadReader, commit: Callable[[PairingPlan], object]) -> None:
        """Store what waits for too long without its other half, with `commit`.

        A source that was just opened has not delivered what came meanwhile: nothing is given up until it was open for
        as long as a half may wait, unless there are too many.
        """
        if not isinstance(reader.format, PairingFormat):
            return
        is_settled = self.clock.elapsed() - self.began >= self.settings.pair_within
        before = self.clock.now() - self.settings.pair_within if is_settled else float("-inf")
        while True:
            with self.store.read() as connection:
                total = half_calls.count(connection, self.source)
                rows = half_calls.oldest(connection, self.source, _MOST_GIVEN_UP)
                others = half_calls.of_calls(connection, self.source, {row.call for row in rows})
            keeps = self.settings.unanswered == "error"
            result, damaged = halves.given_up(rows, total, before, others, keeps_requests=keeps)
            if not result.taken:
                return
            commit(self._of(reader, result, damaged))
            if len(result.taken) < _MOST_GIVEN_UP:
                return

    def _of(self, reader: PayloadReader, result: Pairing, damaged: Sequence[StoredHalf]) -> PairingPlan:
        requests = [self._joined(reader, *call) for call in result.calls]
        requests += [self._refused(reader, one) for one in result.refused]
        requests += [
            reader.rejected(_damaged(row), _DAMAGED, "its sender must send it again") for row in damaged
        ]
        taken = {(row.call, row.side): row for row in (*result.taken, *damaged)}
        kept = [half.stored() for half in result.kept]
        return PairingPlan(requests, kept, list(taken.values()), self.source)

    def _joined(self, reader: PayloadReader, request: Half | None, response: Half | None) -> ParsedRequest:
        """The records of a call, under the keys of its halves."""
        present = [half for half in (request, response) if half is not None]
        first = present[0]
        assert isinstance(reader.format, PairingFormat)
        contents = reader.format.joined(
            request.half if request is not None else None, response.half if response is not None else None
        )
        parsed = reader.of_call(_payload_of(first), contents)
        known = [half.request(self.source) for half in present]
        parsed.request, parsed.aliases = known[0], known[1:]
        return parsed

    def _refused(self, reader: PayloadReader, refused: halves.RefusedHalf) -> ParsedRequest:
        half = refused.half
        parsed = reader.rejected(_payload_of(half), refused.error, refused.hint)
        if half.row is not None:  # given up: it is recognized when it comes again
            parsed.request = half.request(self.source)
        return parsed


def _payload_of(half: Half) -> Payload:
    return Payload(half.content, half.place, sent_at=half.half.at or half.sent_at)


def _damaged(row: StoredHalf) -> Payload:
    return Payload(row.content, f"call {row.call}", key=f"{row.call} {row.side}".encode())
