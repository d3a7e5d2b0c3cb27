"""Bodies that no route reads, and requests behind a stream: whoever leaves is noticed, whatever it sent."""

import errno
import socket
from urllib.parse import urlsplit

import pytest

from monitor.web.app import create
from monitor.web.connections import _MOST_AHEAD
from monitor.web.ingest.request_body import MOST_DROPPED
from tests.support import clients
from tests.support.server import services, serving
from tests.web.test_head_requests import addresses

STREAM = "/c/acme/events"
SECONDS = 300  # a wait that only fails
CHUNKED = "transfer-encoding: chunked\r\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return clients.opened(tmp_path_factory.mktemp("bodies"), hours=1)


@pytest.fixture(scope="module")
def port(shop):
    with serving(shop) as client:
        yield urlsplit(str(client.base_url)).port


def request(path, body=b"", method="GET", more=""):
    length = f"content-length: {len(body)}\r\n" if body and not more else ""
    return f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{length}{more}\r\n".encode() + body


def said(port, *parts, then=b""):
    """All that comes until the other side closes. The sender hangs up after its first answer and `then`."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as line:
        found = b""
        try:
            for part in parts:
                line.sendall(part)
            found = line.recv(65_536)
            line.sendall(then)
            line.shutdown(socket.SHUT_WR)
            while data := line.recv(65_536):
                found += data
        except OSError as error:  # closed with bytes of ours unread
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                raise
    return found


def status(answer):
    return int(answer.split()[1])


def test_law_a_body_that_no_route_reads_changes_no_answer_or_is_refused(shop, port):
    for address in addresses(shop):
        plain = said(port, request(address))
        assert status(said(port, request(address, b"x" * MOST_DROPPED))) == status(plain), address
        for body, more in (
            (b"x" * (MOST_DROPPED + 1), ""),
            (b"%x\r\n" % (2 * MOST_DROPPED) + b"x" * 2 * MOST_DROPPED, CHUNKED),
        ):
            refused = said(port, request(address, body, more=more))
            assert refused[:12] in (b"HTTP/1.1 413", b""), address


def test_law_every_answer_but_a_stream_says_how_long_it_is(shop, port):
    """What does not ends its connection, since others would wait behind it."""
    for address in addresses(shop):
        answer = said(port, request(address)).lower()
        assert (b"\r\ncontent-length: " in answer) == (address != STREAM), address
        assert (b"\r\nconnection: close" in answer) == (address == STREAM), address


def test_only_post_has_a_body_in_the_table_of_routes(shop):
    methods = {method for route in create(services(shop)).routes for method in getattr(route, "methods", ())}
    assert methods == {"GET", "POST", "OPTIONS"}


def test_a_refusal_says_what_to_do(port):
    answer = said(port, request(STREAM, b"x" * 70_000))
    assert b"413" in answer
    assert b"send it without a body" in answer
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    "behind",
    [
        request("/healthz"),
        request("/healthz") * 100,
        request("/v1/nowhere", b"x" * 70_000, "POST"),
        request("/enter", b"x" * 300_000, "POST"),
        request("/enter", b"ffff\r\n" + b"x" * 5000, "POST", CHUNKED),
        b"\x00" * 70_000,
    ],
    ids=["one", "a hundred", "a body", "a large body", "half a body", "no HTTP"],
)
@pytest.mark.parametrize("body", [b"", b"x" * 60_000], ids=["alone", "with a body"])
def test_whoever_leaves_a_stream_is_noticed_whatever_waits_behind_it(port, behind, body):
    first = request(STREAM, body)
    for answer in (said(port, first, behind), said(port, first + behind), said(port, first, then=behind)):
        assert answer.count(b"HTTP/1.1 ") <= 1


def test_who_floods_a_stream_is_cut_off(port):
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as line:
        line.sendall(request(STREAM))
        assert line.recv(65_536).startswith(b"HTTP/1.1 200")
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                line.sendall(b"x" * _MOST_AHEAD)
