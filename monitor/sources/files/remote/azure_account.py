"""The account of Azure Blob Storage: its address and credentials, from the variables that Azure's own tools read.

Requests are signed with the account's key (https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key),
carry a shared access signature, or a token of the machine's identity.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import quote, urlsplit

from monitor import outgoing

VERSION = "2021-12-02"
"""Of the REST API: names with characters that XML lacks are encoded since 2021."""
MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
_RESOURCE = "https://storage.azure.com/"
_SECONDS = 5.0
_LONGEST, _EARLY = 86_400.0, 300.0
"""Seconds that a token is used at most, and seconds before its end at which it is renewed."""
_HOST = re.compile(r"([a-z0-9]{3,24})\.(?:dfs|blob)\.([a-z0-9.-]+)", re.IGNORECASE)


class CredentialsError(OSError):
    """There are no usable credentials."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account: `endpoint` is the URL before containers, `key` in base64, `sas` a query without question mark."""

    name: str
    endpoint: str
    key: str = ""
    sas: str = ""


def account_of(host: str, environment: Mapping[str, str]) -> Account:
    """The account of a host such as `acme.dfs.core.windows.net`; without a host, that of the environment.

    Raises:
        CredentialsError: no account is named.
    """
    given = _of_environment(environment)
    if not host:
        if not given.name:
            raise CredentialsError(
                "no account is named: write abfs://container@account.dfs.core.windows.net/folder, or set "
                "AZURE_STORAGE_ACCOUNT"
            )
        return given
    named = _HOST.fullmatch(host)
    if named is None:
        raise CredentialsError(f"{host!r} is not an Azure account such as acme.dfs.core.windows.net")
    name = named[1].lower()
    if given.name == name:
        return given
    sas = given.sas if not given.name else ""  # credentials of another account stay away from this one
    return Account(name, f"https://{name}.blob.{named[2].lower()}", "", sas)


def _of_environment(environment: Mapping[str, str]) -> Account:
    text = environment.get("AZURE_STORAGE_CONNECTION_STRING", "")
    pairs = (part.partition("=") for part in text.split(";") if part)
    parts = {name.strip().lower(): value.strip() for name, _, value in pairs}
    named = _HOST.fullmatch(
        urlsplit(parts.get("blobendpoint", "")).hostname or ""
    )  # all that one with a signature has
    own = environment.get("AZURE_STORAGE_ACCOUNT") or (named[1].lower() if named else "")
    name = parts.get("accountname") or own
    scheme, suffix = (
        parts.get("defaultendpointsprotocol", "https"),
        parts.get("endpointsuffix", "core.windows.net"),
    )
    endpoint = parts.get("blobendpoint") or f"{scheme}://{name}.blob.{suffix}"
    return Account(
        name,
        endpoint.rstrip("/"),
        parts.get("accountkey") or environment.get("AZURE_STORAGE_KEY", ""),
        (parts.get("sharedaccesssignature") or environment.get("AZURE_STORAGE_SAS_TOKEN", "")).lstrip("?"),
    )


def signed(
    account: Account, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """The URL and the headers of a GET request for a path below the endpoint, such as `/orders/a.jsonl`.

    Raises:
        CredentialsError: the key is no base64, or there is no token.
    """
    encoded = quote(path)
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    url = f"{account.endpoint}{encoded}"
    sent = {**headers, "x-ms-version": VERSION, "x-ms-date": formatdate(usegmt=True)}
    if account.key:
        text = text_to_sign(account.name, urlsplit(url).path, query, sent)
        sent["Authorization"] = _signature(account, text)
    elif account.sas:
        pairs = f"{pairs}&{account.sas}" if pairs else account.sas
    else:
        sent["Authorization"] = f"Bearer {machine_tokens().current()}"
    return f"{url}?{pairs}" if pairs else url, sent


def text_to_sign(account: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """What the key of an account signs of a GET request; `path` is that of the URL."""
    own = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-ms-"))
    lines = ["GET", *[""] * 11, *(f"{name}:{value}" for name, value in own)]
    return "\n".join([*lines, f"/{account}{path}", *(f"{name}:{query[name]}" for name in sorted(query))])


def _signature(account: Account, text: str) -> str:
    try:
        key = base64.b64decode(account.key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CredentialsError("authentication failed: the account key is not base64") from error
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return f"SharedKey {account.name}:{base64.b64encode(digest).decode()}"


class MachineTokens:
    """The current token of the identity of the machine that the daemon runs on, renewed before it expires."""

    def __init__(self, address: str = MACHINE, client_id: str = "") -> None:
        self._address, self._client_id = address, client_id
        self._token, self._until = "", float("-inf")

    def current(self) -> str:
        """The token.

        Raises:
            CredentialsError: there is none.
        """
        if time.monotonic() >= self._until - _EARLY:
            self._token, seconds = self._issued()
            valid = seconds if 0 <= seconds <= _LONGEST else _LONGEST  # also where it is no finite number
            self._until = time.monotonic() + valid
        return self._token

    def _issued(self) -> tuple[str, float]:
        query = {"api-version": "2018-02-01", "resource": _RESOURCE}
        query |= {"client_id": self._client_id} if self._client_id else {}
        nothing = "no AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or connection string is set, and authentication failed"
        try:
            with outgoing.client(_SECONDS) as client:
                response = client.get(self._address, params=query, headers={"Metadata": "true"})
            answer = json.loads(response.content)
            token, seconds = answer["access_token"], float(answer["expires_in"])
        except outgoing.FAILURES as error:
            raise CredentialsError(
                f"{nothing} by the identity of this machine: {outgoing.reason(error)}"
            ) from error
        except (KeyError, TypeError, RecursionError) as error:
            raise CredentialsError(f"{nothing}: the identity of this machine has no token") from error
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise CredentialsError(f"{nothing}: the token of this machine cannot be sent")
        return token, seconds


@lru_cache(1)
def machine_tokens() -> MachineTokens:
    """The tokens that all requests share."""
    return MachineTokens(client_id=os.environ.get("AZURE_CLIENT_ID", ""))
