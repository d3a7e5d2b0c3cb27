"""Who is asking: an API key to a principal, or a refusal.

As long as no key of a kind was ever made, requests from this machine itself are taken without one, so that a first
try needs no set-up; nobody else is. A request that came through a proxy, or from a web page of another site, is not
from this machine, whatever its address says.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from monitor.clock import Clock
from monitor.errors import AccessError, StoreError
from monitor.store import access
from monitor.store.access import Key, Kind
from monitor.store.db import Store

_STALE_AFTER = 5.0
_LOOK_AGAIN_AFTER = 1.0
_KNOWN_FOR = 900.0
"""How long keys are known without the store."""
_FORWARDED = frozenset(("forwarded", "x-forwarded-for", "x-real-ip", "origin"))
HEADERS = ("authorization", *_FORWARDED)
"""The headers of a request, in lower case, that say who asks."""
_HINT = "send the header Authorization: Bearer wk_..."


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the kind of key, and the client that it is bound to (empty: all clients)."""

    kind: Kind
    client: str = ""
    key: str = ""


class Access:
    """Looks keys up in memory; a new or revoked key is seen within seconds, by every process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[bytes, Key] = {}
        self._kinds: frozenset[Kind] = frozenset()
        self._read_at = float("-inf")
        self._used: dict[str, float] = {}

    def who(self, kind: Kind, headers: Mapping[str, str], peer: str) -> Principal:
        """The principal behind a request for something of `kind`. Header names are in lower case.

        Raises:
            AccessError: no key where one is needed, an unknown one, or one for something else.
        """
        now = self._clock.now()
        self._refresh(now, _STALE_AFTER)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not token:
            return self._without_key(kind, headers, peer)
        key = self._keys.get(access.digest(token.strip())) if scheme.lower() == "bearer" else None
        if key is None:
            self._refresh(now, _LOOK_AGAIN_AFTER)
            key = self._keys.get(access.digest(token.strip()))
        if key is None or not key.is_valid(now):
            raise AccessError("the API key is not valid", hint="it is unknown, expired or revoked")
        if key.kind not in (kind, Kind.STAFF):
            raise AccessError(
                f"this is a key for {key.kind}, not for {kind}", known=True, hint="use another key"
            )
        self._used[key.id] = now
        return Principal(key.kind, key.client, key.id)

    def is_open(self, kind: Kind) -> bool:
        """Whether requests of a kind are taken from this machine without a key."""
        self._refresh(self._clock.now(), _STALE_AFTER)
        return kind not in self._kinds

    def write_uses(self) -> None:
        """Write down when keys were last used; called by the daemon's housekeeping."""
        with self._lock:
            used, self._used = self._used, {}
        if used:
            with self._store.write() as connection:
                access.mark_used(connection, used)

    def _without_key(self, kind: Kind, headers: Mapping[str, str], peer: str) -> Principal:
        if kind in self._kinds:
            raise AccessError("an API key is needed", hint=_HINT)
        if not _is_loopback(peer) or not _FORWARDED.isdisjoint(headers):
            raise AccessError("without a key, only this machine itself may do this", hint="make a key first")
        return Principal(kind)

    def _refresh(self, now: float, age: float) -> None:
        if 0 <= now - self._read_at < age:
            return
        try:
            with self._store.read() as connection:
                keys = access.keys(connection)
        except StoreError:
            if not 0 <= now - self._read_at < _KNOWN_FOR:
                raise
            return  # nothing can be stored either way, but what is refused for that is still seen by the rules
        self._keys = {key.hash: key for key in keys}
        self._kinds = frozenset(key.kind for key in keys)
        self._read_at = now


@lru_cache
def _is_loopback(peer: str) -> bool:
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False
