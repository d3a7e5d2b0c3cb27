"""Many new connections wait for a few turns of the event loop, not for one each."""

import asyncio
import socket

import pytest
import uvloop

from monitor.web.transport.accepting import accept_in_turns
from monitor.web.transport.fair_turns import OF_ALL, Turns
from tests.support.waiting import until

CONNECTIONS = 100


class Peer(asyncio.Protocol):
    """Counts the turns until it is accepted."""

    turn = 0
    accepted: list[int]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Peer.accepted.append(Peer.turn)


async def accepted_in(loop: asyncio.AbstractEventLoop) -> list[int]:
    """The turns in which connections were accepted that came in during one."""
    Peer.turn, Peer.accepted = 0, []
    server = await loop.create_server(Peer, host="127.0.0.1", port=0, backlog=2048)
    address = server.sockets[0].getsockname()
    peers = [socket.create_connection(address) for _ in range(CONNECTIONS)]
    while len(Peer.accepted) < CONNECTIONS and Peer.turn < 10 * CONNECTIONS:
        Peer.turn += 1
        await asyncio.sleep(0)
    for peer in peers:
        peer.close()
    server.close()
    await server.wait_closed()
    return Peer.accepted


def test_a_burst_of_connections_is_accepted_in_a_few_turns() -> None:
    loop = uvloop.new_event_loop()
    accept_in_turns(loop, Turns())
    turns = loop.run_until_complete(accepted_in(loop))
    loop.close()
    assert len(turns) == CONNECTIONS
    assert turns[-1] - turns[0] <= CONNECTIONS // OF_ALL + 3


def test_nobody_listens_once_it_is_closed() -> None:
    async def closed(loop: asyncio.AbstractEventLoop) -> tuple[str, int]:
        server = await loop.create_server(Peer, host="127.0.0.1", port=0)
        address: tuple[str, int] = server.sockets[0].getsockname()
        server.close()
        await server.wait_closed()
        return address

    loop = uvloop.new_event_loop()
    accept_in_turns(loop, Turns())
    address = loop.run_until_complete(closed(loop))
    until(lambda: refuses(address), "nobody listens")
    loop.close()


def refuses(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except ConnectionRefusedError:
        return True
    return False


class Failing(Peer):
    """Cannot be made for the first connection."""

    made = 0

    def __init__(self) -> None:
        Failing.made += 1
        if Failing.made == 1:
            raise ValueError("nobody foresaw this")


def test_a_connection_that_cannot_be_begun_with_is_closed_and_told_and_the_next_one_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def both(loop: asyncio.AbstractEventLoop) -> bytes:
        Peer.turn, Peer.accepted, Failing.made = 0, [], 0
        server = await loop.create_server(Failing, host="127.0.0.1", port=0)
        address = server.sockets[0].getsockname()
        with socket.create_connection(address) as first, socket.create_connection(address):
            first.setblocking(False)
            end = await asyncio.wait_for(loop.sock_recv(first, 1), 300)
            while not Peer.accepted:
                await asyncio.sleep(0)
        server.close()
        await server.wait_closed()
        return end

    loop = uvloop.new_event_loop()
    accept_in_turns(loop, Turns())
    assert loop.run_until_complete(both(loop)) == b""
    loop.close()
    assert "a connection could not be begun with" in caplog.text
