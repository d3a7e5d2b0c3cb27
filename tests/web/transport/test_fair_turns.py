"""The turns of the event loop are shared: whoever asks for much waits for its own."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.web.connections import Connection, Connections, Limits
from monitor.web.ingest.front import Front
from monitor.web.transport.fair_turns import OF_ALL, OF_EACH, Turns
from tests.support.echo_server import Echo, post, running
from tests.support.waiting import until

FLOOD = 200
ATTACKER, NEIGHBOUR = "127.0.0.1", "127.0.0.2"


def order_of(asked: list[str], of_each: int = OF_EACH) -> list[list[str]]:
    """Who is served in each turn of a loop, if all ask in one turn, in this order."""

    async def served() -> list[list[str]]:
        turns, found = Turns(of_each=of_each), [[]]

        async def one(owner: str) -> None:
            await turns.of(owner)
            found[-1].append(owner)

        tasks = [asyncio.create_task(one(owner)) for owner in asked]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            found.append([])
        return [turn for turn in found if turn]

    return asyncio.run(served())


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=150), st.sampled_from([1, OF_EACH]))
def test_law_each_is_served_once_in_its_order_and_nobody_more_often_than_its_share(
    asked: list[str], of_each: int
) -> None:
    turns = order_of(asked, of_each)
    assert sorted(owner for turn in turns for owner in turn) == sorted(asked)
    if len(set(asked) - {""}) > 1:
        for turn in turns[1:]:
            assert max(turn.count(owner) for owner in turn) <= of_each
            assert len(turn) <= OF_ALL


def test_an_owner_that_is_alone_is_hardly_slowed_down() -> None:
    assert [len(turn) for turn in order_of(["a"] * 150)] == [64, 64, 22]


def test_whoever_has_no_share_never_waits() -> None:
    assert len(order_of([""] * 500)) == 1


def test_of_a_thousand_owners_each_comes_once_before_any_comes_again() -> None:
    names = [str(number) for number in range(200)]
    served = [owner for turn in order_of(names * 2) for owner in turn]
    assert len(set(served[:200])) >= 200 - OF_ALL
    assert len(served) == 400


def test_what_fails_in_its_turn_stops_nothing_that_waits_behind_it() -> None:
    async def all_called() -> int:
        turns, called = Turns(), []
        for _ in range(5):
            turns.wait("a", lambda: called.append(1) or 1 / 0)
        while len(called) < 5:
            await asyncio.sleep(0)
        return len(called)

    assert asyncio.run(asyncio.wait_for(all_called(), 20)) == 5


class Ordered(Echo):
    """Lets the event loop stand still, and knows in which order requests came to it."""

    async def answer(self, scope, receive):
        if scope["path"] == "/v1/hot" and dict(scope["headers"]).get(b"x-stop"):
            self.loop = asyncio.get_running_loop()
        return await super().answer(scope, receive)

    def stop(self) -> Callable[[], None]:
        go_on, stands = threading.Event(), threading.Event()
        self.loop.call_soon_threadsafe(lambda: (stands.set(), go_on.wait(300)))
        assert stands.wait(300)
        return go_on.set


def before_the_neighbour(seen: list) -> int:
    """How many of the other's requests were served before the neighbour's, which was sent last."""
    return [address for _method, _headers, address in seen].index(NEIGHBOUR)


@pytest.mark.parametrize("are_kept", [False, True], ids=["new connections", "connections that are open"])
def test_the_last_of_many_is_served_among_the_first_if_it_is_from_another_address(are_kept: bool) -> None:
    echo = Ordered()
    with running(echo) as server:

        def connect(address: str) -> socket.socket:
            return socket.create_connection((ATTACKER, server.settings.port), 60, (address, 0))

        opened = [connect(ATTACKER) for _ in range(FLOOD if are_kept else 1)]
        kept = [connect(NEIGHBOUR)] if are_kept else []
        opened[0].sendall(post(b"", x_stop="1"))
        opened[0].recv(1000)
        go_on = echo.stop()
        echo.seen.clear()
        if not are_kept:
            opened += [connect(ATTACKER) for _ in range(FLOOD)]
            kept = [connect(NEIGHBOUR)]
        for one in [*opened, *kept]:
            one.sendall(post(b"x"))
        go_on()
        until(lambda: len(echo.seen) == len(opened) + 1, "all are served")
        assert before_the_neighbour(echo.seen) <= OF_ALL + 8 * OF_EACH
        for one in [*opened, *kept]:
            one.close()


def test_senders_behind_one_proxy_take_turns_by_their_own_addresses() -> None:
    echo = Ordered()
    with running(echo, lambda scope: scope["client"][0], allowed_proxies=(ATTACKER,)) as server:
        opened = [server.connect() for _ in range(FLOOD + 1)]
        opened[0].sendall(post(b"", x_stop="1"))
        opened[0].recv(1000)
        go_on = echo.stop()
        echo.seen.clear()
        for number, one in enumerate(opened):
            sender = NEIGHBOUR if number == FLOOD else "127.0.0.3"
            one.sendall(post(b"x", x_forwarded_for=sender))
        go_on()
        until(lambda: len(echo.seen) == FLOOD + 1, "all are served")
        assert before_the_neighbour(echo.seen) <= OF_ALL + 2 * OF_EACH
        for one in opened:
            one.close()


def test_what_came_before_the_end_of_a_connection_is_served_though_it_waits_for_its_turn() -> None:
    echo = Ordered()
    with running(echo) as server:
        opened = [server.connect() for _ in range(FLOOD)]
        other = socket.create_connection((ATTACKER, server.settings.port), 60, (NEIGHBOUR, 0))
        for one in (other, opened[0]):
            one.sendall(post(b"", x_stop="1"))
            one.recv(1000)
        go_on = echo.stop()
        echo.seen.clear()
        for one in opened:
            one.sendall(post(b"x"))
            one.shutdown(socket.SHUT_WR)
        go_on()
        until(lambda: len(echo.seen) == FLOOD, "all are served")
        for one in [*opened, other]:
            one.close()


def test_of_too_many_that_wait_the_oldest_of_their_address_are_closed_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monitor.web.transport.accepting.descriptors_for_waiting", lambda: 20)
    echo = Ordered()
    with running(echo) as server:
        first = server.connect()
        first.sendall(post(b"", x_stop="1"))
        first.recv(1000)
        go_on = echo.stop()
        echo.seen.clear()
        neighbour = socket.create_connection((ATTACKER, server.settings.port), 60, (NEIGHBOUR, 0))
        opened = [server.connect() for _ in range(FLOOD)]
        go_on()
        for one in (opened[-1], neighbour):
            one.sendall(post(b"x"))
            assert b" 202 " in one.recv(1000)
        for one in [first, *opened, neighbour]:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()


def test_pages_of_one_sender_are_begun_one_in_a_turn_beside_others_and_records_more_often() -> None:
    async def begun(path: str) -> int:
        front, found = Front(served, {"/v1/hot": Echo()}, DaemonMeters(), lambda _scope: "a"), [0]

        async def respond(*_anything: object) -> None:
            found[-1] += 1

        front._respond = respond
        for turns in (front._turns, front._page_turns):
            assert turns.take("b")
        connection = Connection(Connections(Limits(), print), {})
        connection.open = connection.close = lambda **_anything: None
        scope = {
            "type": "http",
            "path": path,
            "headers": [],
            "method": "GET",
            "state": {"connection": connection},
        }
        tasks = [asyncio.create_task(front(scope, served, served)) for _ in range(24)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            found.append(0)
        return max(found[2:])

    async def served(*_anything: object) -> None:
        raise AssertionError

    assert asyncio.run(begun("/c/acme/")) == 1
    assert asyncio.run(begun("/v1/hot")) == OF_EACH
