"""What follows a body is no header: nobody is identified, and nothing is decided, by trailers."""

import socket
from pathlib import Path

import pytest

from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from tests.support import clients
from tests.support.clients import NOW
from tests.support.server import serving


@pytest.mark.parametrize("place", ["head", "trailer"])
def test_a_key_counts_in_the_head_and_not_in_the_trailer(tmp_path: Path, place: str) -> None:
    """In one packet: uvicorn has read all of it before the application begins."""
    shop = clients.opened(tmp_path, hours=1)
    with shop.store.write() as connection:
        _, token = api_keys.create(connection, KeyKind.STAFF, "", NOW)
    key = f"Authorization: Bearer {token}\r\n"
    head, trailer = (key, "") if place == "head" else ("", key)
    data = f"POST /api/v1/keys/list HTTP/1.1\r\nHost: localhost\r\n{head}Transfer-Encoding: chunked\r\n"
    data += f"Connection: close\r\n\r\n2\r\n{{}}\r\n0\r\n{trailer}\r\n"
    with serving(shop) as web, socket.create_connection(("127.0.0.1", web.base_url.port or 0), 300) as peer:
        peer.sendall(data.encode())
        assert peer.recv(12) == (b"HTTP/1.1 200" if place == "head" else b"HTTP/1.1 404")
