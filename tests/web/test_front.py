"""The hot addresses on real connections: what stands before the application, and what is the application's."""

import socket
import threading
from contextlib import contextmanager
from functools import partial

import pytest
import uvicorn
from litestar import Litestar, get

from monitor.web import reply
from monitor.web.front import doors
from monitor.web.meters import Meters
from monitor.web.wire import Wire
from tests.support.ports import free_port
from tests.support.waiting import until

SECONDS = 20


@get("/page", sync_to_thread=False)
def page() -> str:
    return "a page"


class Echo:
    """Answers with the body, at once or when told to; says what it saw."""

    def __init__(self, limit=1000):
        self.limit, self.is_holding = limit, False
        self.held, self.left, self.seen = [], 0, []

    def admit(self, head, peer):
        self.seen.append((head.method, dict(head.headers), peer))
        if head.method != b"POST":
            return reply.of_json(405, b'{"error":"no"}')
        if dict(head.headers).get(b"x-refuse"):
            return reply.of_json(401, b"{}")
        return self

    def grow(self, size):
        return reply.of_json(413, b"{}", (b"connection", b"close")) if size > self.limit else None

    def take(self, body, answer):
        if body == b"break":
            raise ZeroDivisionError("nobody foresaw this")
        if self.is_holding:
            self.held.append(lambda: answer(reply.of_json(202, body)))
        else:
            answer(reply.of_json(202, body))

    def leave(self):
        self.left += 1


class Running:
    """A server in a thread, and its counts."""

    def __init__(self, echo):
        self.echo, self.meters, self.port = echo, Meters(), free_port()
        config = uvicorn.Config(
            Litestar([page], logging_config=None, openapi_config=None),
            port=self.port,
            log_level="error",
            timeout_graceful_shutdown=SECONDS,
        )
        config.http = partial(Wire, doors({"/v1/hot": echo}, self.meters, is_secure=True))
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def counted(self, code):
        labels = {"handler": "/v1/hot", "code": code}
        return self.meters.registry.get_sample_value("watchkeeper_http_requests_total", labels) or 0


@contextmanager
def running(echo=None):
    found = Running(echo or Echo())
    found.thread.start()
    until(lambda: found.server.started, "the server listens")
    try:
        yield found
    finally:
        found.server.should_exit = True
        found.thread.join(SECONDS)


@pytest.fixture(scope="module")
def server():
    with running() as found:
        yield found


def post(body, path="/v1/hot", version="1.1", method="POST", length=True, **headers):
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    size = f"content-length: {len(body)}\r\n" if length else ""
    return f"{method} {path} HTTP/{version}\r\nhost: x\r\n{size}{named}\r\n".encode() + body


def answers(connection, count, bodiless=False):
    """So many answers of a connection as (status, headers, body); and nothing is left over."""
    data, found = b"", []
    while len(found) < count:
        head, end, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        headers = {name.lower(): value for name, value in (line.split(b": ", 1) for line in lines)}
        size = 0 if bodiless else int(headers.get(b"content-length", 0))
        if end and len(rest) >= size:
            found.append((int(first.split()[1]), headers, rest[:size]))
            data = rest[size:]
            continue
        more = connection.recv(65_536)
        assert more, f"closed after {data!r}"
        data += more
    assert not data
    return found


def asked(server, data, count=1, **options):
    with server.connect() as connection:
        connection.sendall(data)
        return answers(connection, count, **options)


def bodies(found):
    return [body for _, _, body in found]


@pytest.mark.parametrize(
    "path",
    ["/v1/hot", "/v1/hot/", "/v1/hot?a=1", "/v1/%68ot", "http://somewhere/v1/hot"],
    ids=["plain", "slash", "query", "quoted", "absolute"],
)
def test_a_hot_address_is_answered_with_the_headers_of_every_answer_and_counted(server, path):
    before = server.counted("202")
    ((status, headers, body),) = asked(server, post(b"hello", path))
    assert (status, body) == (202, b"hello")
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"strict-transport-security"] == b"max-age=31536000"
    assert b"date" in headers
    assert server.counted("202") == before + 1
    assert server.echo.seen[-1][0::2] == (b"POST", "127.0.0.1")


def test_what_nobody_foresaw_is_500_in_the_usual_shape_and_tells_the_sender_nothing(server, caplog):
    found = asked(server, post(b"break") + post(b"next"), 2)
    assert [status for status, _, _ in found] == [500, 202]
    assert b"something went wrong here" in found[0][2]
    assert b"nobody foresaw" not in found[0][2]
    assert "POST /v1/hot failed" in caplog.text


def test_everything_else_is_the_application_s_on_the_same_connection(server):
    found = asked(server, post(b"1") + post(b"", "/page", method="GET") + post(b"2"), 3)
    assert bodies(found) == [b"1", b"a page", b"2"]
    assert asked(server, post(b"", "/v1/other", method="GET"))[0][0] == 404


def test_many_requests_at_once_are_answered_in_their_order(server):
    sent = [b"%d" % number for number in range(50)]
    assert bodies(asked(server, b"".join(map(post, sent)), 50)) == sent


def test_who_comes_second_waits_for_the_first_one_s_answer():
    with running() as server, server.connect() as connection:
        server.echo.is_holding = True
        connection.sendall(post(b"first") + post(b"second"))
        until(lambda: server.echo.held, "the first is taken")
        server.echo.is_holding = False
        assert len(server.echo.seen) == 1
        on_loop(server, server.echo.held.pop())
        assert bodies(answers(connection, 2)) == [b"first", b"second"]


def on_loop(server, call):
    """Call it on the server's loop."""
    (protocol,) = server.server.server_state.connections
    protocol.loop.call_soon_threadsafe(call)


def test_a_body_may_come_in_pieces_and_chunks(server):
    with server.connect() as connection:
        for byte in post(b"in pieces"):
            connection.sendall(bytes([byte]))
        assert bodies(answers(connection, 1)) == [b"in pieces"]
        connection.sendall(post(b"5\r\nin ch\r\n", length=False, transfer_encoding="chunked"))
        connection.sendall(b"4\r\nunks\r\n0\r\n\r\n")
        assert bodies(answers(connection, 1)) == [b"in chunks"]


def test_who_asks_first_whether_to_send_a_body_is_told(server):
    with server.connect() as connection:
        connection.sendall(post(b"", expect="100-continue", length=False, content_length=5))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        assert bodies(answers(connection, 1)) == [b"hello"]
        connection.sendall(post(b"", expect="100-continue", length=False, content_length=5, x_refuse=1))
        assert answers(connection, 1)[0][0] == 401, "refused without being asked for the body"


def test_an_early_refusal_leaves_the_connection_in_order(server):
    assert [one[0] for one in asked(server, post(b"x" * 900, x_refuse=1) + post(b"ok"), 2)] == [401, 202]


def test_a_body_beyond_the_limit_ends_the_connection(server):
    with server.connect() as connection:
        connection.sendall(post(b"x" * 2000))
        ((status, headers, _),) = answers(connection, 1)
        assert (status, headers[b"connection"]) == (413, b"close")
        assert connection.recv(1) == b""


@pytest.mark.parametrize("options", [{"version": "1.0"}, {"connection": "close"}])
def test_a_connection_that_ends_after_one_answer(server, options):
    with server.connect() as connection:
        connection.sendall(post(b"last", **options))
        ((_, headers, body),) = answers(connection, 1)
        assert (body, headers[b"connection"]) == (b"last", b"close")
        assert connection.recv(1) == b""


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_who_offers_another_protocol_is_answered_in_this_one(server, size):
    """Java's client offers HTTP/2 with each request; the offer may be left."""
    offer = {"upgrade": "h2c", "http2_settings": "AAMAAABkAAQAAP__"}
    data = post(b"first", connection="Upgrade, HTTP2-Settings", **offer)
    data += post(b"second", connection="close, Upgrade, HTTP2-Settings", **offer)
    with server.connect() as connection:
        for at in range(0, len(data), size):
            connection.sendall(data[at : at + size])
        found = answers(connection, 2)
        assert bodies(found) == [b"first", b"second"]
        assert found[1][1][b"connection"] == b"close"
        assert connection.recv(1) == b""


def test_a_head_is_answered_without_a_body(server):
    with server.connect() as connection:
        connection.sendall(post(b"", method="HEAD"))
        ((status, headers, _),) = answers(connection, 1, bodiless=True)
        assert (status, headers[b"content-length"]) == (405, b"14")
        connection.sendall(post(b"then"))
        assert bodies(answers(connection, 1)) == [b"then"]


def test_what_is_no_http_is_refused(server):
    with server.connect() as connection:
        connection.sendall(b"hello\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")


def test_who_hangs_up_before_the_body_is_whole_gives_back_what_it_holds():
    with running() as server:
        with server.connect() as connection:
            connection.sendall(post(b"half", length=False, content_length=100))
            until(lambda: server.echo.seen, "its head is there")
        until(lambda: server.echo.left == 1, "it has left")
        assert server.counted("0") == 1


def test_who_hangs_up_while_waiting_disturbs_nobody():
    with running() as server:
        server.echo.is_holding = True
        with server.connect() as connection, server.connect() as other:
            connection.sendall(post(b"gone"))
            until(lambda: server.echo.held, "it is taken")
            connection.close()
            until(lambda: server.counted("0") == 1, "it is gone")
            on_loop(server, server.echo.held.pop())
            server.echo.is_holding = False
            other.sendall(post(b"here"))
            assert bodies(answers(other, 1)) == [b"here"]
            assert (server.echo.left, server.counted("202")) == (0, 1)


def test_the_server_ends_when_what_is_under_way_was_answered():
    with running() as server, server.connect() as connection, server.connect() as idle:
        server.echo.is_holding = True
        connection.sendall(post(b"last"))
        until(lambda: server.echo.held, "it is taken")
        server.server.should_exit = True
        assert idle.recv(1) == b"", "an idle connection is closed at once"
        on_loop(server, server.echo.held.pop())
        ((_, headers, body),) = answers(connection, 1)
        assert (body, headers[b"connection"]) == (b"last", b"close")
        server.thread.join(SECONDS)
        assert not server.thread.is_alive()
