"""The limits of connections: deadlines, the number of connections, pipelined requests."""

import threading

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from monitor.web import connections
from tests.support.echo_server import SECONDS, Echo, answers, bodies, closed, post, running
from tests.support.waiting import until


def dripping(connection, data, seconds=SECONDS):
    """Send byte by byte until the other side closes; what it said."""
    connection.settimeout(0.05)
    found = b""
    for at in range(int(seconds / 0.05)):
        try:
            connection.sendall(data[at % len(data) : at % len(data) + 1])
            more = connection.recv(1000)
            if not more:
                return found
            found += more
        except TimeoutError:
            continue
        except OSError:
            return found
    raise AssertionError("it was never closed")


def test_a_head_has_one_deadline_however_it_drips():
    with running(head_within=0.5) as server, server.connect() as connection:
        said = dripping(connection, b"POST /v1/hot HTTP/1.1\r\n" + b"x-a: b\r\n" * 1000)
        assert b"408" in said


def test_the_next_head_on_a_connection_has_it_too():
    with running(head_within=0.5) as server, server.connect() as connection:
        connection.sendall(post(b"one"))
        answers(connection, 1)
        assert b"408" in dripping(connection, b"POST /v1/hot HTTP/1.1\r\n" + b"x-a: b\r\n" * 1000)


def test_silence_is_closed():
    with running(head_within=0.5) as server, server.connect() as connection:
        assert closed(connection) == b""


@pytest.mark.parametrize("turn", range(20))
def test_what_comes_while_the_loop_stands_still_is_no_silence(monkeypatch, turn):
    """As on a machine that is overloaded or was suspended: the deadline is over when the daemon computes again. Several
    turns, because a pause may begin before a check or in the midst of one.
    """
    began, go_on, hours = threading.Event(), threading.Event(), []
    receive, now = connections.Connection.data_received, connections.Connections.now

    def stand_still(connection, data):
        if b"stand still" in data:
            began.set()
            assert go_on.wait(300)
            threading.Event().wait(0.05)  # long enough that the next check is due
        receive(connection, data)

    monkeypatch.setattr(connections.Connection, "data_received", stand_still)
    monkeypatch.setattr(connections.Connections, "now", lambda self: now(self) + 3600 * len(hours))
    monkeypatch.setattr(connections, "_CHECK_EVERY", 0.001)
    with running(head_within=100.0) as server, server.connect() as busy:
        callers = [server.connect() for _ in range(5)]
        for caller in callers[:3]:
            caller.sendall(post(b"before"))
            assert bodies(answers(caller, 1)) == [b"before"]
        busy.sendall(post(b"stand still"))
        assert began.wait(300)
        for caller in callers:
            caller.sendall(post(b"meanwhile"))
        hours.append(1)
        go_on.set()
        for caller in callers:
            assert bodies(answers(caller, 1)) == [b"meanwhile"]
            caller.close()


def test_the_body_of_a_page_has_one_deadline_however_it_drips():
    with running(body_within=0.5, head_within=0.5) as server, server.connect() as connection:
        connection.sendall(post(b"", "/form", length=False, content_length=1000))
        assert b"HTTP/1.1 408" in dripping(connection, b" ")


def test_an_open_request_is_not_taken_for_silence():
    with running(head_within=0.2) as server, server.connect() as connection:
        server.echo.is_holding = True
        connection.sendall(post(b"slow"))
        until(lambda: server.echo.held, "it is taken")
        with server.connect() as other:
            assert closed(other) == b"", "silence was closed meanwhile"
        server.echo.let_go()
        assert bodies(answers(connection, 1)) == [b"slow"]


def test_beyond_the_limit_the_one_that_is_idle_the_longest_is_closed_and_an_open_request_stays():
    with running(max_connections=10) as server, server.connect() as busy:
        server.echo.is_holding = True
        busy.sendall(post(b"first"))
        until(lambda: server.echo.held, "it is taken")
        idle = [server.connect() for _ in range(9)]
        with server.connect() as newcomer:
            assert idle[0].recv(1) == b""
            server.echo.let_go()
            assert bodies(answers(busy, 1)) == [b"first"]
            server.echo.is_holding = False
            newcomer.sendall(post(b"last"))
            assert bodies(answers(newcomer, 1)) == [b"last"]
        for one in idle:
            one.close()


class Counting(Echo):
    """Notes how many parsed requests waited for the one that it answers."""

    most = 0

    async def answer(self, scope, receive):
        connection = scope["state"]["connection"]
        self.most = max(self.most, len(connection._inner.pipeline))
        return await super().answer(scope, receive)


def test_thousands_of_requests_in_one_packet_are_answered_in_order_and_parsed_few_at_a_time():
    requests = [post(b"%d" % number) for number in range(13_000)]
    smallest = len(post(b"1"))
    with running(Counting()) as server, server.connect() as busy, server.connect() as other:
        sending = threading.Thread(target=busy.sendall, args=(b"".join(requests),), daemon=True)
        sending.start()
        other.sendall(post(b"neighbour"))
        assert [body for _, _, body in answers(other, 1)] == [b"neighbour"]
        found = answers(busy, len(requests))
        sending.join()
        assert 0 < server.echo.most <= connections._MOST_PIPELINED + connections._PART // smallest
        busy.sendall(post(b"again"))
        assert [body for _, _, body in answers(busy, 1)] == [b"again"]
    assert [(status, body) for status, _, body in found] == [
        (202, b"%d" % number) for number in range(13_000)
    ]


def test_head_and_body_of_an_answer_are_one_packet():
    with running(Echo()) as server, server.connect() as peer:
        for body in (b"one", b"another", b"x" * 900):
            peer.sendall(post(body))
            packet = peer.recv(65_536)
            assert packet.startswith(b"HTTP/1.1 202 ")
            assert packet.endswith(b"\r\n\r\n" + body)


def test_a_large_body_among_pipelined_requests_arrives_whole():
    bodies = [sign * size for sign in (b"x", b"\n") for size in (1, 300_000, 3, 0, 70_000)] * 10
    with running(Echo(limit=1_000_000)) as server, server.connect() as busy:
        sending = threading.Thread(target=busy.sendall, args=(b"".join(map(post, bodies)),), daemon=True)
        sending.start()
        assert [body for _, _, body in answers(busy, len(bodies))] == bodies
        sending.join()


def test_a_body_of_known_length_is_parsed_as_it_comes_and_requests_behind_it_few_at_a_time(monkeypatch):
    parsed, parse = [], HttpToolsProtocol.data_received
    monkeypatch.setattr(
        HttpToolsProtocol, "data_received", lambda one, data: (parsed.append(data), parse(one, data))
    )
    body, requests = b"\n" * 2_000_000, [post(b"%d" % number) for number in range(3000)]
    with running(Counting(limit=3_000_000)) as server, server.connect() as busy:
        sent = post(body) + b"".join(requests)
        sending = threading.Thread(target=busy.sendall, args=(sent,), daemon=True)
        sending.start()
        found = answers(busy, 1 + len(requests))
        sending.join()
        assert [len(content) for _, _, content in found[:2]] == [len(body), 1]
        of_body = [len(data) for data in parsed if not data.strip(b"\n")]
        assert sum(of_body) / len(of_body) > 2 * connections._PART
        smallest = len(post(b"1"))
        assert 0 < server.echo.most <= connections._MOST_PIPELINED + connections._PART // smallest


@pytest.mark.parametrize(("proxies", "seen"), [((), "127.0.0.1"), (("127.0.0.1",), "10.1.2.3")])
def test_only_a_proxy_that_is_named_says_whose_a_request_is(proxies, seen):
    with running(allowed_proxies=proxies) as server, server.connect() as connection:
        connection.sendall(post(b"x", x_forwarded_for="10.1.2.3"))
        answers(connection, 1)
        assert server.echo.seen[-1][2] == seen
