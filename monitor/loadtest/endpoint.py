"""A client's model endpoint as the target, with the guards that keep a load test from hitting what nobody meant."""

import ipaddress
import json
import math
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore2

from monitor.errors import AccessError, InputError, WatchkeeperError
from monitor.loadtest.payloads import Shape, bodies, filled
from monitor.loadtest.target import Target, head
from monitor.outgoing.budget import CallBudget
from monitor.outgoing.headers import given_header
from monitor.outgoing.names import addresses
from monitor.outgoing.persistent import Answer, Peer
from monitor.outgoing.tls import verifying
from monitor.visible import visible

DEFAULT_TEMPLATE: Mapping[str, Any] = {"features": "$features"}
MOST_ELSEWHERE = 1000.0
"""Calls a second to another machine, unless a higher maximum is given."""
_LOOK_UP = 10.0
_LARGEST_TEMPLATE = 1_000_000
_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """An address that was resolved once. `is_here` if it is this machine's loopback."""

    host: str
    port: int
    path: str
    address: str
    is_tls: bool
    is_here: bool


def place(url: str) -> ModelAddress:
    """Resolve a URL. Links-local addresses are refused: clouds answer there with the credentials of the machine.

    Raises:
        InputError: it is no http or https URL, holds a password, or names an address that is no server's.
        WatchkeeperError: the name cannot be resolved.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise InputError(f"--url: {error}", hint="write https://host:port/path") from error
    flawed = any(character <= " " or character > "~" for character in url)
    if parts.scheme not in ("http", "https") or not parts.hostname or flawed:
        raise InputError(f"--url: '{visible(url[:100])}' is not a URL", hint="write https://host:port/path")
    if parts.username is not None or parts.password is not None:
        raise InputError("--url contains a user or password", hint="use --header 'Authorization=${env:NAME}'")
    try:
        resolved = addresses(parts.hostname, CallBudget(_LOOK_UP))
    except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
        raise WatchkeeperError(visible(str(error)), hint="correct --url") from error
    kinds = [ipaddress.ip_address(one.partition("%")[0]) for one in resolved]
    for kind in kinds:
        mapped = getattr(kind, "ipv4_mapped", None) or kind
        if mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified:
            raise InputError(f"--url: {mapped} is not the address of a model", hint="name its host")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    is_here = all((getattr(kind, "ipv4_mapped", None) or kind).is_loopback for kind in kinds)
    return ModelAddress(parts.hostname, port, path, resolved[0], parts.scheme == "https", is_here)


def permit(
    where: ModelAddress, environment: str, rate: float, most: float | None, *, confirmed: str, yes: bool
) -> float:
    """Whether this place may be loaded; the most calls a second.

    Raises:
        AccessError: nobody has confirmed the host, or that a production environment is meant.
        InputError: the rate is above the maximum.
    """
    highest = most or (math.inf if where.is_here else MOST_ELSEWHERE)
    if rate > highest:
        raise InputError(
            f"{rate:g} calls a second are more than the maximum of {highest:g}", hint="see --most-rate"
        )
    if where.is_here:
        return highest
    if confirmed != where.host:
        raise AccessError(
            f"nobody has confirmed that {where.host} ({where.address}) may be loaded",
            hint=f"if it is yours, and its operators are informed: --confirm {where.host}",
        )
    if environment == "production" and not yes:
        raise AccessError(
            "the model is that of the environment production",
            hint="test a copy: client/model/staging. To test production, although callers may be affected: --yes",
        )
    return highest


def endpoint(
    where: ModelAddress,
    template: Any,
    shape: Shape,
    headers: Sequence[str],
    secrets: Mapping[str, str],
    options: "Options",
) -> Target:
    """The target. `headers` are NAME=VALUE; `${env:NAME}` in a value is taken from `secrets`, `${file:PATH}` read.

    Raises:
        InputError: a header or the template is invalid.
    """
    given = [_header(header, secrets) for header in headers]
    if not any(name.lower() == b"content-type" for name, _ in given):
        given.append((b"Content-Type", b"application/json"))
    default = 443 if where.is_tls else 80
    host = f"[{where.host}]" if ":" in where.host else where.host
    request = head(
        "POST",
        where.path,
        host if where.port == default else f"{host}:{where.port}",
        (*given, (b"User-Agent", b"watchkeeper-loadtest")),
    )
    body = bodies(filled(template, shape))
    tls = _tls(options.ca_file) if where.is_tls else None
    left_out = f"not in the calls: {', '.join(map(visible, shape.left_out))}" if shape.left_out else ""
    return Target(
        "the model",
        Peer(where.address, where.port, where.host, tls),
        lambda number: request(body(number)),
        lambda answer: _refused(answer, options.expected.encode()),
        notes=(left_out,) if left_out else (),
    )


@dataclass(frozen=True, slots=True)
class Options:
    """`expected` is a text that each answer must contain, `ca_file` certificates to trust."""

    expected: str = ""
    ca_file: str = ""


def _refused(answer: Answer, expected: bytes) -> str:
    if not 200 <= answer.status < 300:
        return f"HTTP {answer.status}"
    return "" if expected in answer.body else "an answer without the expected text"


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return verifying(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"--ca-file: {visible(ca_file)} cannot be read: {visible(str(error))}") from error


def _header(text: str, secrets: Mapping[str, str]) -> tuple[bytes, bytes]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError("--header needs NAME=VALUE", hint="--header 'Authorization=Bearer ${env:TOKEN}'")
    if "${" in _REFERENCE.sub("", value):
        raise InputError(
            f"--header {visible(name)}: '${{' without a reference", hint="${env:NAME} or ${file:PATH}"
        )
    value = _REFERENCE.sub(lambda match: _secret(match[1], match[2], secrets), value)
    try:
        return given_header(name, value)
    except ValueError as error:
        raise InputError(f"--header: {error}") from error


def _secret(kind: str, reference: str, secrets: Mapping[str, str]) -> str:
    if kind == "env":
        if reference not in secrets:
            raise InputError(f"--header: the environment variable {visible(reference)} is not set")
        return secrets[reference]
    try:
        return Path(reference).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise InputError(f"--header: {visible(reference)} cannot be read") from error


def template_of(path: Path) -> Any:
    """The template of a request from a JSON file.

    Raises:
        InputError: it cannot be read, or is not JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > _LARGEST_TEMPLATE:
            raise InputError(f"{visible(str(path))} is larger than 1 MB")
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{visible(str(path))}:{error.lineno}:{error.colno}"
        raise InputError(
            f"{where}: {error.msg}", hint='write JSON such as {"features": "$features"}'
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{visible(str(path))} cannot be read as JSON: {visible(str(error))}") from error
