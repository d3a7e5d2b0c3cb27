"""Changes from the pages of staff: alerts acknowledged or silenced, keys created and revoked; all audited."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response, post
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath, URLEncodedBody
from sqlalchemy import Connection

from monitor.alerts import silencing
from monitor.alerts.silencing import client_of
from monitor.config.units import DAY, parse_duration
from monitor.errors import InputError
from monitor.records import Alert, Silence
from monitor.rules.language.matchers import Matcher
from monitor.store import advisory_locks, alerts, api_keys, incidents, silences
from monitor.store.api_keys import KeyKind
from monitor.web import services as web_services
from monitor.web.auth import recent_sign_in, session
from monitor.web.auth.session import Visitor
from monitor.web.pages import staff
from monitor.web.pages.overview import query as queries

Form = URLEncodedBody[dict[str, str]]
MAX_SILENCE = 30.0 * DAY
_NEW_KEY = re.compile(r"[0-9a-f]{12}")
_FINGERPRINT = re.compile(r"[0-9A-Za-z]{1,16}")


@post(
    "/staff/alerts/{fingerprint:str}/acknowledge",
    sync_to_thread=True,
    include_in_schema=False,
    status_code=303,
)
def acknowledge_alert(
    request: Request[Any, Any, Any], fingerprint: FromPath[str], data: Form
) -> Response[Any]:
    """Acknowledge an alert: clients read that it is being worked on."""
    visitor = changer(request, "operator", data)
    services, now = web_services.of(request), web_services.of(request).clock.now()
    with services.store.write() as connection:
        advisory_locks.lock(connection, "alert", fingerprint)
        alert = alerts.get(connection, fingerprint)
        if alert is None or not alert.is_open or not visitor.may_read(alert.stream.client):
            raise NotFoundException
        if not _is_acknowledged(alert, visitor.who, now):
            _acknowledge(connection, alert, visitor.who, now)
            what = f"acknowledge {alert.stream} {alert.rule}"
            session.note(request, connection, visitor, alert.stream.client, what)
    return _back(data)


@post(
    "/staff/alerts/{fingerprint:str}/silence", sync_to_thread=True, include_in_schema=False, status_code=303
)
def silence_alert(request: Request[Any, Any, Any], fingerprint: FromPath[str], data: Form) -> Response[Any]:
    """Silence the alerts of this rule and stream, for a time and with a reason."""
    visitor = changer(request, "operator", data)
    services, now = web_services.of(request), web_services.of(request).clock.now()
    with services.store.write() as connection:
        alert = alerts.get(connection, fingerprint)
        if alert is None or not visitor.may_read(alert.stream.client):
            raise NotFoundException
        seconds, comment = _silence_form(data)
        _, is_new = silencing.add(
            connection, _matchers(alert), starts_at=now, seconds=seconds, author=visitor.who, comment=comment,
            now=now,
        )  # fmt: skip
        if is_new:
            what = f"silence {alert.stream} {alert.rule}: {comment}"
            session.note(request, connection, visitor, alert.stream.client, what)
    return _back(data)


@post("/staff/silences/{identity:str}/expire", sync_to_thread=True, include_in_schema=False, status_code=303)
def expire_silence(request: Request[Any, Any, Any], identity: FromPath[str], data: Form) -> Response[Any]:
    """End a silence early."""
    visitor = changer(request, "operator", data)
    services = web_services.of(request)
    with services.store.write() as connection:
        present = silences.load(connection, services.clock.now())
        silence = next((one for one in present if one.id == identity and is_for(visitor, one)), None)
        if silence is None or not silences.expire(connection, identity, services.clock.now()):
            raise NotFoundException
        session.note(request, connection, visitor, client_of(silence), f"expire silence {identity}")
    return _back(data)


@post("/staff/keys/new", sync_to_thread=True, include_in_schema=False, status_code=200)
def make_key(request: Request[Any, Any, Any], data: Form) -> Response[str]:
    """Create an access key; its secret is shown in the response and never again."""
    visitor = changer(request, "admin", data)
    recent_sign_in.check(request, visitor, staff.KEYS_PAGE)
    services = web_services.of(request)
    now = services.clock.now()
    kind, client = data.get("kind", ""), data.get("client", "").strip()
    models, addresses = (_listed(data.get(name, "")) for name in ("models", "addresses"))
    if visitor.client:
        raise NotFoundException
    if kind not in set(KeyKind) or (kind in (KeyKind.PAGE, KeyKind.INGEST, KeyKind.SITE) and not client):
        raise ValidationException("ingest and page keys require a client")
    if not visitor.secret and visitor.who == session.LOCAL and kind != KeyKind.STAFF:
        raise ValidationException("create a staff key first: with other keys alone, nobody can sign in here")
    days = data.get("days", "").strip()
    if days and not (days.isdigit() and 0 < int(days) <= 3650):
        raise ValidationException("the days of a key must be an integer from 1 to 3650")
    expires = now + int(days) * DAY if days else None
    role = data.get("role", "") if kind == KeyKind.STAFF else ""
    bound = api_keys.bounds(KeyKind(kind), role, models, addresses)
    name, new = data.get("name", "")[:80], data.get("new", "")
    identity = new if _NEW_KEY.fullmatch(new) else ""
    with services.store.write() as connection:
        _, token = api_keys.create(
            connection,
            KeyKind(kind),
            client,
            now,
            name=name,
            expires_at=expires,
            bound=bound,
            identity=identity,
        )
        session.note(request, connection, visitor, client, f"make a key for {kind}")
        all_keys = api_keys.keys(connection)
    return staff.keys_page(request, visitor, all_keys, token)


@post("/staff/keys/{identity:str}/revoke", sync_to_thread=True, include_in_schema=False, status_code=303)
def revoke_key(request: Request[Any, Any, Any], identity: FromPath[str], data: Form) -> Response[Any]:
    """Revoke a key, and end the sessions opened with it."""
    visitor = changer(request, "admin", data)
    recent_sign_in.check(request, visitor, staff.KEYS_PAGE)
    services = web_services.of(request)
    with services.store.write() as connection:
        if visitor.client or not api_keys.revoke(connection, identity, services.clock.now()):
            raise NotFoundException
        session.note(request, connection, visitor, "", f"revoke key {identity}")
    return Response("", status_code=303, headers={"Location": staff.KEYS_PAGE})


def _is_acknowledged(alert: Alert, who: str, now: float) -> bool:
    """Whether the same person has just acknowledged it: a form that was sent twice."""
    at = alert.acknowledged_at
    return at is not None and alert.acknowledged_by == who and abs(now - at) < silencing.SENT_AGAIN_WITHIN


def _acknowledge(connection: Connection, alert: Alert, who: str, now: float) -> None:
    """Acknowledge the alert and its incidents in channels: the tick applies the latter to reopened alerts."""
    alerts.put(connection, [replace(alert, acknowledged_at=now, acknowledged_by=who)])
    affected = [i for i in incidents.load_open(connection) if (alert.fingerprint, alert.episode) in i.members]
    incidents.put(connection, [replace(i, acknowledged_at=now, acknowledged_by=who) for i in affected])


def changer(request: Request[Any, Any, Any], role: str, data: dict[str, str]) -> Visitor:
    """A member of staff with this role, who sent one of our own forms."""
    visitor = session.staff(request, role)
    session.check_form(request, visitor, data.get("csrf", ""))
    return visitor


def changer_of(request: Request[Any, Any, Any], role: str, data: dict[str, str], client: str) -> Visitor:
    """The same, of staff who may see this client's data; others get 404."""
    visitor = changer(request, role, data)
    if not visitor.may_read(client):
        raise NotFoundException
    return visitor


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def is_for(visitor: Visitor, silence: Silence) -> bool:
    """Whether a silence concerns the visitor: staff of one client see and end those of that client."""
    return not visitor.client or client_of(silence) == visitor.client


def _silence_form(data: dict[str, str]) -> tuple[float, str]:
    comment = data.get("comment", "").strip()[:200]
    try:
        seconds = parse_duration(data.get("for", "2h"))
    except ValueError as error:
        raise ValidationException(str(error)) from error
    if not comment or not 0 < seconds <= MAX_SILENCE:
        raise ValidationException("a silence requires a reason and a duration of at most 30 days")
    return seconds, comment


def _matchers(alert: Alert) -> tuple[str, ...]:
    pairs = (("alert", alert.rule), *alert.stream.labels, *alert.instance)
    return tuple(str(Matcher(name, "=", value)) for name, value in pairs)


def _back(data: dict[str, str]) -> Response[Any]:
    """To the page that the form was on: an alert's, or the overview with its search and order."""
    where = f"/staff/alerts/{data['alert']}" if _FINGERPRINT.fullmatch(data.get("alert", "")) else ""
    try:
        asked = queries.parse(dict(parse_qsl(data.get("back", "").lstrip("?"))))
    except (InputError, ValueError):
        asked = queries.OverviewQuery()
    return Response("", status_code=303, headers={"Location": where or f"/staff/{asked.address}"})


HANDLERS = (acknowledge_alert, silence_alert, expire_silence, make_key, revoke_key)
