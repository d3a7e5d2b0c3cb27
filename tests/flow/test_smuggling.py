"""Requests whose end two programs may see in different places, through a real nginx to the real daemon: neither of them
ever answers one that the other did not see.
"""

import errno
import re
import socket
from pathlib import Path

import pytest

from tests.support import nginx
from tests.support.daemon import Daemon

INNER = b"POST /v1/outcomes HTTP/1.1\r\nHost: inner\r\nContent-Length: 2\r\n\r\n[]"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST = b"0\r\n\r\n"


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


BEHIND = LAST + INNER
TWO_WAYS: dict[str, tuple[bytes, bytes]] = {
    "length over the last chunk": (length(len(BEHIND)) + CHUNKED, BEHIND),
    "chunks before a length": (CHUNKED + length(len(BEHIND)), BEHIND),
    "length within a chunk": (CHUNKED + length(4), chunk(INNER) + LAST),
    "two lengths": (length(0) + length(len(INNER)), INNER),
    "two lengths, the longer first": (length(len(INNER)) + length(0), INNER),
    "the same length twice": (length(len(INNER)) * 2, INNER),
    "a list of lengths": (b"Content-Length: 0, %d\r\n" % len(INNER), INNER),
    "a length with a sign": (b"Content-Length: +%d\r\n" % len(INNER), INNER),
    "a negative length": (b"Content-Length: -1\r\n", INNER),
    "a length in hexadecimal": (b"Content-Length: 0x%x\r\n" % len(INNER), INNER),
    "a length with zeros": (b"Content-Length: 00%d\r\n" % len(INNER), INNER),
    "a length with an underscore": (b"Content-Length: 1_0\r\n", INNER),
    "a length with a word": (b"Content-Length: 0 x\r\n", INNER),
    "a length beyond all numbers": (b"Content-Length: 18446744073709551616\r\n", INNER),
    "a length with a space before the colon": (b"Content-Length : %d\r\n" % len(INNER), INNER),
    "a length with a vertical tab": (b"Content-Length:\x0b%d\r\n" % len(INNER), INNER),
    "a length under another name": (b"Content_Length: %d\r\n" % len(INNER), INNER),
    "a length that the connection lists": (b"Connection: content-length\r\n" + length(len(INNER)), INNER),
    "no length": (b"", INNER),
    "chunks with a space before the colon": (
        b"Transfer-Encoding : chunked\r\n" + length(len(BEHIND)),
        BEHIND,
    ),
    "chunks under another name": (b"Transfer_Encoding: chunked\r\n" + length(len(BEHIND)), BEHIND),
    "chunks of another name": (b"Transfer-Encoding: xchunked\r\n" + length(len(BEHIND)), BEHIND),
    "chunks in capitals": (b"Transfer-Encoding: CHUNKED\r\n", BEHIND),
    "chunks after a tab": (b"Transfer-Encoding:\tchunked\r\n", BEHIND),
    "chunks with a vertical tab": (b"Transfer-Encoding: \x0bchunked\r\n" + length(len(BEHIND)), BEHIND),
    "chunks with a zero byte": (b"Transfer-Encoding: chunked\x00\r\n" + length(len(BEHIND)), BEHIND),
    "chunks in a folded line": (b"Transfer-Encoding:\r\n chunked\r\n" + length(len(BEHIND)), BEHIND),
    "chunks after a bare line feed": (b"X: y\nTransfer-Encoding: chunked\r\n" + length(len(BEHIND)), BEHIND),
    "chunks after a bare return": (b"X: y\rTransfer-Encoding: chunked\r\n" + length(len(BEHIND)), BEHIND),
    "chunks, then identity": (b"Transfer-Encoding: chunked, identity\r\n", BEHIND),
    "identity, then chunks": (b"Transfer-Encoding: identity, chunked\r\n", BEHIND),
    "chunks twice": (CHUNKED * 2, BEHIND),
    "chunks and identity": (CHUNKED + b"Transfer-Encoding: identity\r\n", BEHIND),
    "chunks that the connection lists": (b"Connection: transfer-encoding\r\n" + CHUNKED, BEHIND),
    "a chunk with an extension": (CHUNKED, b"2;a=\r\n[]\r\n" + BEHIND),
    "an extension with a bare line feed": (CHUNKED, b"2;\n[]\r\n" + BEHIND),
    "a size in hexadecimal": (CHUNKED, b"0x2\r\n[]\r\n" + BEHIND),
    "a size with a space": (CHUNKED, b"2 \r\n[]\r\n" + BEHIND),
    "a size beyond all numbers": (CHUNKED, b"10000000000000002\r\n[]\r\n" + BEHIND),
    "a chunk that goes on": (CHUNKED, b"2\r\n[]XX" + BEHIND),
    "a chunk with bare line feeds": (CHUNKED, b"2\n[]\n0\n\n" + INNER),
    "a length in the trailer": (CHUNKED, b"0\r\n" + length(len(INNER)) + b"\r\n" + INNER),
    "a wait for 100": (b"Expect: 100-continue\r\n" + length(len(INNER)), INNER),
    "an upgrade": (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + length(0), INNER),
}
LINES = {
    "POST": b"POST /v1/predictions HTTP/1.1",
    "GET": b"GET /readyz HTTP/1.1",
    "HEAD": b"HEAD /readyz HTTP/1.1",
    "an older version": b"POST /v1/predictions HTTP/1.0",
}
SPLITTING = (
    b"GET /c/acme%0d%0aX-Injected:%20yes/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /c/acme%0aX-Injected:%20yes/days.csv HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /enter?next=/c/acme/%0d%0aX-Injected:%20yes HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /readyz HTTP/1.1\r\nHost: x\rX-Injected: yes\r\n\r\n",
    b"GET /c/acme\r\nX-Injected: yes\r\n\r\n",
)


def told(port: int, sent: bytes) -> bytes:
    """All that comes back to somebody who then sends nothing more."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        found = b""
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                found += part
        except OSError as error:  # closed with bytes of ours unread
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                raise
        return found


def answered(daemon: Daemon) -> dict[str, int]:
    """How many requests the daemon has answered at each address."""
    text = daemon.get("/metrics").text
    found: dict[str, int] = {}
    for handler, count in re.findall(
        r'^watchkeeper_http_requests_total\{.*?handler="([^"]*)".*\} (\S+)$', text, re.M
    ):
        found[handler] = found.get(handler, 0) + int(float(count))
    return found


def passed(log: Path) -> dict[str, int]:
    """How many requests nginx has passed on to each address."""
    found: dict[str, int] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        address, _status, of_daemon = line.rsplit(" ", 2)
        if of_daemon != "-":
            found[address] = found.get(address, 0) + 1
    return found


@pytest.mark.parametrize("buffering", [True, False], ids=["whole bodies", "as they come in"])
def test_whatever_two_ends_a_request_may_have_nobody_answers_one_that_was_not_passed_on(
    tmp_path: Path, buffering: bool
) -> None:
    front = tmp_path / "front"
    front.mkdir()
    front.chmod(0o755)
    with Daemon(tmp_path) as daemon, nginx.counting(front, daemon.url, buffering=buffering) as (port, log):
        before = answered(daemon)
        sent = [
            line + b"\r\nHost: outer\r\n" + head + b"\r\n" + body
            for line in LINES.values()
            for head, body in TWO_WAYS.values()
        ]
        for one in (*sent, *SPLITTING):
            found = told(port, one)
            assert b"\r\nx-injected" not in found.lower(), one
            probe = told(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert probe.startswith(b"HTTP/1.1 200 "), (one, probe)
            assert probe.count(b"HTTP/1.1 ") == 1, (one, probe)
        after, through = answered(daemon), passed(log)
        for address in ("/v1/predictions", "/v1/outcomes", "/readyz", "/healthz"):
            assert after.get(address, 0) - before.get(address, 0) <= through.get(address, 0), address
        assert after["/healthz"] - before.get("/healthz", 0) == len(sent) + len(SPLITTING)
        assert through["/v1/outcomes"] > 0  # nginx itself takes some of them for two requests
        assert daemon.get("/healthz").status_code == 200
