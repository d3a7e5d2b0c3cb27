"""Authenticates requests: from an API key to a principal, or an error.

Before the first key is made, requests from this machine itself are accepted without one, so that a first try needs no
setup; no others are. A request that came through a proxy, or from a web page of another site, is not from this machine,
whatever its address: see `is_local`. Any key ends this, for everything.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from monitor.clock import Clock
from monitor.errors import AccessError, StoreError
from monitor.store import api_keys
from monitor.store.api_keys import Key, KeyKind
from monitor.store.db import Store
from monitor.web.auth.refused_keys import UNKNOWN, RefusedKeys
from monitor.web.auth.senders import Senders
from monitor.web.host_names import host_of
from monitor.web.settings import RANKS

log = logging.getLogger(__name__)

_LOGGED_EVERY = 60.0
_MOST_REFUSED = 1000

_STALE_AFTER = 5.0
_RETRY_AFTER = 1.0
_VALID_FOR = 900.0
"""How long keys are used without access to the store."""
_WAIT, _FIRST_WAIT = 0.25, 2.0
"""Seconds that a request waits for keys to be read: with a key from before, and with an unknown or without any."""
_FORWARDED = (
    "forward", "proxy", "client-ip", "clientip", "connecting-ip", "real-ip", "user-ip", "external-address",
    "original-", "remote-", "authenticated-user", "akamai", "varnish", "surrogate-", "tailscale-", "x-amz-",
    "x-amzn-", "x-goog-", "cloud-trace", "x-vercel-", "x-azure-", "x-envoy-", "cf-",
)  # fmt: skip
"""Parts of the names of headers that proxies add."""
_OF_PROXIES = frozenset(
    ("via", "cdn-loop", "x-arr-log-id", "x-scheme", "x-host", "x-url-scheme", "front-end-https")
)
HEADERS = ("authorization", "host", "origin", "sec-fetch-site")
"""The headers, in lower case, that authentication uses, besides those that `is_of_proxy` tells."""
_HINT = "send the header Authorization: Bearer wk_..."


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated sender: the kind of key, and the client that it is bound to (empty: all clients)."""

    kind: KeyKind
    client: str = ""
    key: str = ""
    role: str = ""
    """That of staff; empty for others."""
    models: tuple[str, ...] = ()
    """The models that the key is bound to; empty for all."""


_made = lru_cache(1024)(Principal)
"""A principal is made once: most requests come from the same few."""


def _same_user() -> bool:
    return True


class Access:
    """Checks keys in memory. New and revoked keys take effect within seconds, in every process."""

    def __init__(
        self, store: Store, clock: Clock, public_url: str = "", *, needs_token: bool = False
    ) -> None:
        """Check keys. With `needs_token`, nothing opens before the first key is made but by `first_token`."""
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._refusing = threading.Lock()  # not held while a thread starts: the event loop takes it
        self._keys: dict[bytes, Key] = {}
        self.refused_keys = RefusedKeys()
        """The keys with which somebody tried to send records."""
        self._refused: dict[tuple[str, str], float] = {}
        self._first = api_keys.digest(secrets.token_urlsafe(32)) if needs_token else b""
        self._read_at = float("-inf")
        self._used: dict[str, float] = {}
        self.senders = Senders(of_key=self.sender_of)
        """Whose the credentials of requests are, for shares."""
        self._reading: threading.Thread | None = None
        self._failure: StoreError | None = None
        self._is_public = bool(public_url) and not _is_here(host_of(public_url))
        self._not_before = float("-inf")

    def who(
        self,
        kind: KeyKind,
        headers: Mapping[str, str],
        peer: str,
        version: str = "1.1",
        is_same_user: Callable[[], bool] = _same_user,
    ) -> Principal:
        """The principal of a request for something of `kind`. Header names are in lower case.

        `peer` is the address of the other end of the connection, `version` the HTTP version of the request;
        `is_same_user` tells whether a program of the user who runs the daemon may have sent it.

        Raises:
            AccessError: a required key is missing, unknown, or of another kind.
        """
        now = self._clock.now()
        self._refresh(now, _STALE_AFTER)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not token:
            return self._without_key(kind, headers, peer, version, is_same_user)
        key = self._keys.get(api_keys.digest(token.strip())) if scheme.lower() == "bearer" else None
        if key is None:
            self._refresh(now, _RETRY_AFTER, is_unknown=True)
            key = self._keys.get(api_keys.digest(token.strip()))
        try:
            return self._principal(kind, key, peer, now)
        except AccessError as error:
            self._log_refused(key, kind, peer, error.message, now)
            raise

    def _principal(self, kind: KeyKind, key: Key | None, peer: str, now: float) -> Principal:
        if key is None or not key.is_valid(now):
            raise AccessError("the API key is not valid", hint="it is unknown, expired or revoked")
        if key.addresses and peer and not key.is_usable_from(peer):
            raise AccessError(
                f"this key may not be used from {peer}", known=True, hint="it is bound to addresses"
            )
        if key.kind not in (kind, KeyKind.STAFF):
            raise AccessError(
                f"this is a key for {key.kind}, not for {kind}", known=True, hint="use another key"
            )
        is_sending = kind in (KeyKind.INGEST, KeyKind.SITE)
        if is_sending and key.kind is KeyKind.STAFF and RANKS[key.role] < RANKS["operator"]:
            raise AccessError("this is a read-only key", known=True, hint=f"use a key of the kind {kind}")
        self._used[key.id] = now
        return _made(key.kind, key.client, key.id, key.role, key.models)

    def _log_refused(self, key: Key | None, kind: KeyKind, peer: str, reason: str, now: float) -> None:
        """Log who used a key in vain: once a minute for each key and address."""
        named = (key.id if key is not None else UNKNOWN, peer)
        if kind is KeyKind.INGEST:
            self.refused_keys.count(*named, now)
        if self._is_due(named, now):
            fields = {"key": named[0], "address": peer, "wanted": str(kind), "reason": reason}
            log.warning("a key was refused", extra=fields)

    def log_refused_sign_in(self, peer: str, reason: str, now: float) -> None:
        """Log that somebody came back from the identity provider in vain: once a minute for each address and reason."""
        if self._is_due((reason, peer), now):
            log.warning("a sign-in was refused", extra={"address": peer, "reason": reason})

    def _is_due(self, named: tuple[str, str], now: float) -> bool:
        """Whether a refusal is to be logged."""
        with self._refusing:
            if 0 <= now - self._refused.get(named, float("-inf")) < _LOGGED_EVERY:
                return False
            if len(self._refused) >= _MOST_REFUSED:
                self._refused.clear()
            self._refused[named] = now
        return True

    def is_cached(self, headers: Mapping[str, str]) -> bool:
        """Whether `who` responds without accessing the store, which may be slow."""
        age = self._clock.now() - self._read_at
        if not 0 <= age < _STALE_AFTER:
            return False
        token = headers.get("authorization", "").partition(" ")[2]
        return age < _RETRY_AFTER or not token or api_keys.digest(token.strip()) in self._keys

    def sender_of(self, headers: Mapping[str, str]) -> str:
        """Whose the key of a request is as far as is known here: its client, or the key; empty if it is unknown."""
        token = headers.get("authorization", "").partition(" ")[2]
        key = self._keys.get(api_keys.digest(token.strip())) if token else None
        return "" if key is None else key.client or key.id

    def is_open(self) -> bool:
        """Whether requests are accepted from this machine without a key: before the first one is made."""
        self._refresh(self._clock.now(), _STALE_AFTER)
        return not (self._keys or self._first)

    def first_token(self) -> str:
        """A token that signs in an admin once, before the first key is made; empty where none is needed."""
        self._refresh(self._clock.now(), _STALE_AFTER)
        if self._keys or not self._first:
            return ""
        token = "wk_" + secrets.token_urlsafe(32)
        self._first = api_keys.digest(token)
        return token

    def take_first(self, token: str) -> bool:
        """Whether this is the token of `first_token`, which is then used up, and no key was made since."""
        self._refresh(self._clock.now(), _STALE_AFTER)
        is_it = bool(self._first) and secrets.compare_digest(api_keys.digest(token), self._first)
        if not is_it or self._keys:
            return False
        self._first = api_keys.digest(secrets.token_urlsafe(32))
        return True

    def is_first_valid(self) -> bool:
        """Whether a session that was opened with the first token is still valid: until a key is made."""
        self._refresh(self._clock.now(), _STALE_AFTER)
        return bool(self._first) and not self._keys

    def write_uses(self) -> None:
        """Store when keys were last used; called by a job of the daemon."""
        with self._lock:
            used, self._used = self._used, {}
        if used:
            with self._store.write() as connection:
                api_keys.mark_used(connection, used)

    def _without_key(
        self,
        kind: KeyKind,
        headers: Mapping[str, str],
        peer: str,
        version: str,
        is_same_user: Callable[[], bool],
    ) -> Principal:
        if self._keys or self._first:
            raise AccessError("an API key is required", hint=_HINT)
        hint = "create a key first: watchkeeper key create"
        if self._is_public or not is_local(headers, peer, version):
            raise AccessError("without a key, only this machine has access", hint=hint)
        if not is_same_user():
            raise AccessError("without a key, only the user who runs the daemon has access", hint=hint)
        return _made(kind)

    def _refresh(self, now: float, age: float, *, is_unknown: bool = False) -> None:
        """Read the keys again if they are older than `age`. An unresponsive store delays nobody for long. A key that
        `is_unknown` may be new, so it waits for a reading that is under way as well.

        Raises:
            StoreError: it was unresponsive for so long that the keys are too old.
        """
        if 0 <= now - self._read_at < age:
            return
        is_valid = 0 <= now - self._read_at < _VALID_FOR
        with self._lock:
            is_new = self._reading is None or not self._reading.is_alive()
            if is_new and (not is_valid or time.monotonic() >= self._not_before):
                self._reading = self._begin_to_read(now)
            reading = self._reading
        if reading is not None and (is_new or not is_valid or is_unknown):
            reading.join(_WAIT if is_valid and not is_unknown else _FIRST_WAIT)
        if not 0 <= now - self._read_at < _VALID_FOR:
            raise self._failure or StoreError("the database is unavailable: no response")

    def _begin_to_read(self, now: float) -> threading.Thread | None:
        thread = threading.Thread(target=self._read, args=(now,), name="keys", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system allows no further thread
            self._failure = StoreError(f"the keys cannot be read: {error}")
            return None
        return thread

    def _read(self, now: float) -> None:
        self._not_before = time.monotonic() + _RETRY_AFTER
        with self._store.faults.isolate("thread", "keys"):
            try:
                with self._store.read() as connection:
                    keys = api_keys.keys(connection)
            except StoreError as error:
                # Records cannot be stored now, but rules still evaluate the rejected ones.
                self._failure = error
                return
            self._keys = {key.hash: key for key in keys}
            self._read_at = now
            self._failure, self._not_before = None, float("-inf")


def is_local(headers: Mapping[str, str], peer: str, version: str) -> bool:
    """Whether somebody at this machine sent a request themselves.

    The connection and the Host header must both name this machine: the name of another host that points here
    (DNS rebinding) does not. No header of a proxy may be there, and the version must not be HTTP/1.0, in which
    older versions of nginx pass requests on. A form of a page must come from that very page.
    """
    if version == "1.0" or not _is_loopback(peer) or any(map(is_of_proxy, headers)):
        return False
    host, origin = headers.get("host"), headers.get("origin")
    if host is None or not _leads_here(host):
        return False
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    if origin == "null":  # our pages send no referrer, so a browser does not say where a form stands
        return headers.get("sec-fetch-site") == "same-origin"
    return origin.partition("://")[2] == host


@lru_cache(1024)
def is_of_proxy(name: str) -> bool:
    """Whether a header, named in lower case, is one that proxies add."""
    return name in _OF_PROXIES or any(part in name for part in _FORWARDED)


@lru_cache(64)
def _leads_here(host: str) -> bool:
    """Whether the header Host names this machine."""
    return _is_here(host_of(f"//{host}"))


def _is_here(host: str) -> bool:
    return host == "localhost" or _is_loopback(host)


@lru_cache
def _is_loopback(peer: str) -> bool:
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False
