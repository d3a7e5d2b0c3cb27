"""Changes by staff, for the command line and other programs: keys, updates on incidents, approvals.

They need the key of staff with the right role, never a session: a browser cannot be made to send one. Each writes its
entry into the audit log in its own transaction.
"""

from asyncio import to_thread
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from litestar import HttpMethod, Request, Response, route
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from monitor.clock import iso
from monitor.config.units import DAY
from monitor.errors import InputError, NotFoundError
from monitor.health import client_state, notes
from monitor.records import Stream
from monitor.releases.approval import approve
from monitor.store import api_keys, incident_notes, silences, streams
from monitor.store.api_keys import Key, KeyKind
from monitor.store.approvals import TEAM, Approval
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.auth.session import Visitor
from monitor.web.pages.actions import is_for

_LARGEST = 1_048_576
_T = TypeVar("_T")


class NewKey(msgspec.Struct):
    """A key to make. `days` is how long it is valid; 0 means until it is revoked."""

    kind: str
    client: str = ""
    name: str = ""
    days: float = 0
    role: str = ""
    models: list[str] = []
    addresses: list[str] = []


class NewNote(msgspec.Struct):
    """An update on an incident: `client/model/rule`, or the incident's id."""

    incident: str
    text: str


class NewApproval(msgspec.Struct):
    """A decision of the team on a version."""

    client: str
    model: str
    version: str
    environment: str = "production"
    approved: bool = True
    note: str = ""
    evidence: msgspec.Raw = msgspec.Raw(b"null")


def _route(
    path: str, role: str, change: Callable[[Request[Any, Any, Any], Visitor, bytes, str], dict[str, Any]]
) -> HTTPRouteHandler:
    """A route that a key of staff with this role may post to."""

    def made(request: Request[Any, Any, Any], body: bytes, identity: str) -> dict[str, Any]:
        visitor = session.staff(request, role)
        session.check_form(request, visitor, "")
        return change(request, visitor, body, identity)

    options = {"http_method": [HttpMethod.POST], "status_code": 200, "include_in_schema": False}
    if "{" in path:

        @route(f"/api/v1/{path}", **options)  # type: ignore[arg-type]
        async def with_identity(
            request: Request[Any, Any, Any], identity: FromPath[str]
        ) -> Response[dict[str, Any]]:
            return Response(await to_thread(made, request, await request.body(), identity))

        return with_identity

    @route(f"/api/v1/{path}", request_max_body_size=_LARGEST, **options)  # type: ignore[arg-type]
    async def handler(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        return Response(await to_thread(made, request, await request.body(), ""))

    return handler


def _new_key(request: Request[Any, Any, Any], visitor: Visitor, body: bytes, _: str) -> dict[str, Any]:
    _check_unbound(visitor)
    new, services = _read(body, NewKey), web_services.of(request)
    if new.kind not in set(KeyKind) or not 0 <= new.days <= 3650:
        raise InputError(f"kind must be one of {', '.join(KeyKind)}, and days 0 to 3650")
    if new.kind in (KeyKind.INGEST, KeyKind.PAGE) and not new.client:
        raise InputError(f"a key of kind {new.kind} needs a client")
    kind, now = KeyKind(new.kind), services.clock.now()
    bound = api_keys.bounds(kind, new.role, new.models, new.addresses)
    ends = now + new.days * DAY if new.days else None
    with services.store.write() as connection:
        key, token = api_keys.create(
            connection, kind, new.client, now, name=new.name, expires_at=ends, bound=bound
        )
        session.note(request, connection, visitor, new.client, f"make key {key.id} for {kind}")
    return {"id": key.id, "key": token}


def _revoke(request: Request[Any, Any, Any], visitor: Visitor, _: bytes, identity: str) -> dict[str, Any]:
    _check_unbound(visitor)
    services = web_services.of(request)
    with services.store.write() as connection:
        if not api_keys.revoke(connection, identity, services.clock.now()):
            raise NotFoundError("there is no such valid key", hint="watchkeeper key list")
        session.note(request, connection, visitor, "", f"revoke key {identity}")
    return {"id": identity}


def _list(request: Request[Any, Any, Any], visitor: Visitor, _: bytes, __: str) -> dict[str, Any]:
    _check_unbound(visitor)
    services = web_services.of(request)
    with services.store.read() as connection:
        listed = api_keys.keys(connection)
    return {"keys": [_as_json(key, services.clock.now()) for key in listed]}


def _write_note(request: Request[Any, Any, Any], visitor: Visitor, body: bytes, _: str) -> dict[str, Any]:
    new, services = _read(body, NewNote), web_services.of(request)
    now, address = services.clock.now(), session.address_of(request)
    with services.store.write() as connection:
        clients = {*services.clients, *(one.client for one in streams.streams(connection))}
        candidates = [
            one
            for client in sorted(clients)
            if visitor.may_read(client)
            for one in client_state.incidents(connection, client, services.client(client), now)
        ]
        chosen = notes.named(candidates, new.incident)
        written = notes.write(
            connection, chosen, new.text, author=visitor.audit_name, address=address, now=now
        )
    session.about(request, chosen.stream.client)
    return {"id": written.id, "incident": chosen.id}


def _withdraw(request: Request[Any, Any, Any], visitor: Visitor, _: bytes, identity: str) -> dict[str, Any]:
    services = web_services.of(request)
    now, address = services.clock.now(), session.address_of(request)
    with services.store.write() as connection:
        client = incident_notes.client_of(connection, identity)
        if client is None or not visitor.may_read(client):
            raise NotFoundError("there is no such update", hint="watchkeeper incident list CLIENT")
        notes.withdraw(connection, client, identity, author=visitor.audit_name, address=address, now=now)
    session.about(request, client)
    return {"id": identity}


def _approve(request: Request[Any, Any, Any], visitor: Visitor, body: bytes, _: str) -> dict[str, Any]:
    new, services = _read(body, NewApproval), web_services.of(request)
    if not visitor.may_read(new.client):
        raise NotFoundException
    session.about(request, new.client)
    stream, now = Stream(new.client, new.model, new.environment), services.clock.now()
    seen = "" if bytes(new.evidence) == b"null" else approve.evidence(bytes(new.evidence))
    if not seen and not new.note:
        raise InputError("nothing says what you saw", hint="send evidence, or a note")
    made = Approval(
        stream, new.version, TEAM, new.approved, visitor.audit_name, now, note=new.note, evidence=seen
    )
    with services.store.write() as connection:
        is_new = approve.decide(connection, made, session.address_of(request))
        decision = approve.decision_on(connection, stream, new.version, services.release_policy(stream))
    return {"new": is_new, "reason": decision.reason, "seen": approve.summary(seen)}


def _expire(request: Request[Any, Any, Any], visitor: Visitor, _: bytes, identity: str) -> dict[str, Any]:
    services = web_services.of(request)
    now = services.clock.now()
    with services.store.write() as connection:
        present = silences.load(connection, now)
        if not any(one.id == identity and is_for(visitor, one) for one in present):
            raise NotFoundError("there is no such silence", hint="the overview lists them")
        silences.expire(connection, identity, now)
        session.note(request, connection, visitor, "", f"expire silence {identity}")
    return {"id": identity}


def _as_json(key: Key, now: float) -> dict[str, Any]:
    return {
        "id": key.id,
        "kind": key.kind.value,
        "client": key.client,
        "name": key.name,
        "limits": [*([key.role] if key.role else []), *key.models, *key.addresses],
        "made": iso(key.created_at),
        "expires": iso(key.expires_at) if key.expires_at else None,
        "last_used": iso(key.last_used_at) if key.last_used_at else None,
        "valid": key.is_valid(now),
    }


def _read(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the body cannot be read: {error}", hint="send JSON, see docs/api.md") from error


def _check_unbound(visitor: Visitor) -> None:
    """Keys are of all clients, and so is who makes them."""
    if visitor.client:
        raise NotFoundException


HANDLERS = (
    _route("keys", "admin", _new_key),
    _route("keys/list", "admin", _list),
    _route("keys/{identity:str}/revoke", "admin", _revoke),
    _route("incidents/notes", "operator", _write_note),
    _route("incidents/notes/{identity:str}/withdraw", "operator", _withdraw),
    _route("approvals", "operator", _approve),
    _route("silences/{identity:str}/expire", "operator", _expire),
)
