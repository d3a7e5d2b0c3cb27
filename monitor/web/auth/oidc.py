"""Sign-in of staff through OpenID Connect: authorization code with PKCE, verified by authlib.

authlib is an optional dependency and is imported only if sign-in is configured.
"""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor import outgoing
from monitor.errors import AccessError, WatchkeeperError
from monitor.outgoing.budget import CallBudget
from monitor.outgoing.client import BUDGET, DeadlineTransport
from monitor.visible import one_line
from monitor.web.auth import claims, logout_token
from monitor.web.auth.logout_token import LogoutToken
from monitor.web.settings import OidcSettings, Role

_INVALID_CLAIMS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""Errors from claims that do not follow the standard."""
_RSA_BITS = 2048
_ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA"]
_KINDS_OF_KEYS = ("RSA", "EC", "OKP")
_METADATA_SECONDS = 3600.0
"""How long the provider's endpoints are used before they are read again. Its keys are read at each sign-in."""
_KEYS_SECONDS, _READ_AGAIN = 300.0, 10.0
"""How long the provider's keys are used for signing out, and how soon they are read again for a token that none of
them signed: anybody may send one.
"""
LIFETIME = 600.0
_LEEWAY = 60.0
"""Seconds that the provider's clock may differ."""
SECONDS = 10.0
"""Timeout of one response of the provider."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in in progress: the values that the provider's response must match."""

    state: str
    nonce: str
    verifier: str
    next: str
    started_at: float
    is_again: bool = False
    """Whether the provider has to ask for the proof once more."""


@dataclass(frozen=True, slots=True)
class Person:
    """The signed-in user, their role, and the groups that give it. `issuer` and `subject` identify them; the name is
    for people to read. `authenticated_at` is when the provider last made sure of them; 0 if it does not tell. `sid`
    is their session at the provider, if it names it.
    """

    name: str
    role: Role
    issuer: str
    subject: str
    groups: tuple[str, ...] = ()
    authenticated_at: float = 0.0
    sid: str = ""


@dataclass(frozen=True, slots=True)
class Returned:
    """What the browser brings back from the provider. `issuer` is the parameter `iss` (RFC 9207), which some do not
    send; `error` is the provider's refusal.
    """

    code: str
    state: str
    issuer: str = ""
    error: str = ""


class _UnknownSignatureError(AccessError):
    """A token that none of the known keys signed."""


class Provider:
    """The identity provider. Its endpoints and keys are read when they are first needed."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._metadata: Mapping[str, Any] = {}
        self._read_at = float("-inf")
        self._keys: Any = None
        self._keys_read_at = float("-inf")
        self._reading = threading.Lock()

    def begin(
        self, redirect: str, next_page: str, now: float, *, is_again: bool = False
    ) -> tuple[str, Attempt]:
        """The URL to send the browser to, and the values that its return must match. With `is_again`, the provider
        must not rely on an earlier sign-in, and tells when it asked.
        """
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (24, 24, 48))
        attempt = Attempt(state, nonce, verifier, next_page, now, is_again)
        asked = {"prompt": "login", "max_age": "0"} if is_again else {}
        with self._client(redirect) as client:
            address, _ = client.create_authorization_url(
                self._find("authorization_endpoint", client, now),
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
                **asked,
            )
        return str(address), attempt

    def reach(self) -> None:
        """Read the provider's endpoints, as a sign-in would.

        Raises:
            WatchkeeperError: it cannot be reached, or has another issuer.
        """
        with self._client("") as client:
            self._find("authorization_endpoint", client, float("inf"))

    def finish(self, attempt: Attempt, returned: Returned, redirect: str, now: float) -> Person:
        """The user of a returned code.

        Raises:
            AccessError: the response does not match the attempt, is not the provider's, the user has no role, or
                did not sign in again as they should have.
        """
        is_match = secrets.compare_digest(returned.state.encode(), attempt.state.encode())
        if not is_match or not 0 <= now - attempt.started_at < LIFETIME:
            raise AccessError("your sign-in has expired", hint="sign in again")
        if returned.error or not returned.code:
            reason = one_line(returned.error)[:100] or "no code"
            raise AccessError(f"the identity provider rejected the sign-in: {reason}", hint="sign in again")
        with self._client(redirect) as client:
            self._check_issuer(returned.issuer, client, now)
            token = self._exchange(client, returned.code, attempt, now)
            id_claims = self._verified(client, token, attempt, now)
        return self._person(id_claims, _authentication_time(id_claims, attempt, now))

    def logout(self, token: str, now: float) -> LogoutToken:
        """What a token says with which the provider signs somebody out.

        Raises:
            AccessError: it is not the provider's, not for us, or not of this time.
            WatchkeeperError: the provider's keys cannot be read.
        """
        if not 0 < len(token) <= logout_token.LARGEST:
            raise AccessError("the logout token is missing or too long")
        with self._client("") as client:
            keys = self._logout_keys(client, now, _KEYS_SECONDS)
            try:
                return self._logout(token, keys, now)
            except _UnknownSignatureError:
                keys = self._logout_keys(client, now, _READ_AGAIN)
                return self._logout(token, keys, now)

    def _logout(self, token: str, keys: Any, now: float) -> LogoutToken:
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            decoded = jwt.decode(token, keys, algorithms=_ALGORITHMS)
        except (JoseError, *_INVALID_CLAIMS) as error:
            reason = one_line(str(error))[:200] or type(error).__name__
            raise _UnknownSignatureError(f"the logout token is not the provider's: {reason}") from error
        issuer, client_id = self._settings.issuer, self._settings.client_id
        try:
            return logout_token.checked(decoded.header, decoded.claims, issuer, client_id, now)
        except _INVALID_CLAIMS as error:
            raise AccessError(f"the logout token is not valid: {error}") from error

    def _logout_keys(self, client: Any, now: float, age: float) -> Any:
        """The provider's keys, read within `age` seconds, and by one thread at a time."""
        if not self._reading.acquire(timeout=SECONDS):
            raise WatchkeeperError("the identity provider cannot be reached: no response")
        try:
            if not 0 <= now - self._keys_read_at < (_READ_AGAIN if self._keys is None else age):
                self._keys, self._keys_read_at = None, now  # also if this fails: not at once again
                budget = CallBudget(SECONDS)
                address = self._find("jwks_uri", client, now, budget)
                self._keys = _usable(self._get(client, address, budget))
        except _INVALID_CLAIMS as error:
            raise WatchkeeperError(f"the identity provider's keys cannot be used: {error}") from error
        finally:
            self._reading.release()
        if self._keys is None:
            raise WatchkeeperError("the identity provider's keys could not be read a moment ago")
        return self._keys

    def _check_issuer(self, issuer: str, client: Any, now: float) -> None:
        """Whether the response is that of our provider, where it says whose it is (RFC 9207)."""
        is_told = self._read(client, now).get("authorization_response_iss_parameter_supported") is True
        if issuer != self._settings.issuer and (issuer or is_told):
            raise AccessError("the sign-in belongs to another identity provider", hint="sign in again")

    def _client(self, redirect: str) -> Any:
        from authlib.integrations.httpx_client import OAuth2Client

        settings = self._settings
        secret = settings.client_secret.get_secret_value()
        return OAuth2Client(
            settings.client_id,
            secret or None,
            scope=settings.scopes,
            redirect_uri=redirect,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            transport=DeadlineTransport(SECONDS, str(settings.ca_file) if settings.ca_file else ""),
            timeout=None,
        )

    def _find(self, name: str, client: Any, now: float, budget: CallBudget | None = None) -> str:
        address = self._read(client, now, budget).get(name)
        if not isinstance(address, str):
            raise WatchkeeperError(
                f"the identity provider does not publish {name}", hint="check web.oidc.issuer"
            )
        schemes = ("https://",) if self._settings.issuer.startswith("https://") else ("https://", "http://")
        if not address.startswith(schemes):
            raise WatchkeeperError(
                f"the identity provider's {name} is without TLS: {one_line(address)[:200]}",
                hint="check the provider's own address behind its proxy",
            )
        return address

    def _read(self, client: Any, now: float, budget: CallBudget | None = None) -> Mapping[str, Any]:
        """The provider's metadata. Only what has the configured issuer is kept."""
        if not 0 <= now - self._read_at < _METADATA_SECONDS:
            address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            metadata = self._get(client, address, budget)
            if metadata.get("issuer") != self._settings.issuer:
                raise WatchkeeperError(
                    f"the identity provider has another issuer: {metadata.get('issuer')!r}"[:300],
                    hint="check web.oidc.issuer",
                )
            self._metadata, self._read_at = metadata, now
        return self._metadata

    def _get(self, client: Any, address: str, budget: CallBudget | None = None) -> Mapping[str, Any]:
        """What is at an address; within a budget that several requests share, if one is given."""
        shared = {BUDGET: budget} if budget else {}
        try:
            response = client.request("GET", address, withhold_token=True, extensions=shared)
            response.raise_for_status()
            content: Mapping[str, Any] = dict(response.json())
        except (*outgoing.FAILURES, TypeError, RecursionError) as error:
            raise WatchkeeperError(
                f"the identity provider cannot be reached: {outgoing.reason(error)}",
                hint="check web.oidc.issuer",
            ) from error
        return content

    def _exchange(self, client: Any, code: str, attempt: Attempt, now: float) -> Mapping[str, Any]:
        from authlib.integrations.base_client import OAuthError

        try:
            token: Mapping[str, Any] = client.fetch_token(
                self._find("token_endpoint", client, now),
                grant_type="authorization_code",
                code=code,
                code_verifier=attempt.verifier,
            )
        except OAuthError as error:
            raise AccessError(
                f"the identity provider rejected the sign-in: {error}", hint="sign in again"
            ) from error
        except outgoing.FAILURES as error:
            message = f"the identity provider cannot be reached: {outgoing.reason(error)}"
            raise WatchkeeperError(message) from error
        except _INVALID_CLAIMS as error:
            message = f"the identity provider's response is not valid: {error or type(error).__name__}"
            raise AccessError(message) from error
        if not isinstance(token, Mapping):
            raise AccessError("the identity provider's response is not valid: it is not an object")
        return token

    def _verified(
        self,
        client: Any,
        token: Mapping[str, Any],
        attempt: Attempt,
        now: float,
    ) -> Mapping[str, Any]:
        from authlib.common.errors import AuthlibBaseError
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError

        published = self._get(client, self._find("jwks_uri", client, now))
        options = {"iss": {"essential": True, "value": self._settings.issuer}}
        options["aud"] = {"essential": True, "value": self._settings.client_id}
        params = {"nonce": attempt.nonce, "client_id": self._settings.client_id}
        params["access_token"] = str(token.get("access_token", ""))
        try:
            keys = _usable(published)
            decoded = jwt.decode(str(token.get("id_token", "")), keys, algorithms=_ALGORITHMS)
            _check_kind(decoded.header)
            token_of_id = CodeIDToken(decoded.claims, decoded.header, options=options, params=params)
            token_of_id.validate(now=int(now), leeway=int(_LEEWAY))
            return dict(decoded.claims)
        except (JoseError, AuthlibBaseError, *_INVALID_CLAIMS) as error:
            reason = str(error) or type(error).__name__
            raise AccessError(f"the identity provider's response is not valid: {reason}") from error

    def _person(self, id_claims: Mapping[str, Any], authenticated_at: float) -> Person:
        settings = self._settings
        name, subject = claims.person(id_claims), claims.subject(id_claims)
        groups = claims.groups(id_claims, settings.role_claim)
        role = settings.role_of(groups)
        if role:
            known = tuple(sorted({group for group in groups if group in settings.roles}))
            sid = claims.provider_session(id_claims)
            return Person(name, role, settings.issuer, subject, known, authenticated_at, sid)
        hint = "ask an admin (web.oidc.roles)"
        if not groups:
            hint = f"the token has no groups in {settings.role_claim}: ask an admin (web.oidc.role_claim)"
        raise AccessError(f"{name} is not in a group that may sign in", known=True, hint=hint)


def _usable(published: Mapping[str, Any]) -> Any:
    """The provider's keys that are of a known kind, without RSA keys that can be computed: those of fewer than 2,048
    bits. Others beside them are left out (RFC 7517, section 5).

    Raises:
        ValueError: there is none.
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry, KeySet

    keys: list[Any] = []
    for one in published.get("keys") or ():
        if not isinstance(one, Mapping) or one.get("kty") not in _KINDS_OF_KEYS:
            continue
        try:
            key: Any = JWKRegistry.import_key(dict(one))
        except (JoseError, *_INVALID_CLAIMS):
            continue
        if key.key_type != "RSA" or key.public_key.key_size >= _RSA_BITS:
            keys.append(key)
    if not keys:
        raise ValueError("it publishes no key that can be used")
    return KeySet(keys)


def _authentication_time(id_claims: Mapping[str, Any], attempt: Attempt, now: float) -> float:
    """When the provider last made sure of the user (`auth_time`); 0 if it does not say so, or it cannot be.

    Raises:
        AccessError: it was to ask them again, and did not since the attempt began.
    """
    told = id_claims.get("auth_time")
    is_time = isinstance(told, (int, float)) and not isinstance(told, bool) and 0 <= told <= now + _LEEWAY
    at = min(float(told), now) if is_time and told is not None else 0.0
    if attempt.is_again and at < attempt.started_at - _LEEWAY:
        raise AccessError(
            "the identity provider did not ask you to sign in again",
            hint="it has to know prompt=login and max_age, and to send auth_time; API keys need neither",
        )
    return at


def _check_kind(header: Mapping[str, Any]) -> None:
    """A token that says that it is of another kind, as those for access and for signing out do, identifies nobody.

    Raises:
        ValueError: it is one.
    """
    kind = str(header.get("typ", "")).lower()
    if kind.endswith("+jwt"):
        raise ValueError(f"it is a token of the kind {one_line(kind)[:50]}")
