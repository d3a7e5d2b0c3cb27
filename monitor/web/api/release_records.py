"""`POST /v1/releases`: records that a version was released. Answered when the record is on disk."""

from asyncio import to_thread
from collections.abc import Collection
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler

from monitor.clock import Clock
from monitor.config.yaml import suggest
from monitor.errors import AccessError, InputError
from monitor.releases.recording import manifest as manifests
from monitor.releases.recording.record import Recorded, record
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.visible import visible
from monitor.web.auth.authentication import Access, Principal
from monitor.web.auth.session import address_of, principal_of


def routes(store: Store, access: Access, clock: Clock, clients: Collection[str]) -> list[HTTPRouteHandler]:
    """The route. `clients` are the configured ones; without any, every client is accepted."""

    def stored(request: Request[Any, Any, Any], body: bytes) -> Recorded:
        sender = principal_of(access, KeyKind.INGEST, request)
        return _record(store, sender, clients, body, clock.now(), address_of(request))

    @route(
        "/v1/releases",
        http_method=[HttpMethod.POST],
        request_max_body_size=manifests.LARGEST,
        include_in_schema=False,
    )
    async def releases(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        """Record a release: 201 if it is new, 200 if it was recorded before."""
        recorded = await to_thread(stored, request, await request.body())
        return Response(as_json(recorded), status_code=201 if recorded.is_new else 200)

    return [releases]


def as_json(recorded: Recorded) -> dict[str, Any]:
    """What is answered. Keys may be added, never removed."""
    release = recorded.release
    return {
        "client": release.stream.client,
        "model": release.stream.model,
        "environment": release.stream.environment,
        "version": release.version,
        "digest": release.digest,
        "recorded": recorded.is_new,
        "contradictions": list(recorded.contradictions),
    }


def _record(
    store: Store, sender: Principal, clients: Collection[str], body: bytes, now: float, address: str
) -> Recorded:
    manifest = manifests.parse(body, now)
    if sender.client not in ("", manifest.client):
        hint = "use a key of that client: watchkeeper key create ingest --client NAME"
        raise AccessError(f"the key belongs to client '{sender.client}'", known=True, hint=hint)
    if sender.models and manifest.model not in sender.models:
        raise AccessError(
            "this key is bound to other models", known=True, hint=f"models: {', '.join(sender.models)}"
        )
    if clients and manifest.client not in clients:
        suggestion = suggest(manifest.client, clients)
        raise InputError(f"client '{visible(manifest.client)}' is not configured{suggestion}")
    by = f"key {sender.key}" if sender.key else "this machine"
    with store.write() as connection:
        return record(connection, manifest, "api", by, now, address)
