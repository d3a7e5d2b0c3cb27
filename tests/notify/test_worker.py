"""A worker goes on, whatever one delivery does to it."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.notification import Notification, encode
from monitor.clock import ManualClock
from monitor.errors import StoreError
from monitor.notify.channel import PAGES, RateLimit
from monitor.notify.delivery.dispatcher import Dispatcher
from monitor.notify.delivery.worker import ChannelWorker
from monitor.notify.failure import AttemptError, FailureKind
from monitor.records import Action, Delivery, Status
from monitor.store import incidents, outbox
from monitor.store.db import Store
from monitor.store.incidents import Incident
from tests.support import schema
from tests.support.pages import PAGE
from tests.support.waiting import until

NOW = 1_800_000_000.0


class Chat:
    """Takes everything but what `poison` is raised for, by key."""

    name = "chat"
    seconds = 5.0
    rate: RateLimit | None = None
    actions = PAGES

    def __init__(self) -> None:
        self.poison: dict[str, BaseException] = {}
        self.told: list[str] = []
        self.sending: Any = lambda: None

    def send(self, notification: Notification) -> str:
        self.sending()
        if notification.key in self.poison:
            raise self.poison[notification.key]
        self.told.append(notification.key)
        return "told"

    def close(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/worker.db")
    schema.create(made)
    yield made
    made.close()


def put(store: Store, key: str, body: bytes | None = None) -> None:
    said = encode(replace(PAGE, key=key)) if body is None else body
    incident = Incident("chat", key, "single", "", "critical", NOW, sequence=1)
    with store.write() as connection:
        outbox.add(connection, [Delivery("chat", key, 1, Action.TRIGGER, said, NOW, 0)])
        incidents.put(connection, [incident])


def rows(store: Store, key: str) -> list[Delivery]:
    with store.read() as connection:
        return outbox.conversation(connection, "chat", key)


def surrogate() -> Exception:
    try:
        "\ud800".encode()
    except UnicodeEncodeError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Header values may not contain linefeed"),
        surrogate(),
        RecursionError("maximum recursion depth exceeded"),
        MemoryError(),
        KeyError("channel\r\n\x1b[2Jname"),
        OSError(28, "No space left on device"),
        ZeroDivisionError("a template"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_law_a_delivery_that_raises_anything_stops_only_itself_and_another_way_is_taken(
    store: Store, error: Exception
) -> None:
    channel, clock = Chat(), ManualClock(NOW)
    channel.poison["bad"] = error
    for key in ("bad", "good-1", "good-2"):
        put(store, key)
    worker = ChannelWorker(store, channel, clock, 30.0)
    for _ in range(6):
        worker.step()
    assert channel.told == ["good-1", "good-2"]
    (bad,) = rows(store, "bad")
    assert bad.status is Status.PENDING
    assert 1 < bad.not_before - NOW <= 300
    with store.read() as connection:
        incident = incidents.get(connection, "chat", "bad")
        detail = connection.exec_driver_sql("SELECT detail FROM receipts WHERE outcome = 'failed'").scalar()
    assert incident is not None
    assert incident.refused_at == NOW
    assert type(error).__name__ in str(detail)
    assert "\x1b" not in str(detail)

    again = ChannelWorker(store, channel, clock, 30.0)  # after a restart
    put(store, "good-3")
    clock.advance(301)
    for _ in range(3):
        again.step()
    assert channel.told == ["good-1", "good-2", "good-3"]
    channel.poison.clear()
    clock.advance(301)
    again.step()
    assert rows(store, "bad")[0].status is Status.SENT


@pytest.mark.parametrize("body", [b"", b"{", b'{"action":"dance"}', b"\xff\xfe", b"[" * 5000])
def test_law_a_row_that_cannot_be_read_is_given_up_and_another_way_is_taken(
    store: Store, body: bytes
) -> None:
    channel = Chat()
    put(store, "bad", body)
    put(store, "good")
    worker = ChannelWorker(store, channel, ManualClock(NOW), 30.0)
    for _ in range(3):
        worker.step()
    assert channel.told == ["good"]
    assert rows(store, "bad")[0].status is Status.DEAD
    with store.read() as connection:
        incident = incidents.get(connection, "chat", "bad")
    assert incident is not None
    assert incident.refused_at == NOW


def test_a_thread_goes_on_after_an_exception_that_comes_from_outside_a_delivery(store: Store) -> None:
    channel = Chat()
    dispatcher = Dispatcher(store, {"chat": channel}, ManualClock(NOW))
    worker = dispatcher.workers[0]
    real, raised = worker.step, []

    def once() -> bool:
        if not raised:
            raised.append(True)
            raise SystemExit(3)
        return real()

    worker.step = once  # type: ignore[method-assign]
    dispatcher.start()
    put(store, "good")
    dispatcher.wake()
    until(lambda: channel.told == ["good"], "the worker was restarted")
    assert dispatcher.is_alive()
    assert any(fault.subject == "deliver-chat" for fault in store.faults.active())
    dispatcher.stop()


def test_an_attempt_that_outlasts_the_lease_keeps_it_and_nobody_else_tells_the_same(store: Store) -> None:
    slow, other, clock = Chat(), Chat(), ManualClock(NOW)
    put(store, "long")
    begun, done = threading.Event(), threading.Event()

    def sending() -> None:
        begun.set()
        assert done.wait(300)

    slow.sending = sending
    worker = ChannelWorker(store, slow, clock, 0.3)
    thread = threading.Thread(target=worker.step)
    thread.start()
    assert begun.wait(300)
    for _ in range(4):  # each time the lease of before has ended, and was renewed
        before = _leased_until(store)
        clock.advance(0.25)
        until(lambda before=before: _leased_until(store) > before, "the lease is renewed")  # type: ignore[misc]
        assert not ChannelWorker(store, other, clock, 0.3).step()
    done.set()
    thread.join(300)
    assert (slow.told, other.told) == (["long"], [])
    assert rows(store, "long")[0].status is Status.SENT


def test_what_another_daemon_took_meanwhile_is_not_sent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, clock = Chat(), ManualClock(NOW)
    put(store, "contested")
    real = ChannelWorker._is_superseded

    def slowly(self: ChannelWorker, delivery: Delivery) -> bool:
        clock.advance(31)
        with store.write() as connection:
            assert outbox.claim(connection, "chat", clock.now(), 30.0) is not None
        return real(self, delivery)

    monkeypatch.setattr(ChannelWorker, "_is_superseded", slowly)
    ChannelWorker(store, channel, clock, 30.0).step()
    assert channel.told == []


def test_a_lease_that_was_used_up_by_a_slow_store_is_not_sent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Chat()
    put(store, "late")
    moments = iter([0.0, 0.0, 27.0])  # the step begins, the renewal begins, the renewal is written
    monkeypatch.setattr("monitor.notify.delivery.worker.time.monotonic", lambda: next(moments, 27.0))
    ChannelWorker(store, channel, ManualClock(NOW), 30.0).step()
    monkeypatch.undo()
    assert channel.told == []
    assert rows(store, "late")[0].status is Status.LEASED


def _leased_until(store: Store) -> float:
    with store.read() as connection:
        return float(connection.exec_driver_sql("SELECT leased_until FROM outbox").scalar_one())


def test_a_failure_is_one_line_that_a_database_and_a_terminal_take() -> None:
    error = AttemptError("a\r\nb\x00\x1b[31m\ud800\u202e" + "x" * 1000, FailureKind.UNREACHABLE)
    assert error.message.startswith(r"a b\x00\x1b[31m\ud800\u202e")
    assert len(error.message) == 500


@pytest.mark.parametrize("error", [ValueError("odd"), StoreError("it is gone"), MemoryError()])
def test_a_lease_that_cannot_be_renewed_during_an_attempt_stops_neither_it_nor_the_channel(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    channel, failures = Chat(), threading.Semaphore(0)
    put(store, "first")
    put(store, "second")
    worker = ChannelWorker(store, channel, ManualClock(NOW), 0.3)
    real = outbox.renew

    def sending() -> None:
        assert failures.acquire(timeout=300)
        assert failures.acquire(timeout=300), "it is tried again"

    def renew(*arguments: object) -> bool:
        if threading.current_thread().name == "keep-lease":
            failures.release()
            raise error
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(outbox, "renew", renew)
    channel.sending = sending
    assert worker.step()
    assert worker.step()
    assert channel.told == ["first", "second"]
