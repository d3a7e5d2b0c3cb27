"""Who sent a request, as far as that is known before it is authenticated: for shares, never for access."""

import hashlib
from collections.abc import Callable, Mapping

from litestar.types import HTTPScope

_MOST = 10_000
_CREDENTIALS = (b"authorization", b"cookie")
_NONE = hashlib.sha256().digest()


class Senders:
    """The client, key or person behind the credentials that were seen last. Used on one event loop.

    Credentials that were never accepted count for their address, so that inventing some brings nothing.
    """

    def __init__(
        self, most: int = _MOST, of_key: Callable[[Mapping[str, str]], str] = lambda _headers: ""
    ) -> None:
        """`of_key` tells whose an API key is, from the header Authorization; empty if it is not known."""
        self._known: dict[bytes, str] = {}
        self._most, self._of_key = most, of_key

    def of(self, scope: HTTPScope) -> str:
        """The sender that a request counts for."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                key = self._of_key({"authorization": value.decode("latin-1")})
                if key:
                    return key
        address = scope["client"][0] if scope["client"] else ""
        return self._known.get(_digest(scope), f"address {address}")

    def learn(self, scope: HTTPScope, sender: str) -> None:
        """The credentials of a request were those of a sender."""
        credentials = _digest(scope)
        self._known.pop(credentials, None)
        self._known[credentials] = sender
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]


def _digest(scope: HTTPScope) -> bytes:
    """What stands for the credentials, which are not kept themselves."""
    credentials = [header for header in scope["headers"] if header[0] in _CREDENTIALS]
    if not credentials:
        return _NONE
    sent = hashlib.sha256()
    for name, value in credentials:
        sent.update(b"%b %d " % (name, len(value)))
        sent.update(value)
    return sent.digest()
