"""What every request meets first, on real connections: what is answered there, and what is the application's."""

import contextlib

import pytest

from monitor.web.connections import MAX_HEAD_BYTES, MOST_HEADERS
from monitor.web.ingest.request import USED
from tests.support.echo_server import answers, asked, bodies, closed, post, running
from tests.support.waiting import until

SECURITY = {
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
    b"strict-transport-security": b"max-age=31536000; includeSubDomains",
}
"""The headers of each answer that is read by programs, over TLS."""


@pytest.fixture(scope="module")
def server():
    with running() as found:
        yield found


@pytest.mark.parametrize(
    "path",
    ["/v1/hot", "/v1/hot/", "/v1/hot?a=1", "/v1/%68ot", "http://somewhere/v1/hot"],
    ids=["plain", "slash", "query", "quoted", "absolute"],
)
def test_a_hot_address_is_answered_with_the_headers_of_every_answer_and_counted(server, path):
    before = server.counted("202")
    ((status, headers, body),) = asked(server, post(b"hello", path))
    assert (status, body) == (202, b"hello")
    assert headers.items() >= SECURITY.items()
    assert b"date" in headers
    assert server.counted("202") == before + 1
    assert server.echo.seen[-1][0::2] == ("POST", "127.0.0.1")


def test_what_nobody_foresaw_is_500_in_the_usual_shape_and_tells_the_sender_nothing(server, caplog):
    found = asked(server, post(b"break") + post(b"next"), 2)
    assert [status for status, _, _ in found] == [500, 202]
    assert b"internal error" in found[0][2]
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
        server.echo.let_go()
        assert bodies(answers(connection, 2)) == [b"first", b"second"]


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


JAVA = {
    "connection": "Upgrade, HTTP2-Settings",
    "upgrade": "h2c",
    "http2_settings": "AAMAAABkAAQAAP__",
}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_who_offers_another_protocol_is_answered_in_this_one(server, size):
    """Java's client offers HTTP/2 with each request; the offer may be left."""
    body = b"a body\r\nUpgrade: stays\r\n\r\n"
    data = post(body, **JAVA)
    with server.connect() as connection:
        for at in range(0, len(data), size):
            connection.sendall(data[at : at + size])
        ((status, headers, answer),) = answers(connection, 1)
        assert (status, answer, headers[b"connection"]) == (202, body, b"close")
        assert connection.recv(1) == b""


@pytest.mark.parametrize("path", ["/v1/hot", "/page", "/nowhere"])
def test_after_an_offer_nothing_more_is_read_from_a_connection(server, path):
    before = len(server.echo.seen)
    for more in (post(b"second"), post(b"second", **JAVA)):
        with server.connect() as connection:
            connection.sendall(post(b"", path, method="GET", **JAVA) + more)
            found = closed(connection)
        assert found.count(b"HTTP/1.1 ") == found.count(b"connection: close") == 1
        assert b"second" not in found
    assert len(server.echo.seen) - before == (2 if path == "/v1/hot" else 0)


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
            until(lambda: len(server.server.connections) == 1, "it is gone")
            server.echo.is_holding = False
            server.echo.let_go()
            other.sendall(post(b"here"))
            assert bodies(answers(other, 1)) == [b"here"]
            assert (server.echo.left, server.counted("202")) == (0, 1)


def test_the_server_ends_when_what_is_under_way_was_answered():
    with running() as server, server.connect() as connection, server.connect() as idle:
        server.echo.is_holding = True
        connection.sendall(post(b"last"))
        until(lambda: server.echo.held, "it is taken")
        server.server.stop()
        assert idle.recv(1) == b"", "an idle connection is closed at once"
        server.echo.let_go()
        assert bodies(answers(connection, 1)) == [b"last"]
        assert closed(connection) == b""


REFUSED = [
    ("CONNECT", b"CONNECT /v1/hot HTTP/1.1\r\nhost: x\r\n\r\n", b"405"),
    ("CONNECT to a host", b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n", b"40"),
    ("CONNECT, and more", b"CONNECT /v1/hot HTTP/1.1\r\nhost: x\r\n\r\n" + post(b"next"), b"405"),
    ("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
    ("HTTP/0.9", b"GET /\r\n\r\n", b"404"),
    ("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(80), b"400"),
    ("two lengths", post(b"ab", content_length=7), b"400"),
    ("a length and chunks", post(b"0\r\n\r\n", transfer_encoding="chunked"), b"400"),
    ("a chunk without a size", post(b"zz\r\n", length=False, transfer_encoding="chunked"), b"400"),
    ("a huge length", post(b"", length=False, content_length="9" * 40), b"400"),
    ("a negative length", post(b"", length=False, content_length=-1), b"400"),
    ("an offer after a request", post(b"1") + post(b"2", connection="Upgrade", upgrade="h2c"), b"400"),
    ("many headers", post(b"", **{f"x{n}": 1 for n in range(MOST_HEADERS)}), b"431"),
    ("no host", post(b"").replace(b"host: x\r\n", b"", 1), b"400"),
    ("two hosts", post(b"").replace(b"\r\n", b"\r\nHost: other.example\r\n", 1), b"400"),
    (
        "two keys",
        post(b"", authorization="Bearer a").replace(b"\r\n", b"\r\nAuthorization: Bearer b\r\n", 1),
        b"400",
    ),
    ("a huge head", post(b"", x="y" * 4 * MAX_HEAD_BYTES), b"431"),
    ("a huge head without an end", b"POST /v1/hot HTTP/1.1\r\nx: " + b"y" * 4 * MAX_HEAD_BYTES, b"431"),
    ("a huge head without a head", b"G" * 4 * MAX_HEAD_BYTES, b"400"),
    ("NUL in a path", post(b"", "/v1/%00hot"), b"400"),
    ("a line end in a path", post(b"", "/v1/hot%0d%0a"), b"400"),
    ("NUL in a query", post(b"", "/page?a=%00"), b"400"),
    ("bad percents", post(b"", "/v1/%zz%"), b"404"),
    ("no UTF-8", post(b"", "/v1/%ff%fe"), b"404"),
    ("a path that is quoted twice", post(b"", "/v1/%2568ot"), b"404"),
    ("a star", b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", b"40"),
    ("an unknown method", b"BREW /v1/hot HTTP/1.1\r\nhost: x\r\n\r\n", b"40"),
    ("a websocket", post(b"", method="GET", connection="Upgrade", upgrade="websocket"), b"405"),
]


OFFER = b"connection: Upgrade\r\nupgrade: h2c\r\n"
HEAD = b"POST /v1/hot HTTP/1.1\r\nhost: x\r\n"
IN_TWO_WAYS = {
    "a length and chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "the same length twice": b"content-length: 2\r\ncontent-length: 2\r\n\r\nab",
    "two lengths in one": b"content-length: 2, 2\r\n\r\nab",
    "a folded line": b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a folded name": b"x: a\r\n content-length: 5\r\ncontent-length: 2\r\n\r\nab",
    "a bare line feed": b"x: y\ncontent-length: 2\r\n\r\nab",
    "an end of bare line feeds": b"content-length: 2\n\nab",
    "a bare carriage return": b"x: y\rz: 1\r\ncontent-length: 2\r\n\r\nab",
    "a space before the colon": b"content-length : 2\r\n\r\nab",
    "a sign": b"content-length: +2\r\n\r\nab",
    "chunks that are not the last coding": b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a chunk with a bare line feed": b"transfer-encoding: chunked\r\n\r\n2\nab\n0\n\n",
    "a chunk that goes on": b"transfer-encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n",
}


@pytest.mark.parametrize("what", IN_TWO_WAYS)
def test_law_a_message_whose_end_may_be_read_in_two_ways_is_refused_with_an_offer_and_without(server, what):
    for offer in (b"", OFFER):
        with server.connect() as connection:
            connection.sendall(HEAD + offer + IN_TWO_WAYS[what] + post(b"smuggled"))
            found = closed(connection)
        assert b"HTTP/1.1 400" in found, offer
        assert b"smuggled" not in found, offer


OFFERS = {
    "as it should be": b"connection: Upgrade\r\nupgrade: h2c\r\n",
    "in capitals": b"CONNECTION: UPGRADE\r\nUPGRADE: H2C\r\n",
    "twice": b"connection: Upgrade\r\nupgrade: h2c\r\nUpgrade: websocket\r\n",
    "without a connection header": b"upgrade: h2c\r\n",
    "without an offer": b"connection: Upgrade\r\n",
    "of nothing": b"connection: Upgrade\r\nupgrade:\r\n",
    "with a space before the colon": b"connection: Upgrade\r\nupgrade : h2c\r\n",
    "with a tab before the colon": b"connection: Upgrade\r\nupgrade\t: h2c\r\n",
    "after a bare line feed": b"connection: Upgrade\r\nx: y\nupgrade: h2c\r\n",
    "after a bare carriage return": b"connection: Upgrade\r\nx: y\rupgrade: h2c\r\n",
    "on a folded line": b"connection: Upgrade\r\nx: y\r\n upgrade: h2c\r\n",
    "of HTTP/2 by prior knowledge": b"connection: Upgrade\r\nupgrade: PRI * HTTP/2.0\r\n",
}


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\r\n\r\n", post(b"before")], ids=repr)
@pytest.mark.parametrize("what", OFFERS)
def test_law_a_body_is_never_read_as_a_request_however_another_protocol_is_offered(server, what, before):
    inner = post(b"smuggled")
    seen = len(server.echo.seen)
    with server.connect() as connection:
        connection.sendall(before + HEAD + OFFERS[what] + b"content-length: %d\r\n\r\n" % len(inner) + inner)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while not found.endswith(inner) and (data := connection.recv(65_536)):
                found += data
    assert len(server.echo.seen) - seen <= (2 if before.strip() else 1)
    assert b"HTTP/1.1 400" in found or found.endswith(inner)


@pytest.mark.parametrize(("what", "data", "status"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_no_request_for_anybody_here_is_refused_and_hurts_no_other(what, data, status):
    with running(head_within=1.0) as server, server.connect() as connection:
        connection.sendall(data)
        assert b"HTTP/1.1 " + status in closed(connection)
        assert bodies(asked(server, post(b"after"))) == [b"after"]


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "MKCOL", "SEARCH"]
)
def test_every_method_is_answered(server, method):
    for path in ("/v1/hot", "/page", "/nowhere"):
        status = asked(server, post(b"", path, method=method))[0][0]
        assert status in (404, 405) or (method, status) == ("OPTIONS", 204)


def test_a_page_is_asked_for_its_head(server):
    ((status, headers, _),) = asked(server, post(b"", "/page", method="HEAD"), bodiless=True)
    assert (status, headers[b"content-length"]) == (200, b"6")


@pytest.mark.parametrize("name", [name.decode() for name in USED])
def test_law_a_header_that_is_used_may_be_there_once(server, name):
    seen = len(server.echo.seen)
    twice = f"{name}: 1\r\n{name.title()}: 2\r\n".encode()
    with server.connect() as connection:
        connection.sendall(post(b"").replace(b"\r\n", b"\r\n" + twice, 1))
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    assert len(server.echo.seen) == seen


@pytest.mark.parametrize("query", ["a=1&a=2", "a=1&b=2&%61=3", "a&a", "a=&b&a=", "a+b=1&a%20b=1", "=1&=2"])
@pytest.mark.parametrize("path", ["/v1/hot", "/page"])
def test_law_a_parameter_may_be_there_once(server, path, query):
    seen = len(server.echo.seen)
    for method in ("GET", "POST"):
        ((status, _, body),) = asked(server, post(b"", f"{path}?{query}", method=method))
        assert status == 400
        assert b"is duplicated" in body
    assert len(server.echo.seen) == seen
    once = query.partition("&")[0] + "&&c=a&A=1&"
    assert asked(server, post(b"", f"{path}?{once}"))[0][0] == (202 if path == "/v1/hot" else 405)


def test_before_http_1_1_no_host_is_needed(server):
    ((status, _, _),) = asked(server, post(b"", version="1.0").replace(b"host: x\r\n", b"", 1))
    assert status == 202
