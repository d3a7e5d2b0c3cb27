"""POST /v1/predictions and /v1/outcomes: requests are answered once their records are on disk.

Plain ASGI without the application's routing and middleware, because this is the hot path: the body is read once, up to
its limit, decoded once into typed rows, and answered with bytes. `monitor.web.ingest.front` calls it.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from litestar.types import HTTPScope, Receive

from monitor.errors import AccessError, WatchkeeperError
from monitor.gauges.metrics_endpoints.otlp_metrics import NO_METRICS, MetricsReceiver
from monitor.predictions.intake.bodies import ReadApartError
from monitor.predictions.intake.identity import identify
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import IntakeResult, RawRequest
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.runtime.threads.preemption import SHORT_REQUESTS
from monitor.sources.group import PushTarget
from monitor.sources.otlp.agents.waiting_runs import WaitingRuns
from monitor.sources.otlp.waiting_calls import WaitingCalls
from monitor.web.auth.authentication import Access, Principal
from monitor.web.ingest import reply
from monitor.web.ingest.body_budget import BodyBudget
from monitor.web.ingest.commit_queue import CommitQueue
from monitor.web.ingest.incoming_body import BodyLimits, Headers, IncomingBody, is_unread
from monitor.web.ingest.otlp import OtlpEndpoint
from monitor.web.ingest.otlp_reply import OtlpSignal
from monitor.web.ingest.reply import Reply
from monitor.web.ingest.request import (
    bound_by_relay,
    count_rejected,
    headers_of,
    principal_of,
    sender_of,
    waited_of,
)
from monitor.web.ingest.sender_slots import ReadingSlots
from monitor.web.ingest.source_push import PushEndpoint
from monitor.web.statuses import status_of, words_of

_LARGE_BODY_BYTES = 131_072
"""Larger bodies are read apart and stored in slices, so that small ones do not wait for them, as are those that the
writer gives back."""
RESEND_WINDOW = b"watchkeeper-resend-window"
"""A header of answers to relays: for how many seconds a request that is sent again is recognized."""
_ONLY_POST = reply.of_error(
    405, "only POST is supported here", "send the records in the body", ("allow", "POST")
)


def endpoints(
    log: PredictionLog,
    access: Access,
    settings: PredictionSettings,
    waiting: WaitingCalls,
    runs: WaitingRuns,
    body_within: float = 60.0,
    push_targets: Sequence[PushTarget] = (),
    metrics: MetricsReceiver = NO_METRICS,
) -> dict[str, "RecordEndpoint | OtlpEndpoint | PushEndpoint"]:
    """The endpoints of the ingest, by path. A body must arrive within `body_within` seconds."""
    budget = BodyBudget(settings.queue_limit)
    limits = BodyLimits(settings.body_limit, body_within)
    slots = ReadingSlots(settings.acknowledge_within)
    pushed = {
        target.path: PushEndpoint(target.source, target.client, target.inbox, log, access, budget, limits)
        for target in push_targets
    }
    return {
        **pushed,
        "/v1/predictions": RecordEndpoint(RecordKind.PREDICTIONS, log, access, budget, limits, slots),
        "/v1/outcomes": RecordEndpoint(RecordKind.OUTCOMES, log, access, budget, limits, slots),
        **{
            f"/v1/{signal}": OtlpEndpoint(signal, log, access, budget, limits, metrics, waiting, runs)
            for signal in OtlpSignal
        },
    }


class RecordEndpoint:
    """One of the two endpoints for records."""

    def __init__(
        self,
        kind: RecordKind,
        log: PredictionLog,
        access: Access,
        budget: BodyBudget,
        limits: BodyLimits,
        slots: ReadingSlots,
    ) -> None:
        self._kind = kind
        self._log = log
        self._access = access
        self._limits = limits
        self._budget = budget
        self._queue = CommitQueue(log, log.settings.acknowledge_within)
        self._slots = slots

    async def answer(self, scope: HTTPScope, receive: Receive) -> Reply:
        """Process a request.

        Raises:
            DisconnectedError: the sender is gone.
        """
        if scope["method"] != "POST":
            return _ONLY_POST
        headers = headers_of(scope)
        try:
            principal = bound_by_relay(await principal_of(self._access, scope, headers), headers)
            sender = sender_of(principal, scope)
            body = IncomingBody(headers, sender, self._budget, self._limits)
            try:
                content = await body.read_decompressed(receive)
                result = await self._store(content, headers, principal, sender)
            finally:
                body.release()
        except WatchkeeperError as error:
            result = error
        answer = _accepted(result) if isinstance(result, IntakeResult) else self._rejected(result, headers)
        if "watchkeeper-waited" in headers:
            window = b"%d" % self._log.settings.resend_window
            return Reply(answer.status, [*answer.headers, (RESEND_WINDOW, window)], answer.body)
        return answer

    async def _store(
        self, body: bytes, headers: Headers, principal: Principal, sender: str
    ) -> IntakeResult | WatchkeeperError:
        """Store a body. Small bodies are parsed by the writer, large ones apart, so that they delay nothing."""
        key, kind = headers.get("idempotency-key", ""), headers.get("content-type", "")
        is_large = len(body) > _LARGE_BODY_BYTES
        identity = None if is_large else identify(self._kind, body, principal.client, key)
        waited = waited_of(headers, self._log.settings.retention) if "watchkeeper-waited" in headers else 0.0
        rules = self._log.rules(principal.client, principal.models, waited)
        relay_key = headers.get("watchkeeper-request", "")
        request = RawRequest(self._kind, body, kind, rules, key, identity, sender, relay_key)
        if not is_large:
            with SHORT_REQUESTS.of(sender):
                result = await self._queue.commit(request)
            if not isinstance(result, ReadApartError):
                return result
        parsed = await self._slots.read(self._log.prepared, request)
        if isinstance(parsed, IntakeResult | WatchkeeperError):
            return parsed
        return await self._queue.commit_slices(parsed)

    def _rejected(self, error: WatchkeeperError, headers: Headers) -> Reply:
        """The response to a rejected request, which is also counted."""
        status, more = status_of(error)
        count_rejected(self._log, status, has_key="authorization" in headers)
        if isinstance(error, AccessError) and is_unread(headers):
            more = [*more, ("connection", "close")]
        return reply.of_error(status, *words_of(error), *more)


def _accepted(receipt: IntakeResult) -> Reply:
    """202, or 422 if no record was accepted."""
    if not (receipt.rejected or receipt.ignored or receipt.replayed):
        return _all_accepted(receipt.accepted)
    answer: dict[str, Any] = {"accepted": receipt.accepted}
    rejected = [
        {"index": record.index, "error": record.error, "hint": record.hint} for record in receipt.rejected
    ]
    if receipt.ignored:
        answer["ignored"] = list(receipt.ignored)
    if receipt.ignored_count > len(receipt.ignored):
        answer["ignored_count"] = receipt.ignored_count
    if receipt.rejected_count > len(receipt.rejected):
        answer["rejected_count"] = receipt.rejected_count
    more = [("idempotent-replayed", "true")] if receipt.replayed else []
    if rejected and not receipt.accepted:
        answer |= {
            "error": "no record was accepted: " + receipt.rejected[0].error,
            "hint": receipt.rejected[0].hint,
        }
        return reply.of_json(422, answer | {"rejected": rejected}, *more)
    return reply.of_json(202, answer | {"rejected": rejected}, *more)


@lru_cache
def _all_accepted(count: int) -> Reply:
    """The most frequent response, cached."""
    return reply.of_json(202, {"accepted": count, "rejected": []})
