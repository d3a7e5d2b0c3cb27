"""What must hold of every source, checked with a real broker: the tests of each broker say how messages are sent."""

import json
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest
from pydantic import ValidationError

from monitor.clock import SystemClock
from monitor.errors import StoreError
from monitor.predictions.log.batch import decode
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.sources.registry import kind_of
from monitor.sources.runner import SourceRunner
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Source, SourceError
from monitor.store import predictions, quarantine
from monitor.store.db import Store
from tests.support.waiting import until

Send = Callable[[Sequence[bytes]], object]


class Server(Protocol):
    """A broker that a test stops and starts."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


POISON = (b"\xff\xfe", b"{", b"[1, 2]", b'"x"', b'{"client": "acme"}', b"null", b"\x00")
REFUSED = 8
"""Records in them: an array of two numbers is two."""


def record(number: int, **more: Any) -> bytes:
    """A prediction as a message."""
    fields = {"client": "acme", "model": "fraud", "id": f"p-{number}", "timestamp": time.time()}
    return json.dumps({**fields, "prediction": "ok", **more}).encode()


def records(begin: int, end: int) -> list[bytes]:
    """Predictions as messages."""
    return [record(number) for number in range(begin, end)]


def runner(store: Store, section: SourceSettings) -> SourceRunner:
    """A source as the daemon runs it."""
    clock = SystemClock()
    log = PredictionLog(store, PredictionSettings(), clock)
    return SourceRunner("orders", kind_of(section), section, log, store, clock)


def stored(store: Store) -> int:
    """Predictions in the store."""
    with store.read() as connection:
        rows = connection.execute(predictions.BATCHES.select()).all()
    return sum(len(row.ids) // 8 for row in rows)


def unacknowledged(section: SourceSettings) -> SourceSettings:
    """The same source, which breaks after each commit, before the acknowledgement."""

    class Breaking(type(section)):  # type: ignore[misc]
        def make_source(self, name: str) -> Source:
            source = super().make_source(name)

            def acknowledge(fetched: Any) -> None:
                raise SourceError("the connection broke before the acknowledgement")

            source.acknowledge = acknowledge
            return source  # type: ignore[no-any-return]

    return Breaking(**section.model_dump())


def check_once_through_a_crash(store: Store, section: SourceSettings, send: Send) -> None:
    """What was stored and not acknowledged comes again, and is recognized."""
    send(records(0, 60))
    first = runner(store, unacknowledged(section))
    first.start()
    until(lambda: "before the acknowledgement" in first.state().error, "the acknowledgement failed")
    first.stop()
    assert 0 < stored(store) <= 60
    second = runner(store, section)
    second.start()
    until(lambda: stored(store) == 60, "the rest is stored")
    send([record(1000)])
    until(lambda: stored(store) == 61, "the next one is stored")
    until(lambda: second.state().waiting == 0 or has_no_more(section), "all are acknowledged")
    second.stop()
    assert stored(store) == 61
    assert first.state().accepted + second.state().accepted == 61


def check_acknowledged_after_the_commit(
    store: Store, section: SourceSettings, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is acknowledged is stored by then, as another connection sees it; what cannot be stored is not."""
    early: list[int] = []
    failures = iter([True])

    class Watched(type(section)):  # type: ignore[misc]
        def make_source(self, name: str) -> Source:
            source = super().make_source(name)
            acknowledge = source.acknowledge

            def checked(fetched: Any) -> None:
                early.append(len({_id_of(payload.body) for payload in fetched.payloads} - stored_ids(store)))
                acknowledge(fetched)

            source.acknowledge = checked
            return source  # type: ignore[no-any-return]

    reading = runner(store, Watched(**section.model_dump()))
    deliver = reading._log.store_delivery

    def unreliable(*given: Any) -> Any:
        if next(failures, False):
            raise StoreError("the disk is full")
        return deliver(*given)

    monkeypatch.setattr(reading._log, "store_delivery", unreliable)
    monkeypatch.setattr("monitor.sources.runner.FIRST_WAIT", 0.05)
    send(records(0, 60))
    reading.start()
    until(lambda: stored(store) == 60, "all are stored although the store failed at first")
    until(lambda: reading.state().waiting == 0 or has_no_more(section), "all are acknowledged")
    reading.stop()
    assert early
    assert not any(early)
    assert next(failures, None) is None


def stored_ids(store: Store) -> set[str]:
    """Ids of the predictions in the store."""
    with store.read() as connection:
        rows = connection.execute(predictions.BATCHES.select()).all()
    return {str(one) for row in rows for one in decode(row.blob).column("id").to_pylist()}


def _id_of(body: bytes) -> str:
    return str(json.loads(body)["id"])


def has_no_more(section: SourceSettings) -> bool:
    """Whether the broker has nothing more to deliver or to be acknowledged, as another connection sees it."""
    source = section.make_source("orders")
    try:
        source.open(dict)
        return source.lag().waiting == 0
    finally:
        source.close()


def check_poison(store: Store, section: SourceSettings, send: Send, place: str) -> None:
    """What cannot be read is in quarantine with its place and acknowledged; the others are stored."""
    send([record(0), *POISON, record(1)])
    reading = runner(store, section)
    reading.start()
    until(lambda: reading.state().accepted == 2, "both records are stored")
    until(lambda: reading.state().rejected == REFUSED, "the others are refused")
    reading.stop()
    with store.read() as connection:
        kept = quarantine.latest(connection, None, 20)
    assert len(kept) == REFUSED
    assert all(f"source orders, {place}" in one.rejected.error for one in kept)
    assert has_no_more(section)


def check_peek(section: SourceSettings, sent: Sequence[bytes]) -> None:
    """The last messages, with no effect on who reads them."""
    for _ in range(2):
        source = section.make_source("orders")
        try:
            seen = source.peek(5, 10.0)
        finally:
            source.close()
        assert [payload.body for payload in seen] == list(sent)


def check_reconnect(store: Store, section: SourceSettings, server: Server, send: Send, name: str) -> None:
    """A source fails while its server is down, naming it, and goes on when the server is back."""
    send(records(0, 30))
    reading = runner(store, section)
    reading.start()
    try:
        until(lambda: stored(store) == 30, "the first ones are stored")
        server.kill()
        until(lambda: reading.state().error, "the source fails")
        assert name in reading.state().error
        server.start()
        send(records(30, 60))
        until(lambda: stored(store) == 60, "the others are stored")
        until(lambda: not reading.state().error, "it works again")
    finally:
        reading.stop()
    assert stored(store) == 60
    assert reading.state().accepted == 60


def check_open_fails(section: SourceSettings, words: str) -> None:
    """Opening the source fails, with a reason that matches `words`."""
    source = section.make_source("orders")
    with pytest.raises(SourceError, match=words):
        source.open(dict)
    source.close()


def check_silent_server(section: Callable[[str], SourceSettings], words: Callable[[str], str]) -> None:
    """A server that accepts connections and never answers is given up within seconds."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        check_open_fails(section(address), words(address))
        assert time.monotonic() - began < 50


def check_invalid_settings(settings: type[SourceSettings], values: dict[str, Any], words: str) -> None:
    """Invalid settings are rejected, and the error does not quote a secret."""
    with pytest.raises(ValidationError, match=words) as rejected:
        settings.model_validate(values)
    assert "secret" not in str([error["msg"] for error in rejected.value.errors()])
