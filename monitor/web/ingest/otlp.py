"""POST /v1/traces, /v1/logs and /v1/metrics: OTLP over HTTP.

Exporters drop their data after any failure but 429, 502, 503 and 504, so every fault that may pass is answered with 503
and `Retry-After`, and none with 500. What is refused for good is answered with 200 and `partial_success`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator

from litestar.types import HTTPScope, Receive

from monitor.errors import AccessError, BusyError, InputError, StoreError, TooSlowError, WatchkeeperError
from monitor.gauges.metrics_endpoints.otlp_metrics import MetricsReceiver
from monitor.predictions.intake.parse import ParsedRequest
from monitor.predictions.intake.requests import IntakeResult, RepeatedPartError
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.writer import PredictionLog
from monitor.runtime.threads.preemption import preemptible
from monitor.sources.otlp import json_encoding, protobuf
from monitor.sources.otlp.agents.waiting_runs import WaitingRuns
from monitor.sources.otlp.calls import DecodedCalls, calls_of, only_client
from monitor.sources.otlp.data_points import DataPoint
from monitor.sources.otlp.evaluations import evaluations_of
from monitor.sources.otlp.span import LogRecord, RefusedItem
from monitor.sources.otlp.text_events import EVENTS
from monitor.sources.otlp.waiting_calls import Refusals, WaitingCalls
from monitor.store import scores
from monitor.web.auth.authentication import Access, Principal
from monitor.web.ingest import otlp_reply
from monitor.web.ingest.body_budget import BodyBudget
from monitor.web.ingest.commit_queue import CommitQueue
from monitor.web.ingest.incoming_body import BodyLimits, DisconnectedError, Headers, IncomingBody, is_unread
from monitor.web.ingest.otlp_reply import Encoding, OtlpSignal, encoding_of
from monitor.web.ingest.reply import Reply
from monitor.web.ingest.request import (
    bound_by_relay,
    count_rejected,
    headers_of,
    principal_of,
    sender_of,
)
from monitor.web.ingest.sender_slots import SharedSlots
from monitor.web.statuses import status_of, words_of

_LOG = logging.getLogger(__name__)
_ANSWER_WITHIN = 5.0
"""Seconds until an exporter gets its response. Most wait ten, in which they also retry."""
_RETRY_AFTER = 5
_DECODING, _AT_ONCE = "decoding", 3
"""So many requests are decoded at a time, each of another sender: all would keep the event loop waiting."""
_DECODERS = {Encoding.PROTOBUF: protobuf, Encoding.JSON: json_encoding}
_Refused = tuple[int, str]
"""The number of items that are not accepted, and why."""


class OtlpEndpoint:
    """One of the three endpoints."""

    def __init__(
        self,
        signal: OtlpSignal,
        log: PredictionLog,
        access: Access,
        budget: BodyBudget,
        limits: BodyLimits,
        metrics: MetricsReceiver,
        waiting: WaitingCalls,
        runs: WaitingRuns,
    ) -> None:
        self._signal = signal
        self._waiting, self._runs = waiting, runs
        self._metrics = metrics
        self._log = log
        self._access = access
        self._budget = budget
        self._limits = limits
        busy = "too many requests wait to be decoded"
        self._slots = SharedSlots({_DECODING: _AT_ONCE}, _ANSWER_WITHIN, busy)
        self._queue = CommitQueue(log, min(log.settings.acknowledge_within, _ANSWER_WITHIN))

    async def answer(self, scope: HTTPScope, receive: Receive) -> Reply:
        """Process a request.

        Raises:
            DisconnectedError: the sender is gone.
        """
        headers = headers_of(scope)
        encoding = encoding_of(headers.get("content-type", ""))
        spoken = encoding or Encoding.JSON
        if scope["method"] != "POST":
            return otlp_reply.of_failure(spoken, 405, "only POST is supported here", ("allow", "POST"))
        try:
            refused = await self._receive(scope, headers, encoding, receive)
        except DisconnectedError:
            raise
        except WatchkeeperError as error:
            return self._failed(spoken, error, headers)
        except Exception:  # boundary: after a 500, exporters drop what they sent
            _LOG.exception("an OTLP request failed")
            return self._failed(spoken, WatchkeeperError("the request could not be processed"), headers)
        return otlp_reply.of_success(spoken, self._signal, *refused)

    async def _receive(
        self, scope: HTTPScope, headers: Headers, encoding: Encoding | None, receive: Receive
    ) -> _Refused:
        principal = bound_by_relay(await principal_of(self._access, scope, headers), headers)
        sender = sender_of(principal, scope)
        incoming = IncomingBody(headers, sender, self._budget, self._limits)
        try:
            body = await incoming.read(receive)
            if encoding is None:
                raise InputError(
                    f"Content-Type {headers.get('content-type', '')[:60]!r} is not one of OTLP",
                    hint="use application/x-protobuf or application/json",
                )
            async with self._slots.of(sender, _DECODING):
                body = await incoming.decompressed(body)
                if self._signal is OtlpSignal.LOGS:
                    return await asyncio.to_thread(self._logs, body, encoding, principal)
                if self._signal is OtlpSignal.METRICS:
                    return await asyncio.to_thread(self._gauges, body, encoding, principal)
                calls, rules, joined = await asyncio.to_thread(self._calls, body, encoding, principal)
                calls = await asyncio.to_thread(self._new, calls)
                together = await asyncio.to_thread(self._together, calls, rules)
            if together is not None:
                with contextlib.suppress(RepeatedPartError):
                    return await self._store(together, sender, joined)
            each = await asyncio.to_thread(calls.each, rules, self._log.decoders)
            return await self._store(each, sender, joined)
        finally:
            incoming.release()

    def _calls(
        self, body: bytes, encoding: Encoding, sender: Principal
    ) -> tuple[DecodedCalls, Rules, Refusals]:
        """The calls of language models in a request that do not wait for texts, and what is refused of those that were
        joined with them.
        """
        rules = self._log.rules(sender.client, sender.models)
        gathered = self._runs.gather(rules)
        arrived = calls_of(gathered.through(preemptible(_DECODERS[encoding].spans(body))), body, rules)
        calls, joined = self._waiting.spans_arrived(arrived, rules)
        refused = self._runs.spans_arrived(gathered, rules)
        joined.add(refused.count, refused.reason)
        return calls, rules, joined

    def _new(self, calls: DecodedCalls) -> DecodedCalls:
        """The calls of which not all is known: what an exporter sends again is not read again."""
        if calls.are_many:
            with contextlib.suppress(StoreError):  # the writer says so
                return calls.without(self._log.known_keys(calls.keys))
        return calls

    def _together(self, calls: DecodedCalls, rules: Rules) -> list[ParsedRequest] | None:
        """The calls as few requests with their rows, if they can be read together."""
        together = calls.together(rules, self._log.decoders)
        for request in preemptible(together or ()):
            self._log.prepare(request)
        return together

    def _logs(self, body: bytes, encoding: Encoding, sender: Principal) -> _Refused:
        """Store the results of evaluations among log records, and the texts of calls; what is not accepted.

        Raises:
            StoreError: not all was stored. What was is recognized when it is sent again.
        """
        rules, client = self._log.rules(sender.client, sender.models), sender.client
        texts: list[LogRecord] = []
        others = _without_texts(preemptible(_DECODERS[encoding].logs(body)), texts)
        evaluations = evaluations_of(others, rules, client or only_client(rules))
        if evaluations.scores:
            self._log.store_delivery(
                [], lambda connection: scores.put(connection, evaluations.scores, rules.now)
            )
        refused = Refusals(evaluations.refused, evaluations.reason)
        if texts:
            late = self._waiting.texts_arrived(texts, rules, client or only_client(rules))
            refused.add(late.count, late.reason)
        return refused.count, refused.reason

    def _gauges(self, body: bytes, encoding: Encoding, sender: Principal) -> _Refused:
        """Give metrics to the gauges that read them. Returns what is not accepted."""
        points, invalid = [], []
        for one in preemptible(_DECODERS[encoding].data_points(body)):
            points.append(one) if isinstance(one, DataPoint) else invalid.append(one.reason)
        if sender.models:
            return len(points) + len(invalid), "this key is bound to models, and metrics name none"
        refused, reason = self._metrics.receive(points, sender.client)
        return refused + len(invalid), reason or next(iter(invalid), "")

    async def _store(self, requests: list[ParsedRequest], sender: str, joined: Refusals) -> _Refused:
        """Store calls; what is refused of them, and of those that were joined before.

        Raises:
            RepeatedPartError: they were read together, and one of them is known. None is stored.
            BusyError, StoreError: some of them may not be stored. Those that are will be recognized when all are sent
                again.
        """
        for request in requests:
            request.sender = sender
        waiting = [self._queue.commit(request) for request in requests]
        refused, reason = joined.count, joined.reason
        failure: WatchkeeperError | None = None
        for request, result in zip(requests, await asyncio.gather(*waiting), strict=True):
            if isinstance(result, BusyError | StoreError | RepeatedPartError):
                failure = failure or result
            elif isinstance(result, IntakeResult):
                refused += request.rejected_count
                for record in result.rejected[:1]:
                    reason = reason or _sentence(record.error, record.hint)
            else:
                refused += request.accepted + request.rejected_count
                reason = reason or _sentence(result.message, result.hint)
        if failure is not None:
            raise failure
        return refused, reason

    def _failed(self, encoding: Encoding, error: WatchkeeperError, headers: Headers) -> Reply:
        """The response to a request of which nothing may be stored."""
        status, more = status_of(error)
        count_rejected(self._log, status, has_key="authorization" in headers)
        if isinstance(error, TooSlowError):  # passes, but exporters drop what was answered with 408
            status, more = 503, [("retry-after", str(_RETRY_AFTER)), ("connection", "close")]
        elif isinstance(error, AccessError) and is_unread(headers):
            more = [*more, ("connection", "close")]
        return otlp_reply.of_failure(encoding, status, _sentence(*words_of(error)), *more)


def _without_texts(
    records: Iterable[LogRecord | RefusedItem], texts: list[LogRecord]
) -> Iterator[LogRecord | RefusedItem]:
    """The log records but those with the texts of calls, which are added to `texts`."""
    for record in records:
        if isinstance(record, LogRecord) and record.event in EVENTS:
            texts.append(record)
        else:
            yield record


def _sentence(error: str, hint: str) -> str:
    return f"{error}; {hint}" if hint else error
