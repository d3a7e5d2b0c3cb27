"""What staff can change from their pages: alerts taken up or silenced, keys made and revoked; all of it audited."""

import secrets
from dataclasses import replace
from typing import Any

from litestar import Request, Response, post
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath, URLEncodedBody
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.durations import parse_duration
from monitor.records import Alert, Silence
from monitor.store import access, alerts, audit, incidents, silences
from monitor.store.access import Kind
from monitor.store.audit import Entry
from monitor.web import rendering, session
from monitor.web import services as surroundings
from monitor.web.session import Visitor

Form = URLEncodedBody[dict[str, str]]
LONGEST_SILENCE = 30 * 86400.0


@post(
    "/staff/alerts/{fingerprint:str}/acknowledge",
    sync_to_thread=True,
    include_in_schema=False,
    status_code=303,
)
def acknowledge_alert(
    request: Request[Any, Any, Any], fingerprint: FromPath[str], data: Form
) -> Response[Any]:
    """Somebody takes an alert up: clients read that it is worked on."""
    visitor = changer(request, "operator", data)
    services, now = surroundings.of(request), surroundings.of(request).clock.now()
    with services.store.write() as connection:
        alert = alerts.get(connection, fingerprint)
        if alert is None or not alert.is_open or not visitor.may_read(alert.stream.client):
            raise NotFoundException
        _take_up(connection, alert, visitor.who, now)
        note(request, connection, visitor, alert.stream.client, f"acknowledge {alert.stream} {alert.rule}")
    return _back()


@post(
    "/staff/alerts/{fingerprint:str}/silence", sync_to_thread=True, include_in_schema=False, status_code=303
)
def silence_alert(request: Request[Any, Any, Any], fingerprint: FromPath[str], data: Form) -> Response[Any]:
    """No new pages for this alert's rule and stream, for a while and for a reason."""
    visitor = changer(request, "operator", data)
    services, now = surroundings.of(request), surroundings.of(request).clock.now()
    seconds, comment = _silence_form(data)
    with services.store.write() as connection:
        alert = alerts.get(connection, fingerprint)
        if alert is None or not visitor.may_read(alert.stream.client):
            raise NotFoundException
        silence = Silence(secrets.token_hex(6), _matchers(alert), now, now + seconds, visitor.who, comment)
        silences.add(connection, silence)
        note(
            request,
            connection,
            visitor,
            alert.stream.client,
            f"silence {alert.stream} {alert.rule}: {comment}",
        )
    return _back()


@post("/staff/silences/{identity:str}/expire", sync_to_thread=True, include_in_schema=False, status_code=303)
def expire_silence(request: Request[Any, Any, Any], identity: FromPath[str], data: Form) -> Response[Any]:
    """End a silence early."""
    visitor = changer(request, "operator", data)
    services = surroundings.of(request)
    with services.store.write() as connection:
        if not silences.expire(connection, identity, services.clock.now()):
            raise NotFoundException
        note(request, connection, visitor, "", f"expire silence {identity}")
    return _back()


@post("/staff/keys/new", sync_to_thread=True, include_in_schema=False, status_code=200)
def make_key(request: Request[Any, Any, Any], data: Form) -> Response[str]:
    """Make an access key; its secret is shown on the answer and never again."""
    visitor = changer(request, "admin", data)
    services = surroundings.of(request)
    now = services.clock.now()
    kind, client = data.get("kind", ""), data.get("client", "").strip()
    if visitor.client:
        raise NotFoundException
    if kind not in set(Kind) or (kind in (Kind.PAGE, Kind.INGEST) and not client):
        raise ValidationException("a key for ingest or a page belongs to one client")
    if not visitor.secret and visitor.who == session.LOCAL and kind != Kind.STAFF:
        raise ValidationException(
            "make a key for staff first: with other keys alone nobody could sign in here"
        )
    days = data.get("days", "").strip()
    if days and not (days.isdigit() and 0 < int(days) <= 3650):
        raise ValidationException("the days of a key are a whole number up to 3650")
    expires = now + int(days) * 86400 if days else None
    with services.store.write() as connection:
        _, token = access.create(
            connection, Kind(kind), client, now, name=data.get("name", "")[:80], expires_at=expires
        )
        note(request, connection, visitor, client, f"make a key for {kind}")
        found = access.keys(connection)
    return rendering.page("staff_keys.html", visitor=visitor, keys=found, made=token, iso=iso, now=now)


@post("/staff/keys/{identity:str}/revoke", sync_to_thread=True, include_in_schema=False, status_code=303)
def revoke_key(request: Request[Any, Any, Any], identity: FromPath[str], data: Form) -> Response[Any]:
    """Make a key worthless; sessions that were opened with it end too."""
    visitor = changer(request, "admin", data)
    services = surroundings.of(request)
    with services.store.write() as connection:
        if visitor.client or not access.revoke(connection, identity, services.clock.now()):
            raise NotFoundException
        note(request, connection, visitor, "", f"revoke key {identity}")
    return Response("", status_code=303, headers={"Location": "/staff/keys"})


def _take_up(connection: Connection, alert: Alert, who: str, now: float) -> None:
    """The alert, and what channels were told of it: a tick carries the latter over to alerts again."""
    alerts.put(connection, [replace(alert, acknowledged_at=now, acknowledged_by=who)])
    told = [i for i in incidents.load_open(connection) if (alert.fingerprint, alert.episode) in i.members]
    incidents.put(connection, [replace(i, acknowledged_at=now, acknowledged_by=who) for i in told])


def changer(request: Request[Any, Any, Any], role: str, data: dict[str, str]) -> Visitor:
    """Somebody of the staff with this role, who sent one of our own forms."""
    visitor = session.staff(request, role)
    session.check_form(request, visitor, data.get("csrf", ""))
    return visitor


def _silence_form(data: dict[str, str]) -> tuple[float, str]:
    comment = data.get("comment", "").strip()[:200]
    try:
        seconds = parse_duration(data.get("for", "2h"))
    except ValueError as error:
        raise ValidationException(str(error)) from error
    if not comment or not 0 < seconds <= LONGEST_SILENCE:
        raise ValidationException("a silence needs a reason and ends within 30 days")
    return seconds, comment


def _matchers(alert: Alert) -> tuple[str, ...]:
    pairs = (("alert", alert.rule), *alert.stream.labels, *alert.instance)
    return tuple(f'{name}="{value}"' for name, value in pairs)


def note(
    request: Request[Any, Any, Any], connection: Connection, visitor: Visitor, client: str, what: str
) -> None:
    """In the transaction of the change itself: there is no change without its entry."""
    address = request.client.host if request.client else ""
    now = surroundings.of(request).clock.now()
    audit.add(connection, [Entry(now, visitor.who[:256], address, "change", client, what[:512], 200)])


def _back() -> Response[Any]:
    return Response("", status_code=303, headers={"Location": "/staff/"})


HANDLERS = (acknowledge_alert, silence_alert, expire_silence, make_key, revoke_key)
