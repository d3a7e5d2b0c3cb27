"""Calls of language models in a request of spans, each once.

Several spans may describe one call: a framework's span around that of the client library, or two instrumentations. Of
spans that lie in each other, the innermost is the call. Spans may arrive in different requests, and again. So a call is
known by its trace with the id of its response, and with the id of its span; and it makes the spans around it
superfluous.
"""

import hashlib
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from monitor.errors import TooLargeError
from monitor.predictions.intake import parse
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.identity import identify
from monitor.predictions.intake.known_calls import read_together
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.predictions.intake.validation import RecordError
from monitor.runtime.threads.preemption import preemptible
from monitor.sources.otlp import genai
from monitor.sources.otlp.messages import context_of, documents_of
from monitor.sources.otlp.span import RefusedItem, Span
from monitor.sources.otlp.text_events import Part, completed, part_of_context, parts_of
from monitor.store.idempotency import RequestKey
from monitor.visible import counted

_MAX_ANCESTORS = 4
"""How many levels of spans above a call are recognized as its frame."""
_FEW = 50
"""Fewer calls than these are each a request: their signals are measured together with those of other senders."""
_TOGETHER_BYTES = 1_000_000
"""About how much of a body is stored in one commit: others wait for it."""
_NO_CLIENT = "set OTEL_RESOURCE_ATTRIBUTES=watchkeeper.client=NAME, or use a key that belongs to a client"
_NO_MODEL = "set OTEL_SERVICE_NAME, or the attribute watchkeeper.model"


class _Place(NamedTuple):
    """A span among the others of a request."""

    parent: bytes
    is_other_work: bool


class _Call(NamedTuple):
    span: Span
    response_id: str | None


class Origin(NamedTuple):
    """Where a call comes from: its trace and its span, its number of choices, and its documents if it has no texts."""

    trace: bytes
    span: bytes
    choices: int = 1
    documents: Part | None = None


@dataclass(frozen=True, slots=True)
class DecodedCalls:
    """The calls of a request: their records, the keys of each (`names`), those of the spans around each (`covered`),
    where each comes from, and a request with the spans that are invalid, if there are any. `size` is that of the body
    in bytes.
    """

    records: Sequence[object]
    names: Sequence[Sequence[RequestKey]]
    covered: Sequence[Sequence[RequestKey]]
    origins: Sequence[Origin]
    invalid: Sequence[ParsedRequest]
    size: int

    def some(self, places: Sequence[int]) -> "DecodedCalls":
        """The calls at these places, and what is invalid."""
        return DecodedCalls(
            [self.records[place] for place in places],
            [self.names[place] for place in places],
            [self.covered[place] for place in places],
            [self.origins[place] for place in places],
            self.invalid,
            self.size,
        )

    @property
    def are_many(self) -> bool:
        """Whether they are worth reading together."""
        return len(self.records) >= _FEW

    @property
    def keys(self) -> list[bytes]:
        """The keys of all calls, and of the spans around them."""
        return [known.key for names in (*self.names, *self.covered) for known in names]

    def without(self, known: Container[bytes]) -> "DecodedCalls":
        """The calls of which not all keys are known."""
        return self.some(
            [
                place
                for place, (names, covered) in enumerate(zip(self.names, self.covered, strict=True))
                if not all(one.key in known for one in (*names, *covered))
            ]
        )

    def together(self, rules: Rules, decoders: FastDecoders) -> list[ParsedRequest] | None:
        """All of them as few requests, each of which is stored only if each of its calls is new; None if they have to
        be read by themselves.
        """
        if not self.are_many:
            return None
        count = len(self.records)
        requests: list[ParsedRequest] = []
        most = max(_FEW, count * _TOGETHER_BYTES // max(self.size, 1))
        for start in preemptible(range(0, count, most)):
            part = slice(start, start + most)
            try:
                parsed = self._parsed(part, rules, decoders)
            except TooLargeError:
                return None
            if parsed is None:  # perhaps because two calls have one id
                return None
            parsed.several = [name for names in self.names[part] for name in names]
            parsed.covered = [above for frame in self.covered[part] for above in frame]
            requests.append(parsed)
        return [*requests, *self.invalid]

    def _parsed(self, part: slice, rules: Rules, decoders: FastDecoders) -> ParsedRequest | None:
        records = self.records[part]
        size = self.size * len(records) // len(self.records)
        return read_together(records, size, rules, decoders)

    def each(self, rules: Rules, decoders: FastDecoders) -> list[ParsedRequest]:
        """Each as a request of its own."""
        size = self.size // max(len(self.records), 1)
        requests: list[ParsedRequest] = []
        for record, names, covered in zip(self.records, self.names, self.covered, strict=True):
            parsed = parse.check(RecordKind.PREDICTIONS, [record], size, rules, decoders)
            parsed.request, parsed.aliases, parsed.covered = names[0], names[1:], covered
            requests.append(parsed)
        return [*requests, *self.invalid]


def calls_of(spans: Iterable[Span | RefusedItem], body: bytes, rules: Rules) -> DecodedCalls:
    """The calls in the spans of a request.

    Raises:
        InputError: the body cannot be decoded.
        TooLargeError: it has more spans than a request may.
    """
    places: dict[tuple[bytes, bytes], _Place] = {}
    calls: dict[tuple[bytes, bytes], Span] = {}
    refused: list[str] = []
    documents: dict[bytes, list[str]] = {}
    for count, span in enumerate(spans):
        if count >= rules.settings.max_records:
            raise TooLargeError(
                f"the body has more than {counted(count, 'span')}", hint="send fewer spans per request"
            )
        if isinstance(span, RefusedItem):
            refused.append(span.reason)
            continue
        operation = genai.operation_of(span)
        places[span.trace, span.id] = _Place(span.parent, genai.is_other_work(operation))
        if genai.is_call(span, operation):
            calls[span.trace, span.id] = span
        elif retrieved := documents_of(span):
            documents.setdefault(span.trace, []).extend(retrieved)
    records: list[object] = []
    names: list[Sequence[RequestKey]] = []
    covered: list[Sequence[RequestKey]] = []
    origins: list[Origin] = []
    for call, frame in preemptible(_innermost(calls, places)):
        record, origin = _read(call.span, rules, documents.get(call.span.trace, ()))
        client = rules.client or str(record["client"])  # no sender names the calls of another client
        of_call, of_frame = _keys(call, frame, client)
        records.append(with_stream(record))
        names.append(of_call)
        covered.append(of_frame)
        origins.append(origin)
    invalid = [_invalid(refused, body, rules)] if refused else []
    return DecodedCalls(records, names, covered, origins, invalid, len(body))


def _read(span: Span, rules: Rules, documents: Sequence[str]) -> tuple[dict[str, Any], Origin]:
    """The record of a call, with the texts in its attributes or else in its events."""
    record = genai.record_of(span, rules.client or only_client(rules), documents)
    if "texts" in record:
        return record, Origin(span.trace, span.id)
    context_part = part_of_context(context_of(span, documents))
    if spoken := parts_of(span):
        record = completed(record, [*spoken, *([context_part] if context_part else [])], genai.UNKNOWN_REASON)
    return record, Origin(span.trace, span.id, genai.choices_of(span), context_part)


def _innermost(
    calls: dict[tuple[bytes, bytes], Span], places: dict[tuple[bytes, bytes], _Place]
) -> Iterable[tuple[_Call, Sequence[bytes]]]:
    """The calls that have no other call in them, each with the ids of the spans around it."""
    frames = {key: _frame(span, places) for key, span in calls.items()}
    outer: set[tuple[bytes, bytes]] = set()
    for (trace, span_id), frame in frames.items():
        if (trace, span_id) not in outer:
            outer.update((trace, above) for above in frame if above != span_id)
    by_response: dict[tuple[bytes, str], _Call] = {}
    single: list[_Call] = []
    for key, span in calls.items():
        if key in outer:
            continue
        call = _Call(span, genai.response_id(span))
        if call.response_id is None:
            single.append(call)
        else:
            by_response.setdefault((span.trace, call.response_id), call)
    for call in (*by_response.values(), *single):
        yield call, frames[call.span.trace, call.span.id]


def _frame(span: Span, places: dict[tuple[bytes, bytes], _Place]) -> list[bytes]:
    """The ids of the spans around a call, up to a tool or an agent, whose other calls are their own."""
    frame: list[bytes] = []
    above = span.parent
    while above and len(frame) < _MAX_ANCESTORS and above not in frame:
        place = places.get((span.trace, above))
        if place is not None and place.is_other_work:
            break
        frame.append(above)
        above = b"" if place is None else place.parent
    return frame


def only_client(rules: Rules) -> str:
    """The client of a configuration with a single one."""
    return next(iter(rules.clients)) if rules.clients is not None and len(rules.clients) == 1 else ""


def with_stream(record: dict[str, Any]) -> object:
    """The record, or the error for what OTLP names differently than other requests."""
    if not record["client"]:
        return RecordError("incomplete", "the span names no client", hint=_NO_CLIENT)
    if not record["model"]:
        return RecordError("incomplete", "the span names no service and no model", hint=_NO_MODEL)
    return record


def _keys(call: _Call, frame: Sequence[bytes], client: str) -> tuple[list[RequestKey], list[RequestKey]]:
    """The keys of a call, and those of the spans around it.

    Keys of one trace have one start, so that they are on one page of the database.
    """
    span = call.span
    start = _start(client, span.trace)
    names = [] if call.response_id is None else [_key(start, "response", call.response_id)]
    names.append(_key(start, "span", span.id.hex()))
    return names, [_key(start, "span", above.hex()) for above in frame]


def key_of_span(client: str, trace: bytes, span: bytes) -> bytes:
    """The key by which the call of a span is known."""
    return _key(_start(client, trace), "span", span.hex()).key


@lru_cache(1024)
def _start(client: str, trace: bytes) -> bytes:
    return hashlib.sha256(b"otlp\0" + client.encode(errors="replace") + b"\0" + trace).digest()[:8]


def _key(start: bytes, kind: str, name: str) -> RequestKey:
    key = start + hashlib.sha256(f"{kind}\0{name}".encode(errors="replace")).digest()[:8]
    return RequestKey(key, key)


def _invalid(reasons: Sequence[str], body: bytes, rules: Rules) -> ParsedRequest:
    """The spans that could not be decoded."""
    parsed = ParsedRequest(RecordKind.PREDICTIONS, len(body))
    for index, reason in enumerate(reasons):
        error = RecordError("malformed", f"the span cannot be read: {reason}")
        parsed.reject(index, error, error, rules)
    parsed.request = identify(RecordKind.PREDICTIONS, body, rules.client, "")
    return parsed
