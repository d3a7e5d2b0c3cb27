"""One HTTP request: one deadline for all of it, a limit for the answer, no redirects; the connection is kept."""

from __future__ import annotations

import encodings.idna  # noqa: F401 (see `_Resolver`)
import http.client
import io
import socket
import ssl
import time
from _thread import allocate_lock, start_new_thread
from contextlib import suppress
from typing import Any, cast

from watchkeeper_client.protocol.address import Address
from watchkeeper_client.protocol.failures import Answer, TransportError

LARGEST_ANSWER = 1_048_576
_IDLE = 3.0
"""Seconds after which a connection is made anew: servers close idle ones, uvicorn after five."""
_PIECE = 262_144


class Transport:
    """Speaks to one address, from one thread at a time."""

    def __init__(self, address: Address, ca_file: str = "") -> None:
        self._address = address
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None
        self._socket: socket.socket | None = None
        self._used_at = 0.0
        self._resolver = _Resolver()

    def post(self, path: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
        """Send and wait for the answer, `timeout` seconds for all of it.

        Raises:
            TransportError: none came.
        """
        deadline = _Deadline(timeout)
        head = self._head(path, len(body), headers)
        try:
            if self._socket is not None and time.monotonic() - self._used_at < _IDLE:
                with suppress(ConnectionError):  # it was closed meanwhile: the same request may be sent again
                    return self._exchange(head, body, deadline)
            self._connect(deadline)
            return self._exchange(head, body, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            words = str(error) or type(error).__name__
            raise TransportError(f"{type(error).__name__}: {words}"[:300]) from error

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _head(self, path: str, length: int, headers: dict[str, str]) -> bytes:
        lines = [f"POST {self._address.path}{path} HTTP/1.1", f"Host: {self._address.host_header}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {length}", "Accept-Encoding: identity", "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def _exchange(self, head: bytes, body: bytes, deadline: _Deadline) -> Answer:
        connection = self._socket
        assert connection is not None
        for whole in (head, body) if len(body) > _PIECE else (head + body,):
            rest = memoryview(whole)
            while rest:
                connection.settimeout(deadline.left())
                rest = rest[connection.send(rest[:_PIECE]) :]
        response = http.client.HTTPResponse(cast("Any", _Incoming(connection, deadline)), method="POST")
        try:
            response.begin()
            content = response.read(LARGEST_ANSWER + 1)
            if len(content) > LARGEST_ANSWER:
                raise ValueError(f"the answer is larger than {LARGEST_ANSWER:,} bytes")
            if response.will_close or not response.isclosed():
                self.close()
            self._used_at = time.monotonic()
            return Answer(
                response.status,
                content,
                response.headers.get("Retry-After", ""),
                response.headers.get("Date", ""),
            )
        finally:
            response.close()

    def _connect(self, deadline: _Deadline) -> None:
        self.close()
        addresses = self._resolver.addresses(self._address.host, self._address.port, deadline.left())
        failure: OSError = OSError(f"{self._address.host} has no address")
        for rank, (family, address) in enumerate(addresses):
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(deadline.left() / (len(addresses) - rank))
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(deadline.left())
                self._socket = self._secured(connection)
                return
            except OSError as error:
                connection.close()
                failure = error
        raise failure

    def _secured(self, connection: socket.socket) -> socket.socket:
        if not self._address.secure:
            return connection
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._ca_file or None)
        return self._context.wrap_socket(connection, server_hostname=self._address.host)


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds.

        Raises:
            TimeoutError: none.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"not within {self._seconds:g} s")
        return left


class _Incoming(io.RawIOBase):
    """What a server sends, read until the deadline however it drips."""

    def __init__(self, connection: socket.socket, deadline: _Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._deadline.left())
        return self._connection.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What `HTTPResponse` asks a socket for."""
        return io.BufferedReader(self)


class _Resolver:
    """Names to addresses. The system's resolver knows no deadline, so it is asked in a thread of its own.

    The codec of host names would be imported there at the first name. A child that is forked during an import waits
    forever for the lock of that import, so this module imports the codec.
    """

    def __init__(self) -> None:
        self._is_asking = False

    def addresses(self, host: str, port: int, timeout: float) -> list[tuple[int, Any]]:
        with suppress(OSError, UnicodeError):
            return _distinct(
                socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            )
        if self._is_asking:
            raise TimeoutError(f"the name {host} is still being looked up")
        answer: list[Any] = []
        done = allocate_lock()
        done.acquire()

        def ask() -> None:
            try:
                answer.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                answer.append(error)
            finally:
                self._is_asking = False
                done.release()

        self._is_asking = True
        try:
            start_new_thread(ask, ())
        except RuntimeError:  # no threads are started any more while the interpreter ends
            ask()
        if not done.acquire(True, timeout):
            raise TimeoutError(f"the name {host} was not found within {timeout:.0f} s")
        if answer and isinstance(answer[0], Exception):
            raise OSError(f"the name {host} was not found: {answer[0]}")
        return _distinct(answer)


def _distinct(answer: list[Any]) -> list[tuple[int, Any]]:
    return list(dict.fromkeys((family, address) for family, _, _, _, address in answer))
