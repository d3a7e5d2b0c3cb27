"""Which requests are predictions, and what is recorded of one that ended: what the middlewares share."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from watchkeeper_client.client import Client
from watchkeeper_client.integrations.payload import LARGEST_BODY, Exchange, Payload
from watchkeeper_client.problems import ERROR, log


class Routes:
    """Paths of a service, each with its payload; a path that ends in `*` stands for all that begin like it."""

    def __init__(self, client: Client, routes: Mapping[str, Payload]) -> None:
        self.client = client
        self._exact = {path: payload for path, payload in routes.items() if not path.endswith("*")}
        self._prefixes = [(path[:-1], payload) for path, payload in routes.items() if path.endswith("*")]

    def begin(self, method: str, path: str) -> Call | None:
        """The call that begins with a request; None where it is no prediction."""
        if method not in ("POST", "PUT", "GET"):
            return None
        payload = self._exact.get(path)
        if payload is None:
            payload = next(
                (payload_of for start, payload_of in self._prefixes if path.startswith(start)), None
            )
        return None if payload is None else Call(self.client, payload, path)


class Call:
    """A request under way. Bodies that are too large are not kept."""

    def __init__(self, client: Client, payload: Payload, path: str) -> None:
        self.id = os.urandom(16).hex()
        self.status = 0
        self._client = client
        self._payload = payload
        self._path = path
        self._at = time.time()
        self._started = perf_counter()
        self._request: list[bytes] = []
        self._response: list[bytes] = []
        self._request_size = self._response_size = 0
        self._is_over = False

    def came(self, piece: bytes) -> None:
        """A piece of the request's body."""
        self._request_size += len(piece)
        if self._request_size <= LARGEST_BODY:
            self._request.append(bytes(piece))
        else:
            self._request.clear()

    def went(self, piece: bytes) -> None:
        """A piece of the answer's body."""
        self._response_size += len(piece)
        if self._response_size <= LARGEST_BODY:
            self._response.append(bytes(piece))
        else:
            self._response.clear()

    def end(self, headers: Mapping[str, str], error: BaseException | None = None) -> None:
        """The answer is out, or an exception came instead of it. Never raises.

        A request that the caller got wrong (status 400 to 499) is none of the model's doing and is not recorded.
        """
        if self._is_over:
            return
        self._is_over = True
        try:
            failed = type(error).__name__ if error is not None else ""
            if not failed and self.status >= 500:
                failed = f"HTTP {self.status}"
            if not failed and not 200 <= self.status < 300:
                return
            exchange = Exchange(
                self._payload,
                {**self._client.base(), **self._measured()},
                b"".join(self._request),
                b"".join(self._response),
                headers,
                self._path,
                self.status,
                failed,
            )
            self._client.put("predictions", exchange, 1, exchange.weight)
        except Exception:
            log(ERROR, "a request could not be recorded", with_error=True)

    def _measured(self) -> dict[str, Any]:
        return {"id": self.id, "timestamp": self._at, "latency_ms": (perf_counter() - self._started) * 1e3}
