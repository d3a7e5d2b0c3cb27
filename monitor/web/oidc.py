"""Sign-in for staff through OpenID Connect: authorization code with PKCE, checked by authlib.

authlib is an extra and is imported only where sign-in is configured.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.errors import AccessError, WatchkeeperError
from monitor.web.settings import OidcSettings, Role

_RANK = {"viewer": 1, "operator": 2, "admin": 3}
LIFETIME = 600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in on its way: what the provider's answer must match."""

    state: str
    nonce: str
    verifier: str
    next: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in, and as what."""

    name: str
    role: Role


class Provider:
    """The identity provider: its addresses and keys are read when first needed."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._addresses: Mapping[str, Any] = {}

    def begin(self, redirect: str, next_page: str, now: float) -> tuple[str, Attempt]:
        """Where to send the browser, and what its return must match."""
        attempt = Attempt(
            secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), next_page, now
        )
        with self._client(redirect) as client:
            address, _ = client.create_authorization_url(
                self._find("authorization_endpoint", client),
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        return str(address), attempt

    def reach(self) -> None:
        """Read the provider's addresses, as a sign-in would.

        Raises:
            WatchkeeperError: it cannot be reached, or calls itself something else.
        """
        with self._client("") as client:
            self._find("authorization_endpoint", client)

    def finish(self, attempt: Attempt, code: str, state: str, redirect: str, now: float) -> Person:
        """The person behind a returned code.

        Raises:
            AccessError: the answer does not belong to the attempt, is not the provider's, or names nobody of ours.
        """
        if not secrets.compare_digest(state, attempt.state) or not 0 <= now - attempt.started_at < LIFETIME:
            raise AccessError("this sign-in has run out", hint="start again")
        with self._client(redirect) as client:
            token = self._exchange(client, code, attempt)
            claims = self._verified(client, token, attempt, now)
        return self._person(claims)

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
            verify=str(settings.ca_file) if settings.ca_file else True,
            timeout=10,
        )

    def _find(self, name: str, client: Any) -> str:
        if not self._addresses:
            address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            self._addresses = self._get(client, address)
            if self._addresses.get("issuer") != self._settings.issuer:
                found, self._addresses = self._addresses.get("issuer"), {}
                raise WatchkeeperError(
                    f"the identity provider calls itself {found!r}", hint="check web.oidc.issuer"
                )
        return str(self._addresses[name])

    def _get(self, client: Any, address: str) -> Mapping[str, Any]:
        import httpx2

        try:
            answer = client.request("GET", address, withhold_token=True)
            answer.raise_for_status()
            found: Mapping[str, Any] = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise WatchkeeperError(
                f"the identity provider cannot be reached: {error}", hint="check web.oidc.issuer"
            ) from error
        return found

    def _exchange(self, client: Any, code: str, attempt: Attempt) -> Mapping[str, Any]:
        import httpx2
        from authlib.integrations.base_client import OAuthError

        try:
            found: Mapping[str, Any] = client.fetch_token(
                self._find("token_endpoint", client),
                grant_type="authorization_code",
                code=code,
                code_verifier=attempt.verifier,
            )
        except OAuthError as error:
            raise AccessError(f"the identity provider refused: {error}", hint="start again") from error
        except httpx2.HTTPError as error:
            raise WatchkeeperError(f"the identity provider cannot be reached: {error}") from error
        return found

    def _verified(
        self,
        client: Any,
        token: Mapping[str, Any],
        attempt: Attempt,
        now: float,
    ) -> Mapping[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        keys = KeySet.import_key_set(dict(self._get(client, self._find("jwks_uri", client))))  # type: ignore[arg-type]
        options = {"iss": {"essential": True, "value": self._settings.issuer}}
        options["aud"] = {"essential": True, "value": self._settings.client_id}
        params = {"nonce": attempt.nonce, "client_id": self._settings.client_id}
        params["access_token"] = str(token.get("access_token", ""))
        try:
            read = jwt.decode(
                str(token.get("id_token", "")), keys, algorithms=["RS256", "ES256", "PS256", "EdDSA"]
            )
            claims = CodeIDToken(read.claims, read.header, options=options, params=params)
            claims.validate(now=int(now), leeway=60)
        except (JoseError, ValueError) as error:
            raise AccessError(f"the identity provider's answer cannot be believed: {error}") from error
        return dict(read.claims)

    def _person(self, claims: Mapping[str, Any]) -> Person:
        held = claims.get(self._settings.role_claim, ())
        groups = [held] if isinstance(held, str) else list(held or ())
        roles = [self._settings.roles[group] for group in groups if group in self._settings.roles]
        name = str(claims.get("email") or claims.get("preferred_username") or claims["sub"])
        if not roles:
            raise AccessError(
                f"{name} is in no group that may sign in", known=True, hint="ask an admin (web.oidc.roles)"
            )
        return Person(name, max(roles, key=lambda role: _RANK[role]))
