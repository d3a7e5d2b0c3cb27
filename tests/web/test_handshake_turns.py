"""TLS handshakes take turns: each costs a signature, and a thousand may begin at once."""

import asyncio
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.echo_server import Echo, post, running
from tests.support.waiting import until
from tests.web.test_handshakes import greeting
from tests.web.test_tls import trusting, written

CROWD = 150
ATTACKER, NEIGHBOUR = "127.0.0.1", "127.0.0.2"


class Watching(Echo):
    """Lets the event loop stand still, and counts who of a crowd was greeted when a neighbour's request is served."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.crowd: list[socket.socket] = []
        self.greeted = -1

    async def answer(self, scope: Any, receive: Any) -> Any:
        self.loop = asyncio.get_running_loop()
        if self.crowd:
            self.greeted = len(answered(self.crowd))
        return await super().answer(scope, receive)  # type: ignore[no-untyped-call]

    def stop(self) -> Callable[[], None]:
        go_on, stands = threading.Event(), threading.Event()
        self.loop.call_soon_threadsafe(lambda: (stands.set(), go_on.wait(300)))
        assert stands.wait(300)
        return go_on.set


def answered(crowd: list[socket.socket]) -> list[int]:
    poll = select.poll()
    for one in crowd:
        poll.register(one, select.POLLIN)
    return [number for number, _ in poll.poll(0)]


@pytest.fixture
def files(tmp_path: Path) -> tuple[trustme.CA, dict[str, Path]]:
    authority = trustme.CA()
    certificate, key = written(tmp_path, authority, "own")
    return authority, {"certificate": certificate, "private_key": key}


def test_a_neighbour_does_not_wait_for_the_handshakes_of_a_crowd(
    files: tuple[trustme.CA, dict[str, Path]],
) -> None:
    echo, hello = Watching(), greeting()
    with running(echo, **files[1]) as server:  # type: ignore[no-untyped-call]
        address = (ATTACKER, server.settings.port)
        raw = socket.create_connection(address, 60, (NEIGHBOUR, 0))
        neighbour = trusting(files[0]).wrap_socket(raw, server_hostname="localhost")
        neighbour.sendall(post(b""))  # type: ignore[no-untyped-call]
        neighbour.recv(1000)
        crowd = [socket.create_connection(address, 60) for _ in range(CROWD)]
        until(lambda: len(server.server.connections) == CROWD + 1, "all are begun with")
        echo.crowd, go_on = crowd, echo.stop()
        for one in crowd:
            one.sendall(hello)
        neighbour.sendall(post(b"x"))  # type: ignore[no-untyped-call]
        go_on()
        assert b" 202 " in neighbour.recv(1000)
        assert 0 <= echo.greeted < CROWD // 2
        until(lambda: len(answered(crowd)) == CROWD, "all are greeted in the end")
        for one in (*crowd, neighbour):
            one.close()
        until(lambda: not len(server.server.connections), "nothing is left of them")


def test_a_handshake_that_waits_for_its_turn_may_end_and_others_are_finished(
    files: tuple[trustme.CA, dict[str, Path]],
) -> None:
    echo = Watching()
    with running(echo, **files[1]) as server:  # type: ignore[no-untyped-call]
        address, context = (ATTACKER, server.settings.port), trusting(files[0])

        def call(number: int) -> None:
            with (
                socket.create_connection(address, 60, (f"127.0.0.{2 + number % 2}", 0)) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as one,
            ):
                one.sendall(post(b"x" * 900))  # type: ignore[no-untyped-call]
                found.append(one.recv(2000))

        found: list[bytes] = []
        threads = [threading.Thread(target=call, args=(number,)) for number in range(40)]
        gone = [socket.create_connection(address, 60) for _ in range(CROWD)]
        for one in gone:
            one.sendall(greeting())
            one.close()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        assert [b" 202 " in one for one in found] == [True] * 40
        until(lambda: not len(server.server.connections), "nothing is left of them")
