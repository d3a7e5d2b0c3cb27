"""Changes by staff over the API: keys, updates on incidents, approvals, silences, and leave for commands.

Each writes its entry into the audit log in its own transaction.
"""

from typing import Any

import msgspec
from litestar.exceptions import NotFoundException

from monitor.alerts import silencing
from monitor.alerts.silencing import client_of
from monitor.clock import iso
from monitor.config.units import DAY
from monitor.errors import AccessError, InputError, NotFoundError
from monitor.health import client_state, notes
from monitor.records import Stream
from monitor.releases.approval import approve
from monitor.store import api_keys, incident_notes, silences, streams
from monitor.store.api_keys import Key, KeyKind
from monitor.store.approvals import TEAM, Approval
from monitor.web.api import reference_changes, version_changes
from monitor.web.api.change import Change, ChangeRequest, Nothing, handler
from monitor.web.auth import session
from monitor.web.auth.session import Visitor
from monitor.web.pages.actions import is_for

_OF_ADMINS = frozenset(("audit", "backup", "demo", "erase", "key", "restore", "store"))
"""Commands for admins of all clients, by their first word."""


class NewKey(msgspec.Struct):
    """A key to make. `days` is how long it is valid; 0 means until it is revoked."""

    kind: str
    client: str = ""
    name: str = ""
    days: float = 0
    role: str = ""
    models: list[str] = []
    addresses: list[str] = []


class KeyAnswer(msgspec.Struct):
    """The id of a key, and the key itself, which is shown only once."""

    id: str
    key: str


class KeyRow(msgspec.Struct):
    """A key in a list."""

    id: str
    kind: str
    client: str
    name: str
    limits: list[str]
    made: str
    expires: str | None
    last_used: str | None
    valid: bool


class KeyList(msgspec.Struct):
    """All keys."""

    keys: list[KeyRow]


class Id(msgspec.Struct):
    """The id of what was changed."""

    id: str


class NewNote(msgspec.Struct):
    """An update on an incident: `client/model/rule`, or the incident's id."""

    incident: str
    text: str


class WrittenNote(msgspec.Struct):
    """The ids of the update and of its incident."""

    id: str
    incident: str


class NewApproval(msgspec.Struct):
    """A decision of the team on a version."""

    client: str
    model: str
    version: str
    environment: str = "production"
    approved: bool = True
    note: str = ""
    evidence: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))


class ApprovalAnswer(msgspec.Struct):
    """Whether the decision is a new one, what is missing for a promotion, and what was seen."""

    new: bool
    reason: str
    seen: str


class NewSilence(msgspec.Struct):
    """A silence of the alerts that match all matchers, for `seconds`, from `after` seconds from now on."""

    matchers: list[str]
    seconds: float
    comment: str
    after: float = 0


class SilenceAnswer(msgspec.Struct):
    """The id of a silence, and its end."""

    id: str
    until: str


class NewCommand(msgspec.Struct):
    """A command that reads or changes the database itself: its words, the client that it names, and what it does."""

    words: str
    client: str = ""
    change: bool = False


class Leave(msgspec.Struct):
    """The role that the command needed."""

    role: str


def make_key(change: ChangeRequest[NewKey]) -> KeyAnswer:
    """Make a key."""
    new, now = change.body, change.now
    if new.kind not in set(KeyKind) or not 0 <= new.days <= 3650:
        raise InputError(f"kind must be one of {', '.join(KeyKind)}, and days 0 to 3650")
    if new.kind in (KeyKind.INGEST, KeyKind.PAGE, KeyKind.SITE) and not new.client:
        raise InputError(f"a key of kind {new.kind} needs a client")
    kind, ends = KeyKind(new.kind), now + new.days * DAY if new.days else None
    bound = api_keys.bounds(kind, new.role, new.models, new.addresses)
    with change.services.store.write() as connection:
        key, token = api_keys.create(
            connection, kind, new.client, now, name=new.name, expires_at=ends, bound=bound
        )
        change.note(connection, new.client, f"make key {key.id} for {kind}")
    return KeyAnswer(key.id, token)


def list_keys(change: ChangeRequest[Nothing]) -> KeyList:
    """List the keys with their last use; the keys themselves cannot be shown again."""
    with change.services.store.read() as connection:
        listed = api_keys.keys(connection)
    return KeyList([_row(key, change.now) for key in listed])


def revoke_key(change: ChangeRequest[Nothing]) -> Id:
    """Revoke a key, and end its sessions."""
    with change.services.store.write() as connection:
        if not api_keys.revoke(connection, change.identity, change.now):
            raise NotFoundError("there is no such valid key", hint="watchkeeper key list")
        change.note(connection, "", f"revoke key {change.identity}")
    return Id(change.identity)


def write_note(change: ChangeRequest[NewNote]) -> WrittenNote:
    """Write an update on an incident; the client reads it."""
    services, now = change.services, change.now
    with services.store.write() as connection:
        clients = {*services.clients, *(one.client for one in streams.streams(connection))}
        candidates = [
            one
            for client in sorted(clients)
            if change.visitor.may_read(client)
            for one in client_state.incidents(connection, client, services.client(client), now)
        ]
        chosen = notes.named(candidates, change.body.incident)
        written = notes.write(
            connection, chosen, change.body.text, author=change.who, address=change.address, now=now
        )
    session.about(change.request, chosen.stream.client)
    return WrittenNote(written.id, chosen.id)


def withdraw_note(change: ChangeRequest[Nothing]) -> Id:
    """Withdraw an update on an incident."""
    identity = change.identity
    with change.services.store.write() as connection:
        client = incident_notes.client_of(connection, identity)
        if client is None or not change.visitor.may_read(client):
            raise NotFoundError("there is no such update", hint="watchkeeper incident list CLIENT")
        notes.withdraw(
            connection, client, identity, author=change.who, address=change.address, now=change.now
        )
    session.about(change.request, client)
    return Id(identity)


def decide_version(change: ChangeRequest[NewApproval]) -> ApprovalAnswer:
    """Approve or decline a version for the team."""
    new, services, now = change.body, change.services, change.now
    change.is_about(new.client)
    stream = Stream(new.client, new.model, new.environment)
    seen = "" if bytes(new.evidence) == b"null" else approve.evidence(bytes(new.evidence))
    if not seen and not new.note:
        raise InputError("the evidence is missing", hint="send evidence, or a note")
    made = Approval(stream, new.version, TEAM, new.approved, change.who, now, note=new.note, evidence=seen)
    with services.store.write() as connection:
        is_new = approve.decide(connection, made, change.address)
        decision = approve.decision_on(connection, stream, new.version, services.release_policy(stream))
    return ApprovalAnswer(is_new, decision.reason, approve.summary(seen))


def add_silence(change: ChangeRequest[NewSilence]) -> SilenceAnswer:
    """Silence new notifications. Staff of one client name it in a matcher: `client="acme"`."""
    new, now = change.body, change.now
    begins = now + min(max(new.after, 0.0), 366 * DAY)
    with change.services.store.write() as connection:
        added, is_new = silencing.add(
            connection, new.matchers, starts_at=begins, seconds=new.seconds, author=change.who,
            comment=new.comment, now=now,
        )  # fmt: skip
        if not is_for(change.visitor, added):
            raise InputError("the silence is not limited to your client", hint='add client="NAME"')
        if is_new:
            change.note(connection, client_of(added), f"silence {', '.join(added.matchers)}: {added.comment}")
    return SilenceAnswer(added.id, iso(added.ends_at))


def expire_silence(change: ChangeRequest[Nothing]) -> Id:
    """End a silence early."""
    with change.services.store.write() as connection:
        present = silences.load(connection, change.now)
        silence = next((one for one in present if one.id == change.identity), None)
        if silence is None or not is_for(change.visitor, silence):
            raise NotFoundError("there is no such silence", hint="the overview lists them")
        silencing.expire(connection, change.identity, change.now)
        change.note(connection, client_of(silence), f"expire silence {change.identity}")
    return Id(change.identity)


def allow_command(change: ChangeRequest[NewCommand]) -> Leave:
    """Ask whether a command may read or change the database itself. Reading needs a viewer, changing an operator; keys,
    erasure, backups, encryption and the audit log need an admin of all clients.
    """
    visitor, command = change.visitor, change.body
    role = "operator" if command.change else "viewer"
    first = command.words.removeprefix("watchkeeper ").partition(" ")[0]
    client = command.client
    if first in _OF_ADMINS:
        role, client = "admin", ""
    _check(visitor, role, client)
    with change.services.store.write() as connection:
        session.about(change.request, command.client)
        what = "change" if command.change else "read"
        session.note(change.request, connection, visitor, command.client, command.words, action=what)
    return Leave(role)


def _check(visitor: Visitor, role: str, client: str) -> None:
    if not visitor.may(role):
        raise AccessError(f"this requires the role {role}", known=True)
    if visitor.client not in ("", client):
        raise NotFoundException


def _row(key: Key, now: float) -> KeyRow:
    return KeyRow(
        key.id,
        key.kind.value,
        key.client,
        key.name,
        [*([key.role] if key.role else []), *key.models, *key.addresses],
        iso(key.created_at),
        iso(key.expires_at) if key.expires_at else None,
        iso(key.last_used_at) if key.last_used_at else None,
        key.is_valid(now),
    )


CHANGES: tuple[Change[Any], ...] = (
    Change("keys", "admin", NewKey, KeyAnswer, make_key, is_for_all=True),
    Change("keys/list", "admin", Nothing, KeyList, list_keys, is_for_all=True),
    Change("keys/{identity:str}/revoke", "admin", Nothing, Id, revoke_key, is_for_all=True),
    Change("incidents/notes", "operator", NewNote, WrittenNote, write_note),
    Change("incidents/notes/{identity:str}/withdraw", "operator", Nothing, Id, withdraw_note),
    Change("approvals", "operator", NewApproval, ApprovalAnswer, decide_version),
    Change("silences", "operator", NewSilence, SilenceAnswer, add_silence),
    Change("silences/{identity:str}/expire", "operator", Nothing, Id, expire_silence),
    Change("commands", "viewer", NewCommand, Leave, allow_command),
    *version_changes.CHANGES,
    *reference_changes.CHANGES,
)
HANDLERS = tuple(handler(change) for change in CHANGES)
