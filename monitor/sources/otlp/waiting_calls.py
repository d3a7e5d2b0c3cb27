"""Joins calls with texts that arrive apart from them, as log records: before, with, or after their span.

Texts wait for their call, encrypted (`monitor.sources.otlp.encrypted_texts`). A call without texts waits for them if
its stream may send any: at first, and as long as it does. What waits is in the store before it is acknowledged.
"""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy import Connection

from monitor.predictions.intake import parse
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.requests import IntakeResult
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.writer import PredictionLog
from monitor.sources.otlp.calls import DecodedCalls, Origin, key_of_span
from monitor.sources.otlp.encrypted_texts import name_of, opened, sealed
from monitor.sources.otlp.evaluations import stream_of
from monitor.sources.otlp.genai import UNKNOWN_REASON
from monitor.sources.otlp.held_call import HeldCall, held_in
from monitor.sources.otlp.set_aside import SetAsideKeys
from monitor.sources.otlp.span import LogRecord, Span, flaw_of
from monitor.sources.otlp.text_events import Part, completed, is_complete, is_said, part_of
from monitor.sources.otlp.text_senders import Sender, TextSenders
from monitor.store import idempotency, waiting_calls
from monitor.store.db import Store
from monitor.store.idempotency import RequestKey
from monitor.store.waiting_calls import SPAN, Position, WaitingPart

TEXTS_WAIT = 900.0
"""Seconds for which texts wait for their call. Some events are sent when a call begins."""
MOST_PARTS, MOST_BYTES = 100_000, 128_000_000
"""What may wait of one client."""
_AT_ONCE = 500
_PART = "waiting calls"
_TOO_LATE = "the texts came after their call was stored without them"
_TOO_MANY = "too many texts of the client wait for their spans: is the exporter of traces set, too?"
_NO_SPAN = "the texts of a call name no span: {flaw}"


@dataclass
class Refusals:
    """The number of items that are not accepted, and the first reason."""

    count: int = 0
    reason: str = ""

    def add(self, count: int, reason: str) -> None:
        """Count some more."""
        self.count += count
        self.reason = self.reason or (reason if count else "")


@dataclass
class _Spoken:
    """The texts of one call in a request."""

    sender: Sender
    origin: Origin
    parts: list[Part] = field(default_factory=list)


@dataclass
class _Plan:
    """What to write in one transaction."""

    now: float
    requests: list[ParsedRequest] = field(default_factory=list)
    kept: list[WaitingPart] = field(default_factory=list)
    taken: list[WaitingPart] = field(default_factory=list)
    covered: list[RequestKey] = field(default_factory=list)

    def settle(self, connection: Connection) -> None:
        """Delete what waits no longer, and write what waits from now on."""
        waiting_calls.take(connection, self.taken)
        waiting_calls.put(connection, self.kept)
        if self.covered:
            idempotency.put(connection, list({one.key: one for one in self.covered}.values()), self.now)


class WaitingCalls:
    """The calls and texts that wait. One request is handled at a time, so that both sides of a call see each other."""

    def __init__(self, log: PredictionLog, store: Store) -> None:
        self._log, self._store, self._wait = log, store, log.settings.texts_wait
        self._lock = threading.Lock()
        self._began = log.clock.elapsed()
        self._senders = TextSenders()
        self._set_aside = SetAsideKeys(store.faults, _PART, log.clock.elapsed)
        self._origins: dict[str, Origin] = {}
        """Of calls that wait. The store does not have them, so texts that came before such a call cannot be read after
        a crash unless others come."""

    def spans_arrived(self, calls: DecodedCalls, rules: Rules) -> tuple[DecodedCalls, Refusals]:
        """Store the calls whose texts are here, and have those wait whose texts may come. The others are returned.

        Raises:
            StoreError: nothing was stored.
        """
        with self._lock:
            plan = _Plan(self._log.clock.now())
            rest = self._sort(calls, rules, plan)
            refused = self._commit(plan)
        return calls.some(rest) if len(rest) < len(calls.records) else calls, refused

    def texts_arrived(self, records: Iterable[LogRecord], rules: Rules, client: str) -> Refusals:
        """Store the calls that are complete with these texts; other texts wait. `client` is used where none is named.

        Raises:
            StoreError: nothing was stored.
        """
        refused = Refusals()
        spoken = _spoken(records, rules, client, refused)
        with self._lock:
            plan = _Plan(self._log.clock.now())
            with self._store.read() as connection:
                waiting = _by_call(waiting_calls.of_calls(connection, spoken))
                keys = {call: key_of_span(one.sender[0], *one.origin[:2]) for call, one in spoken.items()}
                known = idempotency.contents_of(connection, list(keys.values()))
                room = _Room(connection)
                for call, one in spoken.items():
                    is_known = keys[call] in known
                    self._add_texts(plan, call, one, waiting.get(call, []), room, refused, is_known=is_known)
            stored = self._commit(plan)
        refused.add(stored.count, stored.reason)
        return refused

    def release(self) -> None:
        """Store the calls that have waited for too long, with the texts that came; delete texts whose call never came.

        After a start, exporters first get the time to send again what they could not.
        """
        if self._log.clock.elapsed() - self._began < self._wait:
            return
        now, after, more = self._log.clock.now(), None, True
        while more:
            with self._lock:  # which other requests get in between
                rows, after = self._overdue(now, after)
                chosen = {row.call: row for row in rows if self._set_aside.is_due(row.call)}
                self._set_aside.store_all(chosen, partial(self._store_calls, now))
            more = after is not None
        while self._delete_old(now - TEXTS_WAIT - self._wait):
            pass

    def _overdue(self, now: float, after: Position | None) -> tuple[list[WaitingPart], Position | None]:
        with self._store.read() as connection:
            return waiting_calls.spans_before(connection, now - self._wait, _AT_ONCE, after)

    def _delete_old(self, before: float) -> int:
        with self._store.write() as connection:
            deleted, lost = waiting_calls.delete_before(connection, before)
        self._set_aside.lost(lost)
        return deleted

    def _store_calls(self, now: float, rows: Sequence[WaitingPart]) -> None:
        """Store calls that have waited, with the texts that came."""
        with self._store.read() as connection:
            waiting = _by_call(waiting_calls.of_calls(connection, [row.call for row in rows]))
        plan, released = _Plan(now), list[tuple[str, Sender, bool]]()
        for row in rows:
            self._release_one(plan, released, row, waiting.get(row.call, []))
        self._commit(plan)
        for call, sender, has_texts in released:
            self._origins.pop(call, None)
            if not has_texts:
                self._senders.stored_without(call)
                self._senders.waited_in_vain(sender, self._log.clock.elapsed())

    def _release_one(
        self,
        plan: _Plan,
        released: list[tuple[str, Sender, bool]],
        row: WaitingPart,
        parts: Sequence[WaitingPart],
    ) -> None:
        """Plan to store a call that waited, with the texts that came."""
        origin, waited = self._origins.get(row.call), plan.now - row.received_at
        if origin is None and len(parts) > 1 and waited < 2 * self._wait:
            return  # another daemon can read its texts, or their last part comes
        held = held_in(row.content)
        if held is None:
            self._store.faults.report(_PART, row.call, "a call that waited is damaged")
        else:
            texts = [] if origin is None else _opened(parts, origin)
            plan.requests.append(self._request(held, texts, waited))
            released.append((row.call, held.sender, any(map(is_said, texts))))
        plan.taken += [row, *parts]

    def _sort(self, calls: DecodedCalls, rules: Rules, plan: _Plan) -> list[int]:
        """Plan what becomes of calls; the places of those that are stored as usual."""
        silent = {place for place, record in enumerate(calls.records) if _is_silent(record)}
        with self._store.read() as connection:
            if not silent and waiting_calls.is_empty(connection):
                return list(range(len(calls.records)))
            names = [
                call_of(rules.client or str(record["client"]), origin) if isinstance(record, dict) else ""
                for record, origin in zip(calls.records, calls.origins, strict=True)
            ]
            waiting = _by_call(waiting_calls.of_calls(connection, filter(None, names)))
            keys = [one.key for place in silent for one in calls.names[place]]
            known = idempotency.contents_of(connection, keys)
            room = _Room(connection)
            rest: list[int] = []
            for place, call in enumerate(names):
                parts = waiting.get(call, [])
                if place not in silent or any(one.key in known for one in calls.names[place]):
                    plan.taken += parts  # the texts are in the span, or it is stored already
                    rest.append(place)
                elif not self._add_call(
                    plan, call, _held(calls, place, rules), calls.origins[place], parts, room
                ):
                    self._senders.stored_without(call)
                    rest.append(place)
        return rest

    def _add_call(
        self,
        plan: _Plan,
        call: str,
        held: HeldCall,
        origin: Origin,
        parts: Sequence[WaitingPart],
        room: "_Room",
    ) -> bool:
        """Plan to store a call with its texts, or to have it wait for them; False if it is stored without any."""
        if any(part.part == SPAN for part in parts):  # sent again while it waits
            return True
        texts = _opened(parts, origin)
        has_texts = bool(texts)
        if origin.documents is not None:
            texts.append(origin.documents)
        may_wait = self._wait > 0 and self._senders.may_send(held.sender)
        if may_wait and not is_complete(texts, held.choices):
            row = WaitingPart(call, SPAN, held.sender[0], plan.now, held.encoded())
            stored_row = (
                []
                if origin.documents is None
                else [_sealed(call, held.sender[0], origin, origin.documents, plan.now)]
            )
            if not self._checked(held).rejected and room.takes([row, *stored_row]):
                plan.kept += [row, *stored_row]
                plan.covered += held.covered
                self._origins[call] = origin
                return True
        if has_texts:
            plan.requests.append(self._request(held, texts))
            plan.taken += parts
        return has_texts

    def _add_texts(
        self,
        plan: _Plan,
        call: str,
        spoken: _Spoken,
        parts: Sequence[WaitingPart],
        room: "_Room",
        refused: Refusals,
        *,
        is_known: bool,
    ) -> None:
        """Plan to store the call of texts, or to have them wait for it."""
        held = next((held_in(part.content) for part in parts if part.part == SPAN), None)
        if held is None and is_known:  # sent again, or what the span has, or too late
            if self._senders.was_stored_without(call):
                refused.add(len(spoken.parts), _TOO_LATE)
            self._senders.sent(spoken.sender, self._log.clock.elapsed())
            return
        texts = [*_opened(parts, spoken.origin), *spoken.parts]
        if held is not None and is_complete(texts, held.choices):
            plan.requests.append(self._request(held, texts))
            plan.taken += parts
            self._origins.pop(call, None)
            return
        rows = [_sealed(call, spoken.sender[0], spoken.origin, part, plan.now) for part in spoken.parts]
        if room.takes(rows):
            plan.kept += rows
        else:
            refused.add(len(rows), _TOO_MANY)

    def _checked(self, held: HeldCall, waited: float = 0.0) -> ParsedRequest:
        rules = self._log.rules(held.client, held.models, waited)
        return parse.check(RecordKind.PREDICTIONS, [held.record], 0, rules, self._log.decoders)

    def _request(self, held: HeldCall, texts: Sequence[Part], waited: float = 0.0) -> ParsedRequest:
        """A call with its texts, as a request of its own."""
        if any(map(is_said, texts)):
            self._senders.sent(held.sender, self._log.clock.elapsed())
        whole = replace(held, record=completed(held.record, _distinct(texts), UNKNOWN_REASON))
        parsed = self._checked(whole, waited)
        parsed.request, parsed.aliases, parsed.covered = held.names[0], held.names[1:], held.covered
        return parsed

    def _commit(self, plan: _Plan) -> Refusals:
        """Write a plan; the records that are refused."""
        refused = Refusals()
        if not (plan.requests or plan.kept or plan.taken):
            return refused
        for receipt in self._log.store_delivery(plan.requests, plan.settle):
            if isinstance(receipt, IntakeResult):
                reason = receipt.rejected[0].error if receipt.rejected else ""
                refused.add(receipt.rejected_count, reason)
            else:
                refused.add(1, receipt.message)
        return refused


class _Room:
    """What may still wait of each client."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._left: dict[str, tuple[int, int]] = {}

    def takes(self, rows: Sequence[WaitingPart]) -> bool:
        """Whether there is room for these rows of one client, which then have it."""
        client, size = rows[0].client, sum(len(row.content) for row in rows)
        if client not in self._left:
            count, total = waiting_calls.waiting_of(self._connection, client)
            self._left[client] = MOST_PARTS - count, MOST_BYTES - total
        parts, left = self._left[client]
        if parts < len(rows) or left < size:
            return False
        self._left[client] = parts - len(rows), left - size
        return True


def call_of(client: str, origin: Origin) -> str:
    """A digest that identifies a call, and does not tell the ids of its trace and span."""
    name = b"call\0" + client.encode(errors="replace") + b"\0" + origin.trace + origin.span
    return hashlib.sha256(name).hexdigest()[:40]


def _is_silent(record: object) -> bool:
    return isinstance(record, dict) and "texts" not in record


def _held(calls: DecodedCalls, place: int, rules: Rules) -> HeldCall:
    record = calls.records[place]
    assert isinstance(record, dict)
    about = calls.names[place], calls.covered[place], calls.origins[place].choices
    return HeldCall(record, *about, rules.client, rules.models)


def _spoken(records: Iterable[LogRecord], rules: Rules, client: str, refused: Refusals) -> dict[str, _Spoken]:
    """The texts in log records by call."""
    spoken: dict[str, _Spoken] = {}
    for place, record in enumerate(records):
        part = part_of(record, place)
        if part is None:
            continue
        try:
            if flaw := flaw_of(record.trace, record.span):
                raise ValueError(_NO_SPAN.format(flaw=flaw))
            span = Span(record.trace, record.span, b"", "", 0, 0, record.attributes, record.resource)
            stream = stream_of(span, rules, client)
        except ValueError as error:
            refused.add(1, str(error))
            continue
        origin = Origin(record.trace, record.span)
        call = call_of(stream.client, origin)
        spoken.setdefault(call, _Spoken((stream.client, stream.model), origin)).parts.append(part)
    return spoken


def _by_call(parts: Iterable[WaitingPart]) -> dict[str, list[WaitingPart]]:
    calls: dict[str, list[WaitingPart]] = {}
    for part in parts:
        calls.setdefault(part.call, []).append(part)
    return calls


def _sealed(call: str, client: str, origin: Origin, part: Part, now: float) -> WaitingPart:
    ids = origin.trace, origin.span
    return WaitingPart(call, name_of(part, *ids), client, now, sealed(part, *ids))


def _opened(parts: Iterable[WaitingPart], origin: Origin) -> list[Part]:
    """The texts that waited; a damaged one is left out."""
    ids = origin.trace, origin.span
    opened_parts = (opened(part.content, part.part, *ids) for part in parts if part.part != SPAN)
    return [part for part in opened_parts if part is not None]


def _distinct(texts: Iterable[Part]) -> list[Part]:
    """The parts without those that were sent again."""
    return list({part.key: part for part in texts}.values())
