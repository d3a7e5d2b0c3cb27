"""Servers that answer as nobody should: a byte now and then, without end, or not at all; over TLS where wanted."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

OK = b"HTTP/1.1 200 OK\r\n"
CHUNK = b"x" * 65_536


class Manner(StrEnum):
    """How a server treats whoever connects."""

    HANG = "hang"
    """Says nothing."""
    DRIP = "drip"
    """Begins a good answer, and goes on with a byte at a time."""
    FLOOD = "flood"
    """Begins a good answer, and never ends it."""
    HEADERS = "headers"
    """Sends headers without end."""
    CONTINUE = "continue"
    """Says 100 Continue without end."""
    RESET = "reset"
    """Ends in the middle of an answer."""


@dataclass(slots=True)
class Peer:
    """A server on a free port of this host. `sent` counts the bytes of all its connections."""

    port: int
    sent: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)


@contextmanager
def peer(manner: Manner, tls: ssl.SSLContext | None = None, *, is_mail: bool = False) -> Iterator[Peer]:
    """A server of that manner, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Peer(listening.getsockname()[1])
        listening.settimeout(0.05)
        thread = threading.Thread(target=_serve, args=(listening, manner, tls, made, is_mail), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.stopping.set()
            thread.join()


def _serve(
    listening: socket.socket, manner: Manner, tls: ssl.SSLContext | None, made: Peer, is_mail: bool
) -> None:
    while not made.stopping.is_set():
        with contextlib.suppress(TimeoutError):
            connection, _ = listening.accept()
            threading.Thread(
                target=_answer, args=(connection, manner, tls, made, is_mail), daemon=True
            ).start()


def _answer(
    plain: socket.socket, manner: Manner, tls: ssl.SSLContext | None, made: Peer, is_mail: bool
) -> None:
    with contextlib.suppress(OSError), plain:
        plain.settimeout(0.5)
        line = plain
        if tls is not None and manner is not Manner.HANG:
            line = tls.wrap_socket(plain, server_side=True)
        with line:
            if not is_mail and manner is not Manner.HANG:
                line.recv(65_536)
            _misbehave(line, manner, made, is_mail)


def _misbehave(line: socket.socket, manner: Manner, made: Peer, is_mail: bool) -> None:
    def send(data: bytes) -> None:
        line.sendall(data)
        made.sent += len(data)

    if manner is Manner.HANG:
        made.stopping.wait()
        return
    opening = b"220-" if is_mail else OK + b"Content-Length: 1000000000\r\n\r\n"
    if manner is Manner.DRIP:
        send(opening)
        while not made.stopping.wait(0.05):
            send(b"x")
    elif manner is Manner.RESET:
        send(opening + b"half")
    elif manner is Manner.FLOOD:
        send(opening)
        while not made.stopping.is_set():
            send(b"220-more\r\n" * 5000 if is_mail else CHUNK)
    else:
        part = b"X-More: yes\r\n" if manner is Manner.HEADERS else b"HTTP/1.1 100 Continue\r\n\r\n"
        send(OK if manner is Manner.HEADERS else b"")
        while not made.stopping.is_set():
            send(part * 1000)
