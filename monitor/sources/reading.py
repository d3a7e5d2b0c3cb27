"""Parses the payloads of a source into validated records."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from monitor.errors import InputError
from monitor.predictions.intake import parse
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.rejected_record import MAX_RECORD_BYTES
from monitor.predictions.intake.schema import Rules, is_identifiable
from monitor.predictions.intake.validation import RecordError
from monitor.predictions.log.writer import PredictionLog
from monitor.sources.formats.format import Contents, Format
from monitor.sources.formats.plain import PlainFormat
from monitor.sources.pairing import Half
from monitor.sources.source import Payload
from monitor.store.idempotency import Request

_LINES = "application/x-ndjson"
_OF_OUTCOMES = (b'"truth"', b'"reviewed"', b'"corrected"', b'"feedback"', b'"scores"')
_REMAINDER = "correct the sender or the mapping; the message was acknowledged and is kept in quarantine"


@dataclass(frozen=True, slots=True)
class Reading:
    """What payloads contain: requests to be stored, and half calls that are paired first."""

    requests: Sequence[ParsedRequest] = ()
    halves: Sequence[Half] = ()

    @classmethod
    def joined(cls, readings: Iterable["Reading"]) -> "Reading":
        """Several readings as one."""
        every = list(readings)
        return cls(
            [request for one in every for request in one.requests],
            [half for one in every for half in one.halves],
        )


@dataclass(frozen=True, slots=True)
class PayloadReader:
    """Reads the payloads of one source.

    `defaults` are fields of a record (client, model, environment, version) that a message may leave out. `client` binds
    the source to a client, as it binds a key. `is_ordered` says that the source continues at a position: its messages
    need no key to be recognized when they come again.
    """

    source: str
    format: Format
    log: PredictionLog
    defaults: Mapping[str, str]
    client: str = ""
    is_ordered: bool = True

    def read_all(self, payloads: Sequence[Payload]) -> Reading:
        """Parse many payloads: all at once if each is one plain prediction, else one by one."""
        rules = self.log.rules(self.client)
        limit = rules.settings.body_limit
        is_small = all(len(payload.body) <= limit for payload in payloads)
        if len(payloads) > 1 and is_small and self._are_plain(payloads):
            body = b"\n".join(payload.body.strip() for payload in payloads)
            try:
                together = parse.read(RecordKind.PREDICTIONS, body, _LINES, rules, self.log.decoders)
            except InputError:
                return Reading.joined(map(self.read, payloads))
            together.request = None  # the position says what is new
            together.rejected = [
                replace(
                    one,
                    rejected=replace(
                        one.rejected,
                        error=_placed(self.source, payloads[one.rejected.index], one.rejected.error),
                    ),
                )
                for one in together.rejected
            ]
            return Reading([together])
        return Reading.joined(map(self.read, payloads))

    def read(self, payload: Payload) -> Reading:
        """Parse one payload. Unreadable content is returned as rejected records, never raised."""
        rules = self.log.rules(self.client)
        if payload.error:
            return Reading([self.rejected(payload, payload.error)])
        if (limit := rules.settings.body_limit) < len(payload.body):
            hint = "send fewer records per message, or raise predictions.body_limit; the message was acknowledged"
            return Reading([self.rejected(payload, f"it is larger than {limit:,} bytes", hint)])
        if not payload.body.strip():  # a tombstone, or the marker of an empty file
            return Reading()
        try:
            contents = self.format.read(payload)
            halves = [Half(half, payload.name, rules.now, payload.sent_at) for half in contents.halves]
            return Reading(self._requests(payload, contents, rules), halves)
        except InputError as error:
            return Reading([self.rejected(payload, error.message, error.hint)])
        except MemoryError:
            return Reading([self.rejected(payload, "there is not enough memory for this message")])
        except Exception as error:  # boundary: a message that a format cannot read stops only itself
            return Reading([self.rejected(payload, f"it cannot be read: {type(error).__name__}: {error}")])

    def of_call(self, payload: Payload, contents: Contents) -> ParsedRequest:
        """The request of one call that was paired."""
        try:
            requests = self._requests(payload, contents, self.log.rules(self.client))
        except InputError as error:
            return self.rejected(payload, error.message, error.hint)
        return requests[0]  # a call becomes predictions, or is unreadable

    def rejected(self, payload: Payload, error: str, hint: str = "") -> ParsedRequest:
        """A request with the whole payload as one rejected record."""
        request = ParsedRequest(RecordKind.PREDICTIONS, len(payload.body))
        why = RecordError("malformed", _placed(self.source, payload, error), hint=hint or _REMAINDER)
        content = payload.body[:MAX_RECORD_BYTES].decode(errors="replace")
        request.reject(0, content, why, self.log.rules(self.client))
        return self._identified(request, payload)

    def _requests(self, payload: Payload, contents: Contents, rules: Rules) -> list[ParsedRequest]:
        complete = partial(completed, defaults=self.defaults, sent_at=payload.sent_at)
        requests = []
        for kind, records in (
            (RecordKind.PREDICTIONS, contents.predictions),
            (RecordKind.OUTCOMES, contents.outcomes),
        ):
            if records:
                checked = parse.check(
                    kind, [complete(one) for one in records], len(payload.body), rules, self.log.decoders
                )
                checked.rejected = [
                    replace(
                        one,
                        rejected=replace(
                            one.rejected, error=_placed(self.source, payload, one.rejected.error)
                        ),
                    )
                    for one in checked.rejected
                ]
                if not payload.key:  # when it was sent does not tell two equal messages apart
                    checked.identifiable = checked.identifiable and all(map(is_identifiable, records))
                requests.append(checked)
        if contents.unreadable:
            rest = ParsedRequest(RecordKind.PREDICTIONS, len(payload.body))
            for index, part in enumerate(contents.unreadable):
                why = RecordError("malformed", _placed(self.source, payload, part.error), hint=part.hint)
                rest.reject(index, part.content, why, rules)
            requests.append(rest)
        return [self._identified(one, payload, place) for place, one in enumerate(requests)]

    def _identified(self, request: ParsedRequest, payload: Payload, place: int = 0) -> ParsedRequest:
        """With the key by which the message is recognized when it is delivered again."""
        if payload.key:
            content = hashlib.sha256(payload.body).digest()
            named = hashlib.sha256(b"\0".join((self.source.encode(), b"%d" % place, payload.key, content)))
            request.request = Request(named.digest()[:16], content[:16])
        elif not self.is_ordered and request.identifiable:
            body = payload.body + b"\0%d" % place if place else payload.body
            request.request = parse.identify(request.kind, body, self.client, "")
        return request

    def _are_plain(self, payloads: Sequence[Payload]) -> bool:
        """Whether each payload is one JSON object on one line, a prediction that leaves nothing to be filled in."""
        if not isinstance(self.format, PlainFormat) or self.defaults or not self.is_ordered:
            return False
        return all(
            body[:1] == b"{"
            and b"\n" not in body
            and b"\r" not in body
            and b'"timestamp"' in body
            and not any(word in body for word in _OF_OUTCOMES)
            for body in (payload.body.strip() for payload in payloads)
        )


def completed(record: object, defaults: Mapping[str, str], sent_at: float | None) -> object:
    """The record with what its message left out."""
    if not isinstance(record, dict):
        return record
    completed: dict[str, Any] = {
        **defaults,
        **{name: value for name, value in record.items() if value is not None},
    }
    if sent_at is not None:
        completed.setdefault("timestamp", sent_at)
    return completed


def _placed(source: str, payload: Payload, error: str) -> str:
    return f"source {source}, {payload.name}: {error}"
