"""An HTTP client that limits the time and size of each call.

It follows no redirects, requests no compression, and uses the proxies of the environment, unless its route names
another.
"""

import ssl
import threading
import zlib
from collections.abc import Iterable

import httpcore2
import httpx2

from monitor.outgoing.budget import MOST_BYTES, CallBudget
from monitor.outgoing.route import OutgoingRoute
from monitor.outgoing.stream import Backend
from monitor.visible import one_line

FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, ImportError)
"""The exceptions of a request: no response, an invalid URL or header, an unsupported kind of proxy."""
BUDGET = "budget"
"""The request extension with a budget that is shared by several requests."""
LONGEST_REASON = 300


def client(seconds: float, route: str | OutgoingRoute = "", most_bytes: int = MOST_BYTES) -> httpx2.Client:
    """A client whose requests take at most `seconds` and `most_bytes` each, or share the budget of their extension.

    `route` is a route, or the name of a file with certificates to trust instead of the system's.

    Raises:
        OSError: a file of the route cannot be read.
    """
    return httpx2.Client(
        transport=DeadlineTransport(seconds, route, most_bytes), timeout=None, follow_redirects=False
    )


def reason(error: BaseException) -> str:
    """Why a request failed, in one line."""
    words = one_line(str(error)) or "no reason was given"
    return f"{type(error).__name__}: {words}"[:LONGEST_REASON]


class DeadlineTransport(httpx2.BaseTransport):
    """A transport for `httpx2`, and for clients based on it, that returns complete responses."""

    def __init__(
        self,
        seconds: float,
        route: str | OutgoingRoute = "",
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._seconds, self._most = seconds, most_bytes
        self._route = OutgoingRoute(route) if isinstance(route, str) else route
        self._verify = self._route.tls()
        self._current = threading.local()
        self._transports: dict[str, httpx2.HTTPTransport] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request, and read its complete response."""
        budget = request.extensions.get(BUDGET) or CallBudget(self._seconds, self._most)
        request.headers["Accept-Encoding"] = "identity"
        self._current.budget = budget
        response = self._transport_for(request.url).handle_request(request)
        try:
            assert isinstance(response.stream, httpx2.SyncByteStream)
            body = _whole(response.stream, budget)
        except httpcore2.TimeoutException as error:  # between two reads, where httpx2 does not translate it
            raise httpx2.ReadTimeout(str(error)) from error
        finally:
            response.close()
        encoding = response.headers.pop("Content-Encoding", "")
        for name in ("Content-Length", "Transfer-Encoding"):
            response.headers.pop(name, None)
        return httpx2.Response(
            response.status_code, headers=response.headers, content=_decoded(body, encoding, self._most)
        )

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()

    def _transport_for(self, url: httpx2.URL) -> httpx2.HTTPTransport:
        proxy = self._route.proxy_for(url.scheme, url.host)
        with self._lock:
            if proxy not in self._transports:
                through = httpx2.Proxy(proxy, ssl_context=self._proxy_tls(proxy)) if proxy else None
                transport = httpx2.HTTPTransport(verify=self._verify, trust_env=False, proxy=through)
                transport._pool._network_backend = Backend(lambda: self._current.budget)
                self._transports[proxy] = transport
            return self._transports[proxy]

    def _proxy_tls(self, proxy: str) -> ssl.SSLContext | None:
        """TLS to the proxy itself, which is rare: the same certificates are trusted."""
        return self._verify if proxy.startswith("https:") else None


def _whole(stream: Iterable[bytes], budget: CallBudget) -> bytes:
    parts = []
    for part in stream:
        budget.left()
        parts.append(part)
    return b"".join(parts)


def _decoded(body: bytes, encoding: str, most: int) -> bytes:
    """The decompressed body, for servers that compress without being asked; unchanged if it cannot be decompressed."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    reader = zlib.decompressobj(wbits=47)
    try:
        return reader.decompress(body, most)
    except zlib.error:
        return body
