"""Middleware for WSGI applications: Flask, Django, Bottle, Pyramid."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable

from watchkeeper_client.client import Client
from watchkeeper_client.integrations.payload import Payload
from watchkeeper_client.integrations.routes import Call, Routes

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


class WatchkeeperMiddleware:
    """Records the requests to `routes`: latency, errors by type, and what the payload names.

    The application sees requests and the caller answers as they are. `environ["watchkeeper.id"]` is the id by which an
    outcome finds the prediction, where the payload names no other.
    """

    def __init__(self, app: Application, client: Client, routes: Mapping[str, Payload]) -> None:
        self._app = app
        self._routes = Routes(client, routes)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Handle a request."""
        call = self._routes.begin(environ.get("REQUEST_METHOD", ""), _path(environ))
        if call is None:
            return self._app(environ, start_response)
        environ["watchkeeper.id"] = call.id
        environ["wsgi.input"] = _Input(environ.get("wsgi.input") or io.BytesIO(), call)
        headers = _headers(environ)

        def starting(status: str, *more: Any) -> Any:
            digits = status[:3]
            call.status = int(digits) if digits.isdigit() else 0
            return start_response(status, *more)

        try:
            return _Answer(self._app(environ, starting), call, headers)
        except Exception as error:
            call.end(headers, error)
            raise


class _Answer:
    """An application's answer, looked at as it goes out."""

    def __init__(self, answer: Iterable[bytes], call: Call, headers: Mapping[str, str]) -> None:
        self._answer = answer
        self._call = call
        self._headers = headers

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._answer:
                self._call.went(piece)
                yield piece
        except Exception as error:
            self._call.end(self._headers, error)
            raise

    def close(self) -> None:
        """The server is done."""
        try:
            closing = getattr(self._answer, "close", None)
            if closing is not None:
                closing()
        finally:
            self._call.end(self._headers)


class _Input:
    """A request's body, looked at as the application reads it."""

    def __init__(self, stream: Any, call: Call) -> None:
        self._stream = stream
        self._call = call

    def read(self, *size: int) -> bytes:
        return self._seen(self._stream.read(*size))

    def readinto(self, buffer: Any) -> int:
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def readline(self, *size: int) -> bytes:
        return self._seen(self._stream.readline(*size))

    def readlines(self, *hint: int) -> list[bytes]:
        return [self._seen(line) for line in self._stream.readlines(*hint)]

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            yield self._seen(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _seen(self, piece: bytes) -> bytes:
        self._call.came(piece)
        return piece


def _path(environ: Environ) -> str:
    return str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", ""))


def _headers(environ: Environ) -> dict[str, str]:
    return {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
