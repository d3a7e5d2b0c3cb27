"""Requests on their way through the writer: raw, parsed, and answered with a receipt.

The writer's thread parses small requests itself, so that the records are still in the processor's cache when they are
stored, and the threads that receive requests are free.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from heapq import nsmallest

import msgspec
from sqlalchemy import Connection

from monitor.errors import BusyError, InputError, StoreError, WatchkeeperError
from monitor.predictions.intake import bodies, parse
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.identity import identify
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.records import Rejected
from monitor.store import idempotency
from monitor.store.idempotency import RequestKey
from monitor.text_limits import NAME, shortened
from monitor.times.columns import Micros
from monitor.visible import visible

_LOG = logging.getLogger(__name__)
_MOST_IGNORED = 100
MOST_OBJECTS = 200
"""The most objects of a body that is parsed one by one here: some milliseconds."""
_SMALLER = "send fewer records per request"


class IntakeResult(msgspec.Struct, frozen=True):
    """The result of a request. `rejected` and `ignored` hold the first ones, the counts are of all.

    `replayed`: the request was stored before, and was not stored again.
    """

    accepted: int
    rejected: Sequence[Rejected] = ()
    ignored: Sequence[str] = ()
    rejected_count: int = 0
    ignored_count: int = 0
    replayed: bool = False


class RepeatedPartError(WatchkeeperError):
    """Of several requests that were read together, one is known already: each is to be stored for itself."""


Answer = Callable[[IntakeResult | WatchkeeperError], None]
"""Called once with the result of a request."""


class RawRequest(msgspec.Struct, frozen=True):
    """A request that is not parsed yet. `sender` shares the writer with others. `rules` are those that held for it when
    it arrived; `identity` is the result of `identify`, or None if it was not called yet. `relay_key` identifies
    it where neither the sender's key nor its content does.
    """

    kind: RecordKind
    body: bytes
    content_type: str
    rules: Rules
    idempotency_key: str
    identity: RequestKey | None
    sender: str = ""
    relay_key: str = ""

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body)

    def parsed(
        self, decoders: FastDecoders, most_objects: int | None = None
    ) -> ParsedRequest | WatchkeeperError:
        """The checked records, or the error for the sender. See `parse.read`."""
        try:
            request = parse.read(
                self.kind,
                self.body,
                self.content_type,
                self.rules,
                decoders,
                self.idempotency_key,
                self.identity,
                most_objects,
            )
            if request.request is None and self.relay_key:
                request.request = identify(self.kind, self.body, self.rules.client, self.relay_key)
            request.sender = self.sender
            return request
        except Exception as error:  # boundary: one request must not stop the writer
            return failed(error)


Entry = tuple[RawRequest | ParsedRequest, Answer]


def failed(error: Exception) -> WatchkeeperError:
    """The error for the sender of a request whose reading failed."""
    if isinstance(error, StoreError):
        hint = "nothing was stored; send the request again"
        return BusyError(error.public, retry_after=5, hint=hint)
    if isinstance(error, WatchkeeperError):
        return error
    if isinstance(error, MemoryError):
        return BusyError("not enough memory for this request", retry_after=5, hint=_SMALLER)
    _LOG.error("a request could not be read", exc_info=error)
    return InputError("the request cannot be read", hint="the daemon's log has the reason")


class Most(msgspec.Struct, frozen=True):
    """How much one commit takes: values as columns, batches of `base` seconds, seconds of parsing, and bytes of
    requests whose texts are to be measured. A request that alone has more batches or texts is read apart, if it was not
    yet.
    """

    base: float
    batches: int
    seconds: float
    texts: int = 131_072
    values: int = parse.MAX_VALUES

    def batches_of(self, request: ParsedRequest) -> int:
        """About how many batches a request becomes."""
        batches = 0
        for part in request.parts:
            batches += 1 if len(part.times) == 1 else min(len(part.times), _windows(part.times, self.base))
        return batches


def _windows(times: Micros, base: float) -> int:
    first, last = (min(times), max(times)) if isinstance(times, list) else (times.min(), times.max())
    return int((int(last) - int(first)) // (base * 1e6)) + 1


def portion(
    entries: Sequence[Entry], decoders: FastDecoders, most: Most, elapsed: Callable[[], float]
) -> tuple[list[tuple[ParsedRequest, Answer]], list[Entry]]:
    """The first requests, parsed, as many as one commit takes, at least one; and the others.

    A request that cannot be parsed, or is to be read apart, is answered at once.
    """
    taken: list[tuple[ParsedRequest, Answer]] = []
    until, values, batches, texts = elapsed() + most.seconds, 0, 0, 0
    for place, (request, answer) in enumerate(entries):
        if taken and elapsed() > until:
            return taken, list(entries[place:])
        is_raw = isinstance(request, RawRequest)
        parsed = request.parsed(decoders, MOST_OBJECTS) if isinstance(request, RawRequest) else request
        if not isinstance(parsed, ParsedRequest):
            answer(parsed)
            continue
        more, measured = most.batches_of(parsed), parsed.unmeasured_bytes
        if is_raw and (more > most.batches or measured > most.texts):
            answer(bodies.ReadApartError("it has many streams or windows, or long texts"))
            continue
        values, batches, texts = values + parsed.places, batches + more, texts + measured
        if taken and (values > most.values or batches > most.batches or texts > most.texts):
            return taken, [(parsed, answer), *entries[place + 1 :]]
        taken.append((parsed, answer))
    return taken, []


def deduplicate(
    connection: Connection, group: Sequence[ParsedRequest], now: float
) -> list[IntakeResult | WatchkeeperError]:
    """Return a receipt per request; `replayed` marks one that was stored before, or is twice in this group.

    Raises:
        RepeatedPartError: one of several requests that were read together is known; the transaction is to be undone.
    """
    known_requests = [
        known for request in group for known in (*_names(request), *request.several, *request.covered)
    ]
    first: dict[bytes, RequestKey] = {}
    for known in known_requests:
        first.setdefault(known.key, known)
    stored_before = idempotency.put(connection, list(first.values()), now)
    if not stored_before and len(first) == len(known_requests):  # nearly always: no key is there twice
        return [receipt_of(request, replayed=False) for request in group]
    answers: list[IntakeResult | WatchkeeperError] = []
    for request in group:
        if any(one.key in stored_before or first[one.key] is not one for one in request.several):
            raise RepeatedPartError("one of these requests is already stored")
        replayed = False
        for known in _names(request):
            content = stored_before.get(known.key, first[known.key].content)
            replayed = replayed or known.key in stored_before or first[known.key] is not known
            if content != known.content:
                answers.append(used_before())
                break
        else:
            answers.append(receipt_of(request, replayed=replayed))
    return answers


def _names(request: ParsedRequest) -> Sequence[RequestKey]:
    """The keys by which a request is known."""
    if request.aliases and request.request is not None:
        return (request.request, *request.aliases)
    return () if request.request is None else (request.request,)


def used_before() -> InputError:
    """The error for a key that was used for another request."""
    return InputError("this Idempotency-Key was already used for different content", hint="use a new key")


def receipt_of(request: ParsedRequest, *, replayed: bool) -> IntakeResult:
    """The receipt of a stored request."""
    if not (request.rejected or request.ignored or replayed):
        return _all_accepted(request.accepted)
    rejected = [refusal.rejected for refusal in request.rejected] if request.rejected else ()
    ignored = _listed(request.ignored) if request.ignored else ()
    counts = (request.rejected_count if rejected else 0, len(request.ignored))
    return IntakeResult(request.accepted, rejected, ignored, *counts, replayed)


@lru_cache
def _all_accepted(count: int) -> IntakeResult:
    """The most frequent receipt, cached."""
    return IntakeResult(count)


def _listed(names: Iterable[str]) -> list[str]:
    return [shortened(visible(name), NAME) for name in nsmallest(_MOST_IGNORED, names)]


def is_settled(answer: IntakeResult | WatchkeeperError) -> bool:
    """Whether nothing is left to store: the request was stored before, or is rejected."""
    return isinstance(answer, WatchkeeperError) or answer.replayed
