"""Webhooks of MLflow's model registry: signature, age, and the release that an event stands for.

An alias that is set releases a version to the environment that the alias stands for. A version that is registered is
released nowhere, unless the configuration names an environment for it.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from monitor.errors import InputError
from monitor.releases.recording.manifest import Manifest
from monitor.releases.settings import MlflowSettings
from monitor.times.reading import NoTimeError, read
from monitor.visible import visible

OLDEST = 300.0
"""Seconds by which a webhook may be older or newer than the daemon's clock."""


class _Data(msgspec.Struct):
    name: str = ""
    version: str = ""
    alias: str = ""
    source: str | None = None
    run_id: str | None = None


class _Envelope(msgspec.Struct):
    entity: str
    action: str
    timestamp: str
    data: _Data


@dataclass(frozen=True, slots=True)
class RegistryEvent:
    """An event of the model registry. `at` is when it happened, in seconds since the epoch."""

    kind: str
    at: float
    name: str
    version: str
    alias: str = ""
    source: str = ""
    run_id: str = ""


def is_signed(secrets: Sequence[str], delivery: str, timestamp: str, header: str, body: bytes) -> bool:
    """Whether the header has a signature of this delivery for any of the secrets.

    MLflow signs `delivery.timestamp.body` with HMAC-SHA256 and sends `v1,` and the digest in base64; during a rotation
    of secrets, a header may have several, separated by spaces.
    """
    signed = f"{delivery}.{timestamp}.".encode(errors="surrogatepass") + body
    expected = [
        b"v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest())
        for secret in secrets
    ]
    received = [one.encode(errors="surrogatepass") for one in header.split()]
    matches = [hmac.compare_digest(one, other) for one in received for other in expected]
    return any(matches)


def is_current(timestamp: str, now: float) -> bool:
    """Whether a webhook was sent within five minutes of `now`."""
    is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12
    return is_number and abs(int(timestamp) - now) <= OLDEST


def parse(body: bytes) -> RegistryEvent:
    """Read a webhook.

    Raises:
        InputError: it is not an event of the model registry.
    """
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
        at = read(envelope.timestamp).micros / 1e6
    except (msgspec.MsgspecError, NoTimeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not an event of MLflow's model registry: {visible(str(error))}") from error
    data = envelope.data
    kind = f"{envelope.entity}.{envelope.action}"
    return RegistryEvent(kind, at, data.name, data.version, data.alias, data.source or "", data.run_id or "")


def manifest_of(event: RegistryEvent, settings: MlflowSettings) -> Manifest | str:
    """The release that an event stands for, or in words why it stands for none. Pure."""
    name, alias = visible(event.name[:128]), visible(event.alias[:128])
    if event.kind == "model_version_alias.created":
        environment = settings.aliases.get(event.alias, "")
        reason = f"alias {alias!r} is not in releases.mlflow.aliases"
    elif event.kind == "model_version.created":
        environment, reason = settings.new_versions, "a registered version is released nowhere"
    else:
        return f"nothing is released by {visible(event.kind[:80])}"
    if not environment:
        return reason
    model = settings.models.get(event.name)
    if model is None:
        return f"registered model {name!r} is not in releases.mlflow.models"
    client, _, of_client = model.partition("/")
    about = [f"alias {event.alias}"] if event.alias else []
    about += [f"run {event.run_id}"] if event.run_id else []
    about += [event.source] if event.source else []
    return Manifest(
        client=client,
        model=of_client,
        version=event.version,
        environment=environment,
        released_at=event.at,
        released_by="MLflow",
        note=f"MLflow {event.name}: {', '.join(about)}"[:2000],
    )
