"""Heads that were made to be read in two ways: a relay refuses them as the daemon does, and passes none on."""

import contextlib
import socket

import pytest

from tests.support.relays import KEY, OTHER_KEY, relaying, settings_of
from tests.support.stand_in import Reply, StandIn
from tests.support.waiting import until

TAKEN = Reply(202, {"accepted": 1, "rejected": []})
OWN = f"Authorization: Bearer {KEY}\r\n"
OTHER = f"Authorization: Bearer {OTHER_KEY}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
INNER = f"POST /v1/predictions HTTP/1.1\r\nHost: x\r\n{OTHER}Content-Length: 8\r\n\r\nSMUGGLED"


def request(headers: str = "", body: str = "bad", length: bool = True, host: str = "Host: x\r\n") -> bytes:
    size = f"Content-Length: {len(body)}\r\n" if length else ""
    return f"POST /v1/predictions HTTP/1.1\r\n{host}{OWN}{size}{headers}\r\n{body}".encode("latin-1")


REFUSED = {
    "two keys": request(OTHER),
    "two ids": request("Idempotency-Key: a\r\nidempotency-key: b\r\n"),
    "two encodings": request("Content-Encoding: gzip\r\nContent-Encoding: identity\r\n"),
    "two types": request("Content-Type: a/b\r\nContent-Type: c/d\r\n"),
    "two lengths": request("Content-Length: 1\r\n"),
    "two hosts": request("Host: y\r\n"),
    "no host": request(host=""),
    "a length and parts": request(CHUNKED, "0\r\n\r\n" + INNER),
    "parts and no parts": request(
        "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n" + INNER, length=False
    ),
    "two kinds of parts": request(
        f"{CHUNKED}Transfer-Encoding: identity\r\n", "0\r\n\r\n" + INNER, length=False
    ),
    "a space before the colon": request("Content-Length : 0\r\n", INNER, length=False),
    "a folded line": request("X: a\r\n b\r\n"),
    "bare line feeds": request().replace(b"\r\n", b"\n"),
    "a bare carriage return": request("X: a\rY: b\r\n"),
    "a NUL": request("X: a\0b\r\n"),
    "a negative length": request("Content-Length: -1\r\n", length=False),
    "a part of a negative size": request(CHUNKED, "-1\r\n", length=False),
    "a part of a huge size": request(CHUNKED, "F" * 17 + "\r\n", length=False),
}


def answered(port: int, data: bytes) -> bytes:
    """All that comes back until the connection is closed."""
    found = b""
    with (
        socket.create_connection(("127.0.0.1", port), 300) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(data)
        while part := connection.recv(65_536):
            found += part
    return found


def test_a_head_that_can_be_read_in_two_ways_is_refused_and_nothing_is_passed_on(tmp_path):
    with StandIn(lambda _: TAKEN) as upstream, relaying(settings_of(tmp_path, upstream.url)) as (_, sender):
        told = {name: answered(sender.base_url.port, data)[:12] for name, data in REFUSED.items()}
        assert told == dict.fromkeys(REFUSED, b"HTTP/1.1 400")
        assert sender.post("/v1/predictions", content=b"good").status_code == 202
        until(lambda: upstream.asked, "it has arrived")
        assert [asked.body for asked in upstream.asked] == [b"good"]


@pytest.mark.parametrize("own", [OWN, ""])
def test_what_follows_the_body_names_no_sender(tmp_path, own):
    """Trailers that come in the same packet as the head are not among the headers."""
    data = f"POST /v1/predictions HTTP/1.1\r\nHost: x\r\n{own}{CHUNKED}Connection: close\r\n\r\n"
    data += f"4\r\nrows\r\n0\r\n{OTHER}Idempotency-Key: forged\r\n\r\n"
    with StandIn(lambda _: TAKEN) as upstream, relaying(settings_of(tmp_path, upstream.url)) as (_, sender):
        found = answered(sender.base_url.port, data.encode())
        assert found[:12] == (b"HTTP/1.1 202" if own else b"HTTP/1.1 401")
        if own:
            until(lambda: upstream.asked, "it has arrived")
        clients = [asked.headers["watchkeeper-relay-client"] for asked in upstream.asked]
        assert clients == ["acme"] * bool(own)
        assert not any("idempotency-key" in asked.headers for asked in upstream.asked)
