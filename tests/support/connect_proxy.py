"""A real proxy: it opens tunnels (CONNECT), and forwards plain requests. It notes what it was asked for."""

import base64
import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Proxy:
    """A proxy on a free port of this host. `asked` are the hosts and ports of the tunnels."""

    port: int
    user: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, with user and password if it wants them."""
        return f"http://{self.user + '@' if self.user else ''}127.0.0.1:{self.port}"


@contextmanager
def connect_proxy(user: str = "") -> Iterator[Proxy]:
    """A proxy, until the block ends; `user` is `name:password`, and whoever does not send it is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Proxy(listening.getsockname()[1], user)
        listening.settimeout(0.05)
        stopping = threading.Event()
        thread = threading.Thread(target=_serve, args=(listening, made, stopping), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            stopping.set()
            thread.join()


def _serve(listening: socket.socket, made: Proxy, stopping: threading.Event) -> None:
    while not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            line, _ = listening.accept()
            threading.Thread(target=_answer, args=(line, made, stopping), daemon=True).start()


def _answer(line: socket.socket, made: Proxy, stopping: threading.Event) -> None:
    with contextlib.suppress(OSError), line:
        line.settimeout(5)
        head = b""
        while b"\r\n\r\n" not in head:
            part = line.recv(65_536)
            if not part:
                return
            head += part
        words = head.split(b"\r\n", 1)[0].split(b" ")
        expected = b"Basic " + base64.b64encode(made.user.encode())
        if made.user and expected not in head:
            line.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if words[0] != b"CONNECT":
            made.asked.append(words[1].decode())
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            return
        made.asked.append(words[1].decode())
        host, _, port = words[1].decode().rpartition(":")
        with socket.create_connection((host, int(port)), 5) as other:
            line.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _tunnel(line, other, stopping)


def _tunnel(one: socket.socket, other: socket.socket, stopping: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while not stopping.is_set():
            for key, _ in selector.select(0.05):
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(65_536)
                if not data:
                    return
                key.data.sendall(data)
