"""Peers that reset their connection, or vanish without a word: nothing is kept for them."""

import gc
import socket
import struct

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from monitor.web.transport.tcp_keepalive import ACKNOWLEDGES_WITHIN
from tests.support.waiting import until
from tests.web.ingest.test_front import answers, post, running


@pytest.fixture
def long_keep_alive(monkeypatch):
    """Connections that are believed to be open are held for an hour: nothing is forgotten by their time."""
    hour = property(lambda _: 3600, lambda _, value: None)
    monkeypatch.setattr(HttpToolsProtocol, "timeout_keep_alive", hour, raising=False)


def kept():
    gc.collect()
    return sum(issubclass(type(one), HttpToolsProtocol) for one in gc.get_objects())


def test_nothing_is_kept_of_a_connection_that_was_reset(long_keep_alive):
    with running() as server:
        before = kept()
        for number in range(20):
            with server.connect() as connection:
                connection.sendall(post(b"%d" % number))
                assert answers(connection, 1)[0][2] == b"%d" % number
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert until(lambda: kept() <= before, "all of them are forgotten")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system cannot do it")
def test_the_system_gives_up_a_peer_that_acknowledges_nothing():
    with running() as server, server.connect() as connection:
        until(lambda: len(server.server.connections) == 1, "it is there")
        (open_one,) = server.server.connections._open
        known = open_one._transport.get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
        found = known.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert found == ACKNOWLEDGES_WITHIN * 1000
