"""Parses the payloads of a source into validated records."""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.fields import OUTCOME_FIELDS, STREAM_FIELDS
from monitor.predictions.intake import parse
from monitor.predictions.intake.identity import identify, written_time
from monitor.predictions.intake.outcome_scores import FIELD as SCORES
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.rejected_record import MAX_RECORD_BYTES
from monitor.predictions.intake.schema import Rules, is_identifiable
from monitor.predictions.intake.validation import RecordError
from monitor.predictions.log.writer import PredictionLog
from monitor.sources.formats.format import ColumnarFormat, Contents, Format
from monitor.sources.formats.plain import PlainFormat
from monitor.sources.pairing.halves import Half
from monitor.sources.source import Payload
from monitor.store.idempotency import RequestKey

_FEW = 2
"""Fewer plain messages are read one by one."""
_LINES = "application/x-ndjson"
_OF_OUTCOMES = re.compile('"(?:{})"'.format("|".join(map(re.escape, (*OUTCOME_FIELDS, SCORES)))).encode())
_NULL_FOR_DEFAULT = re.compile(rb'"(client|model|environment|version|timestamp)"\s*:\s*null')
"""A default stands for it."""
_REMAINDER = "correct the sender or the mapping; the message was acknowledged and is kept in quarantine"


Known = Callable[[Sequence[bytes]], Collection[bytes]]
"""Which of some keys are those of messages that were stored before."""


def nothing(_keys: Sequence[bytes]) -> Collection[bytes]:
    """What is known while nobody has looked: a transaction with a known key fails."""
    return ()


@dataclass(frozen=True, slots=True)
class ParsedPayloads:
    """What payloads contain: requests to be stored, and half calls that are paired first. `keys` are those of messages
    that were read together: they have to be new when they are stored.
    """

    requests: Sequence[ParsedRequest] = ()
    halves: Sequence[Half] = ()
    keys: Sequence[RequestKey] = ()

    @classmethod
    def joined(cls, readings: Iterable["ParsedPayloads"]) -> "ParsedPayloads":
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

    def read_all(self, payloads: Sequence[Payload], known: Known = nothing) -> ParsedPayloads:
        """Parse many payloads: those that are one plain prediction all at once, the others one by one.

        `known` says which of them were stored before. Without it, `keys` of the result may be known already.
        """
        limit = self.log.rules(self.client).settings.body_limit
        plain: Sequence[Payload] = ()
        if isinstance(self.format, PlainFormat) and all(len(payload.body) <= limit for payload in payloads):
            plain = payloads if self._are_plain(payloads) else list(filter(self._is_plain, payloads))
        if len(plain) < _FEW:
            return ParsedPayloads.joined(map(self.read, payloads))
        keyed = {} if self.is_ordered else self._new(plain, known)
        chosen = plain if self.is_ordered else [payload for _, payload in keyed.values()]
        together = self._together(chosen) if chosen else None
        if chosen and together is None:
            return ParsedPayloads.joined(map(self.read, payloads))
        others = payloads if len(plain) < len(payloads) else ()
        by_themselves = ParsedPayloads.joined(self.read(one) for one in others if not self._is_plain(one))
        requests = [*([] if together is None else [together]), *by_themselves.requests]
        return ParsedPayloads(requests, by_themselves.halves, [request for request, _ in keyed.values()])

    def _new(self, payloads: Sequence[Payload], known: Known) -> dict[bytes, tuple[RequestKey, Payload]]:
        """The messages that were not stored before, each once, by key."""
        keyed = {
            request.key: (request, payload)
            for payload in payloads
            for request in (self._request_of(payload),)
        }
        for key in known(list(keyed)):
            del keyed[key]
        return keyed

    def _together(self, payloads: Sequence[Payload]) -> ParsedRequest | None:
        """One request with the record of each payload; None if a payload has to be read by itself."""
        rules = self.log.rules(self.client)
        body = b"\n".join(self._completed_lines(payloads))
        try:
            together = parse.read(RecordKind.PREDICTIONS, body, _LINES, rules, self.log.decoders)
        except InputError:
            return None
        is_known = together.identifiable or self.is_ordered or all(payload.key for payload in payloads)
        if together.rejected or not is_known:
            return None
        together.request = None  # the position says what is new, or the keys of the messages
        return together

    def _completed_lines(self, payloads: Sequence[Payload]) -> list[bytes]:
        """The objects with what their messages left out: of two equal names in an object, the last one counts."""
        prefix = b"{" + b"".join(
            b"%b:%b," % (_json(name), _json(value)) for name, value in self.defaults.items()
        )
        return [
            b'%b"timestamp":%r,%b' % (prefix, payload.sent_at, payload.body.strip()[1:])
            if payload.sent_at is not None and (self.is_ordered or payload.key)
            else prefix + payload.body.strip()[1:]
            for payload in payloads
        ]

    def read(self, payload: Payload) -> ParsedPayloads:
        """Parse one payload. Unreadable content is returned as rejected records, never raised."""
        rules = self.log.rules(self.client)
        if payload.error:
            return ParsedPayloads([self.rejected(payload, payload.error)])
        if (limit := rules.settings.body_limit) < len(payload.body):
            hint = "send fewer records per message, or raise predictions.body_limit; the message was acknowledged"
            return ParsedPayloads([self.rejected(payload, f"it is larger than {limit:,} bytes", hint)])
        if not payload.body.strip():  # a tombstone, or the marker of an empty file
            return ParsedPayloads()
        try:
            if (together := self._columns(payload, rules)) is not None:
                return ParsedPayloads([together])
            contents = self.format.read(payload)
            halves = [Half(half, payload.name, rules.now, payload.sent_at) for half in contents.halves]
            return ParsedPayloads(self._requests(payload, contents, rules), halves)
        except InputError as error:
            return ParsedPayloads([self.rejected(payload, error.message, error.hint)])
        except MemoryError:
            return ParsedPayloads([self.rejected(payload, "there is not enough memory for this message")])
        except Exception as error:  # boundary: a message that a format cannot read stops only itself
            return ParsedPayloads(
                [self.rejected(payload, f"it cannot be read: {type(error).__name__}: {error}")]
            )

    def _columns(self, payload: Payload, rules: Rules) -> ParsedRequest | None:
        """The predictions of a payload read at once; None if they have to be read one by one."""
        rows = self.format.columns(payload) if isinstance(self.format, ColumnarFormat) else None
        if rows is None:
            return None
        version = self.defaults.get("version")
        if version is not None:
            labels = pa.array([version]).take(pa.array(np.zeros(rows.num_rows, np.int8)))
            rows = rows.append_column("version", labels)
        same = {name: value for name, value in self.defaults.items() if name in STREAM_FIELDS}
        rows = rows.replace_schema_metadata(same)
        parsed = parse.check_columns(rows, len(payload.body), rules, self.log.decoders)
        return None if parsed.rejected else self._identified(parsed, payload)

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
        return self._identified(self._of_model(request), payload)

    def _of_model(self, request: ParsedRequest) -> ParsedRequest:
        """With what names no model counted for that of the source."""
        model = self.defaults.get("model", "")
        request.rejected = [
            replace(one, rejected=replace(one.rejected, model=one.rejected.model or model))
            for one in request.rejected
        ]
        return request

    def _requests(self, payload: Payload, contents: Contents, rules: Rules) -> list[ParsedRequest]:
        complete = partial(completed, defaults=self.defaults, sent_at=payload.sent_at)
        requests = []
        for kind, records in (
            (RecordKind.PREDICTIONS, contents.predictions),
            (RecordKind.OUTCOMES, contents.outcomes),
        ):
            if records:
                checked = parse.check(
                    kind,
                    [complete(record) for record in records],
                    len(payload.body),
                    rules,
                    self.log.decoders,
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
            requests.append(self._of_model(rest))
        return [self._identified(one, payload, place) for place, one in enumerate(requests)]

    def _identified(self, request: ParsedRequest, payload: Payload, place: int = 0) -> ParsedRequest:
        """With the key by which the message is recognized when it is delivered again."""
        request.request = self._request_of(payload, place) if payload.key else None
        if not payload.key and not self.is_ordered and request.identifiable:
            body = payload.body + b"\0%d" % place if place else payload.body
            request.request = identify(request.kind, body, self.client, "")
        return request

    def _request_of(self, payload: Payload, place: int = 0) -> RequestKey:
        """By what a message is recognized: its key, or its content."""
        if not payload.key:
            return identify(RecordKind.PREDICTIONS, payload.body, self.client, "")
        # As for requests: keys of messages of the same time are adjacent on disk.
        parts = (self.source.encode(), b"%d" % place, b"%d" % len(payload.key), payload.key + payload.body)
        digest = hashlib.sha256(b"\0".join(parts)).digest()
        return RequestKey((written_time(payload.body) + digest)[:16], digest[:16])

    def _are_plain(self, payloads: Sequence[Payload]) -> bool:
        """Whether all payloads are plain; looks at all of them at once."""
        bodies = [payload.body.strip() for payload in payloads]
        joined = b"\n".join(bodies)
        return (
            {body[:1] for body in bodies} == {b"{"}
            and joined.count(b"\n") == len(bodies) - 1
            and _is_prediction(joined)
            and not any(map(attrgetter("error"), payloads))
            and (self.is_ordered or all(map(self._is_placed, payloads)))
        )

    def _is_plain(self, payload: Payload) -> bool:
        """Whether a payload is one JSON object on one line, and a prediction."""
        body = payload.body.strip()
        is_object = body[:1] == b"{" and b"\n" not in body and not payload.error
        return is_object and _is_prediction(body) and self._is_placed(payload)

    def _is_placed(self, payload: Payload) -> bool:
        """Whether the payload, or else the time in it, says whether it is new."""
        return self.is_ordered or bool(payload.key) or b'"timestamp"' in payload.body


def _is_prediction(lines: bytes) -> bool:
    """Whether lines of JSON hold predictions, and no field that is null and has a default."""
    if b"\r" in lines or _OF_OUTCOMES.search(lines) is not None:
        return False
    return b"null" not in lines or _NULL_FOR_DEFAULT.search(lines) is None


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


def _json(text: str) -> bytes:
    return json.dumps(text).encode()


def _placed(source: str, payload: Payload, error: str) -> str:
    return f"source {source}, {payload.name}: {error}"
