"""Carries orders out: claims one from the outbox, calls its executor, and stores the receipt.

An order is marked as sent before the executor is called. If the process dies before the receipt, only an executor that
repeats safely is called again; otherwise the traffic tells whether the order has arrived.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from monitor.clock import Clock
from monitor.errors import StoreError
from monitor.notify.channel import MARGIN
from monitor.records import Delivery, Receipt, Status, Stream
from monitor.rollback.comparison import age
from monitor.rollback.decision import newest_of, not_live
from monitor.rollback.executors.executor import LONGEST, Executor, ExecutorError, ExecutorSettings
from monitor.rollback.kill_switch import stopped
from monitor.rollback.order import Order, decode
from monitor.rollback.planner import CHANNEL, MANUAL
from monitor.rollback.settings import RollbackSettings
from monitor.store import model_versions, outbox, rollback_stops, rollbacks
from monitor.store.db import Store
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.visible import visible

log = logging.getLogger(__name__)

CLAIM_SECONDS = 60.0
"""Lease between the claim of an order and the call of its executor."""
NO_RECEIPT = (
    "an attempt has left no receipt and is not repeated; the traffic tells whether it was carried out"
)
WAITS = (5.0, 20.0, 60.0)
"""Seconds before an executor that repeats safely is called again after an unclear attempt."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An order that this worker may carry out. `is_repeated`: an attempt before this one has left no receipt."""

    delivery: Delivery
    order: Order
    row: Rollback
    executor: ExecutorSettings | None
    is_repeated: bool


class RollbackWorker:
    """Carries out the orders of one channel of the outbox."""

    def __init__(
        self,
        store: Store,
        settings_of: Callable[[Stream], RollbackSettings],
        clock: Clock,
        stop_file: Path,
        channel: str = CHANNEL,
        make: Callable[[ExecutorSettings], Executor] = lambda settings: settings.make(),
    ) -> None:
        self._store, self._settings_of, self._clock = store, settings_of, clock
        self._stop_file, self._channel, self._make = stop_file, channel, make

    def step(self) -> bool:
        """Carry out the next order; whether there was one.

        Raises:
            StoreError: the outbox is unavailable.
        """
        claimed = self._claim()
        if claimed is None:
            return False
        started = time.monotonic()
        try:
            self._carry_out(claimed, started)
        except StoreError:
            raise
        except Exception as error:  # an order must not stop others
            log.exception("rollback %s", claimed.order.id)
            words = f"unexpected: {type(error).__name__}: {error}"
            self._failed(claimed, ExecutorError(words, is_certain=False), time.monotonic() - started)
        return True

    def _claim(self) -> Claimed | None:
        now = self._clock.now()
        with self._store.write() as connection:
            delivery = outbox.claim(connection, self._channel, now, CLAIM_SECONDS)
            if delivery is None:
                return None
            order = _order(delivery)
            row = rollbacks.named(connection, order.id) if order is not None else None
            if order is None or row is None:
                outbox.settle(connection, delivery, Status.DEAD)
                log.error("an order of the outbox cannot be read: %s", delivery.key)
                return None
            settings = self._settings_of(order.stream)
            executor = settings.drill_executor if order.mode == "drill" else settings.executor
            if executor is not None:
                outbox.renew(connection, delivery, now, executor.timeout + MARGIN)
            refused = self._refused(connection, order, settings, executor, now)
            is_repeated = delivery.maybe_sent and row.state is not RollbackState.DECIDED
            if row.state not in (RollbackState.DECIDED, RollbackState.SENT):
                refused = row.state, f"the rollback is {row.state} already"
            if is_repeated and (refused or executor is None or not executor.repeats_safely):
                refused = row.state, NO_RECEIPT + (f" ({refused[1]})" if refused else "")
            if refused:
                state, words = refused
                self._settle(connection, delivery, Status.DEAD, _receipt(delivery, now, "refused", words))
                self._change(connection, row, state, words, now)
                return None
            row = replace(row, state=RollbackState.SENT, sent_at=row.sent_at or now)
            rollbacks.change(connection, row, (RollbackState.DECIDED, RollbackState.SENT))
            return Claimed(delivery, order, row, executor, is_repeated)

    def _refused(
        self,
        connection: Connection,
        order: Order,
        settings: RollbackSettings,
        executor: ExecutorSettings | None,
        now: float,
    ) -> tuple[RollbackState, str] | None:
        """Why an order is not carried out, and the state that follows; None if it is."""
        failed = RollbackState.FAILED
        if order.mode == "dry-run" or (order.mode == "drill" and executor is None):
            return RollbackState.CONFIRMED, f"dry run: it would {_described(settings.executor, order)}"
        if why := stopped(order.stream, rollback_stops.in_force(connection), self._stop_file):
            return failed, f"not carried out: {why}"
        if order.mode == "on" and settings.mode != "on" and not order.trigger.startswith(MANUAL):
            return failed, f"not carried out: rollback is {settings.mode} for this model now"
        if order.mode == "on" and (gone := self._gone(connection, order, now)):
            return gone
        if abs(now - order.decided_at) > order.expires_at - order.decided_at:
            return (
                failed,
                f"not carried out: it was decided {age(abs(now - order.decided_at))} ago and has expired",
            )
        if executor is None:
            return failed, "not carried out: no executor is configured"
        if order.kind == "freeze" and not executor.freezes:
            words = "this executor cannot freeze a rollout: the person that is paged has to"
            return RollbackState.CONFIRMED, words
        return None

    @staticmethod
    def _gone(connection: Connection, order: Order, now: float) -> tuple[RollbackState, str] | None:
        """Why the version cannot be rolled back any more; None if it can. One that is silent has been dealt with."""
        versions = model_versions.of(connection, order.stream)
        why = not_live(order.version, versions, now)
        if not why:
            return None
        newest = newest_of(versions)
        mine = next((version for version in versions if version.version == order.version), None)
        is_silent = mine is not None and newest is not None and mine.first_seen >= newest.first_seen
        return RollbackState.VERIFIED if is_silent else RollbackState.FAILED, f"not carried out: {why}"

    def _carry_out(self, claimed: Claimed, started: float) -> None:
        assert claimed.executor is not None
        try:
            answer = self._make(claimed.executor).execute(claimed.order)
        except ExecutorError as error:
            self._failed(claimed, error, time.monotonic() - started)
            return
        now, seconds = self._clock.now(), time.monotonic() - started
        is_over = claimed.order.kind == "freeze"
        with self._store.write() as connection:
            receipt = _receipt(claimed.delivery, now, "sent", answer, seconds=seconds)
            self._settle(connection, claimed.delivery, Status.SENT, receipt)
            state = RollbackState.VERIFIED if is_over else RollbackState.CONFIRMED
            self._change(connection, claimed.row, state, visible(answer)[:LONGEST], now)
        log.warning("rollback", extra={"id": claimed.order.id, "outcome": "confirmed", "answer": answer})

    def _failed(self, claimed: Claimed, error: ExecutorError, seconds: float) -> None:
        """Call it again later if that is safe and may help; else the order has failed."""
        assert claimed.executor is not None
        now, attempts = self._clock.now(), claimed.delivery.attempts
        may_repeat = not error.is_certain and claimed.executor.repeats_safely and attempts < len(WAITS)
        log.error("rollback", extra={"id": claimed.order.id, "outcome": "failed", "reason": error.message})
        with self._store.write() as connection:
            receipt = _receipt(claimed.delivery, now, "failed", error.message, error.code, seconds)
            if may_repeat:
                self._settle(connection, claimed.delivery, Status.PENDING, receipt, now + WAITS[attempts])
                return
            self._settle(connection, claimed.delivery, Status.DEAD, receipt)
            known = "" if error.is_certain else " (it is not known whether it was carried out)"
            self._change(connection, claimed.row, RollbackState.FAILED, f"{error.message}{known}", now)

    @staticmethod
    def _settle(
        connection: Connection, delivery: Delivery, status: Status, receipt: Receipt, not_before: float = 0.0
    ) -> None:
        outbox.settle(connection, delivery, status, not_before)
        outbox.add_receipt(connection, receipt)

    @staticmethod
    def _change(connection: Connection, row: Rollback, state: RollbackState, words: str, now: float) -> None:
        """Store how far a rollback has come. One whose traffic has been checked meanwhile keeps that result."""
        is_over = state in (RollbackState.FAILED, RollbackState.VERIFIED) or row.mode != "on"
        answered = row.answered_at if state is RollbackState.SENT else now
        ended = now if is_over else row.ended_at
        changed = replace(row, state=state, detail=words, answered_at=answered, ended_at=ended)
        rollbacks.change(connection, changed, (RollbackState.DECIDED, RollbackState.SENT))


def _order(delivery: Delivery) -> Order | None:
    try:
        return decode(delivery.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _described(executor: ExecutorSettings | None, order: Order) -> str:
    if executor is None:
        return f"{order.kind} version {visible(order.version)}; no executor is configured"
    try:
        return visible(executor.describe(order))[:LONGEST]
    except ExecutorError as error:
        return f"fail: {error.message}"


def _receipt(
    delivery: Delivery, now: float, outcome: str, detail: str, code: int | None = None, seconds: float = 0.0
) -> Receipt:
    assert delivery.id is not None
    return Receipt(delivery.id, now, outcome, visible(detail)[:LONGEST], code, seconds)
