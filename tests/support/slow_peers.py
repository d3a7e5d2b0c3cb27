"""Servers that answer as nobody should: a byte now and then, without end, or not at all; over TLS where wanted."""

import contextlib
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

OK = b"HTTP/1.1 200 OK\r\n"
CHUNK = b"x" * 65_536


SLACK_SECONDS = 4.0
"""How far behind its deadline a call may end on a busy machine. Usual deadlines are 5 s or more."""


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
    ZEROS = "zeros"
    """Answers with half a megabyte that unpacks to 500 MB of zeros."""
    REDIRECT = "redirect"
    """Sends whoever asks to the address that tells machines in a cloud their credentials, and to itself."""


def zeros() -> bytes:
    """A gzip file of 500 MB of zeros, of which only the checksum is wrong."""
    packer = zlib.compressobj(wbits=31)
    first, again = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * 499


@dataclass(slots=True)
class Peer:
    """A server on a free port of this host. `sent` counts the bytes of all its connections, `asked` are the first lines
    of their requests.
    """

    port: int
    sent: int = 0
    asked: list[bytes] = field(default_factory=list)
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
                made.asked.append(line.recv(65_536).partition(b"\r\n")[0])
            _misbehave(line, manner, made, is_mail)


def _misbehave(line: socket.socket, manner: Manner, made: Peer, is_mail: bool) -> None:
    def send(data: bytes) -> None:
        line.sendall(data)
        made.sent += len(data)

    if manner is Manner.HANG:
        made.stopping.wait()
        return
    if manner in _WHOLE:
        send(_WHOLE[manner](made))
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


def _zeros(_made: Peer) -> bytes:
    body = zeros()
    return b"%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (OK, len(body), body)


def _elsewhere(made: Peer) -> bytes:
    """First to the machine's credentials, then to itself, and so on."""
    where = b"http://127.0.0.1:%d/again" % made.port
    if len(made.asked) % 2:
        where = b"http://169.254.169.254/latest/meta-data/"
    return b"HTTP/1.1 307 Go there\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % where


_WHOLE = {Manner.ZEROS: _zeros, Manner.REDIRECT: _elsewhere}
"""Answers that end."""
