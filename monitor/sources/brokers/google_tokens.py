"""Access tokens for Google's APIs: of a service account's key file, of a person who has logged in (`authorized_user`),
or of the machine that the daemon runs on.
"""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor import outgoing

_MACHINE = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
_GOOGLE = "https://oauth2.googleapis.com/token"
_ACCOUNT, _PERSON = "service_account", "authorized_user"
"""Kinds of files of credentials."""
_SECONDS = 5.0
_VALID = 3600
_EARLY = 120.0
"""Seconds before its end at which a token is renewed."""
_OTHERS = "use the key file of a service account, or run the daemon on a machine of Google Cloud that has an account"


class TokenError(Exception):
    """There is no token."""


def token_address(key_file: str) -> str:
    """The URL from which tokens come; Google's own if the key file cannot be read."""
    if not key_file:
        return _MACHINE
    try:
        return str(json.loads(Path(key_file).read_bytes()).get("token_uri") or _GOOGLE)
    except (OSError, ValueError, AttributeError, RecursionError):
        return _GOOGLE


class GoogleTokens:
    """The current token for one scope, renewed before it expires. `key_file` empty: the machine's own account."""

    def __init__(self, scope: str, key_file: str) -> None:
        self._scope, self._key_file = scope, key_file
        self._token, self._until = "", float("-inf")

    def current(self) -> str:
        """The token.

        Raises:
            TokenError: there is none.
            ImportError: `cryptography` is not installed, and a key file is used.
        """
        if time.monotonic() >= self._until - _EARLY:
            answer = self._of_key() if self._key_file else self._of_machine()
            token, seconds = answer.get("access_token"), answer.get("expires_in")
            if not isinstance(token, str) or not token or not isinstance(seconds, int | float):
                raise TokenError("Google's answer has no access token")
            valid = seconds if 0 <= seconds <= _VALID else _VALID  # also where it is no finite number
            self._token, self._until = token, time.monotonic() + valid
        return self._token

    def _of_machine(self) -> dict[str, Any]:
        try:
            with outgoing.client(_SECONDS) as client:
                response = client.get(_MACHINE, headers={"Metadata-Flavor": "Google"})
            return _answer(response.status_code, response.content)
        except outgoing.FAILURES as error:
            msg = (
                f"this machine has no account of Google Cloud ({outgoing.reason(error)}); name `credentials`"
            )
            raise TokenError(msg) from error

    def _of_key(self) -> dict[str, Any]:
        try:
            key = json.loads(Path(self._key_file).read_bytes())
            uri = str(key.get("token_uri") or _GOOGLE)
            form = self._form(key, uri)
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise TokenError(f"{self._key_file} is not a service account key file: {error}") from error
        try:
            with outgoing.client(_SECONDS) as client:
                response = client.post(uri, data=form)
            return _answer(response.status_code, response.content)
        except outgoing.FAILURES as error:
            raise TokenError(f"{uri}: {outgoing.reason(error)}") from error

    def _form(self, key: Mapping[str, Any], uri: str) -> dict[str, str]:
        """What is sent for a token, by the kind of the file."""
        kind = str(key.get("type") or _ACCOUNT)
        if kind == _PERSON:
            names = ("client_id", "client_secret", "refresh_token")
            return {"grant_type": "refresh_token", **{name: str(key[name]) for name in names}}
        if kind != _ACCOUNT:
            raise TokenError(
                f"{self._key_file} is of the kind {kind[:40]!r}, which is not supported: {_OTHERS}"
            )
        claim = self._claim(key, uri)
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": claim}

    def _claim(self, key: Mapping[str, Any], uri: str) -> str:
        """A JSON web token, signed with the account's key (RFC 7523)."""
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "kid": key.get("private_key_id")}
        claims = {
            "iss": key["client_email"],
            "scope": self._scope,
            "aud": uri,
            "iat": now,
            "exp": now + _VALID,
        }
        signed = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(claims).encode())}"
        private = serialization.load_pem_private_key(str(key["private_key"]).encode(), None)
        if not isinstance(private, rsa.RSAPrivateKey):
            msg = "its private key is not an RSA key"
            raise ValueError(msg)
        return f"{signed}.{_encoded(private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _answer(status: int, content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TokenError(f"HTTP {status} without JSON") from error
    if status != 200 or not isinstance(answer, dict):
        words = (
            str(answer.get("error_description") or answer.get("error")) if isinstance(answer, dict) else ""
        )
        raise TokenError(f"HTTP {status}: {words[:300]}")
    return answer
