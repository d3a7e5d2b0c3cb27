"""What a token says with which the identity provider signs somebody out (OpenID Connect Back-Channel Logout 1.0)."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.visible import one_line

EVENT = "http://schemas.openid.net/event/backchannel-logout"
VALID_FOR = 600.0
"""Seconds after which a token is too old, whatever it says itself. Longer than that, its id is remembered."""
LARGEST = 16_384
"""Characters of a token."""
_LEEWAY = 60.0
_KINDS = ("", "jwt", "logout+jwt", "application/logout+jwt")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """Who is signed out: the `subject`, the session at the provider (`sid`), or both."""

    issuer: str
    subject: str
    sid: str
    identity: str

    @property
    def delivery(self) -> str:
        """What a repeated token is recognized by."""
        return _digest("logout", self.issuer, self.identity)

    @property
    def session(self) -> str:
        """What stands for the session at the provider, which is over; empty if the token names none."""
        return ended_session(self.issuer, self.sid) if self.sid else ""


def ended_session(issuer: str, sid: str) -> str:
    """What is stored of a session at the provider that is over."""
    return _digest("over", issuer, sid)


def checked(
    header: Mapping[str, Any], claims: Mapping[str, Any], issuer: str, client_id: str, now: float
) -> LogoutToken:
    """What a token says whose signature is the provider's.

    Raises:
        ValueError: it is none for signing out, not for us, or not of this time.
    """
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.lower() not in _KINDS:
        raise ValueError(f"it is a token of the kind {one_line(str(kind))[:50]}")
    if claims.get("iss") != issuer:
        raise ValueError("it has another issuer")
    audience = claims.get("aud")
    if client_id not in (audience if isinstance(audience, list) else [audience]):
        raise ValueError("it is for another client")
    _check_times(claims, now)
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        raise ValueError("it does not tell that somebody signs out")
    if "nonce" in claims:
        raise ValueError("it has a nonce, so it is for signing in")
    subject, sid = _text(claims, "sub"), _text(claims, "sid")
    identity = _text(claims, "jti")
    if not identity:
        raise ValueError("it has no id (jti)")
    if not (subject or sid):
        raise ValueError("it does not say who signs out (sub, sid)")
    return LogoutToken(issuer, subject, sid, identity)


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    made, ends, begins = (_number(claims, name) for name in ("iat", "exp", "nbf"))
    if made is None or not -_LEEWAY <= now - made < VALID_FOR:
        raise ValueError("it is not of this time (iat)")
    if ends is None or now - _LEEWAY >= ends:
        raise ValueError("it has expired, or does not say when (exp)")
    if begins is not None and begins > now + _LEEWAY:
        raise ValueError("it is not valid yet (nbf)")


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is not a time")
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str:
    """A claim of printable text; empty if it is missing."""
    if name not in claims:
        return ""
    value = claims[name]
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST:
        raise ValueError(f"{name} is not a text of 1 to {_LONGEST} characters")
    return value


def _digest(*parts: str) -> str:
    return f"{parts[0]} {hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"
