"""Approval of a version by the team: what is known of it, the decisions so far, and the form of the next one."""

from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.errors import InputError
from monitor.records import Stream
from monitor.releases.approval import approve
from monitor.store.approvals import TEAM, Approval
from monitor.text_limits import LABEL, flaw_of_text
from monitor.web import services as web_services
from monitor.web.auth import recent_sign_in, session
from monitor.web.pages import rendering
from monitor.web.pages.actions import Form, changer_of
from monitor.web.pages.model import version_rows
from monitor.web.pages.model.version_rows import VersionRow
from monitor.web.pages.overview.page import address

_PATH = "/staff/m/{client:str}/{model:str}/{environment:str}/approval"
_ROLE = "operator"


@get(_PATH, sync_to_thread=True, include_in_schema=False)
def approval(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromPath[str],
    version: FromQuery[str] = "",
) -> Response[str]:
    """One version, or the newest one: its releases, the decisions on it, and what is missing before it is promoted."""
    visitor = session.staff_of(request, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    policy = services.release_policy(stream)
    with services.store.read() as connection:
        row = _named(connection, stream, version) if version else _newest(connection, stream)
        decision = approve.decision_on(connection, stream, row.version, policy)
    return rendering.page(
        "staff_approval.html",
        visitor=visitor,
        stream=stream,
        home=address(stream),
        row=row,
        digest=_digest(row),
        decision=decision,
        may_decide=visitor.may(_ROLE),
        again=recent_sign_in.asked_again(request, visitor, _address(stream, row.version)),
        summary=approve.summary,
        longest=approve.LONGEST_NOTE,
        iso=iso,
    )


@post(f"{_PATH}/decide", sync_to_thread=True, include_in_schema=False, status_code=303)
def decide(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromPath[str],
    data: Form,
) -> Response[Any]:
    """Approve or decline for the team what the form has shown; 409 if the version was released again since then."""
    visitor = changer_of(request, _ROLE, data, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    recent_sign_in.check(request, visitor, _address(stream, data.get("version", "")))
    version, word, note = data.get("version", ""), data.get("decision", ""), data.get("note", "").strip()
    if word not in ("approve", "decline") or not note:
        raise ValidationException("approve or decline, and say what you saw")
    peer, now = session.address_of(request), services.clock.now()
    try:
        written = data.get("evidence", "").strip()
        seen = approve.evidence(written.encode("utf-8", "replace")) if written else ""
        made = Approval(
            stream, version, TEAM, word == "approve", visitor.audit_name, now, note=note, evidence=seen
        )
        with services.store.write() as connection:
            if _digest(_named(connection, stream, version)) != data.get("digest", ""):
                raise HTTPException("the version was released again: read it, and decide", status_code=409)
            approve.decide(connection, made, peer)
    except InputError as error:
        raise ValidationException(str(error)) from error
    return Response("", status_code=303, headers={"Location": f"{address(stream)}#versions"})


def _address(stream: Stream, version: str) -> str:
    return f"{address(stream)}/approval?version={quote(version, safe='')}"


def _named(connection: Connection, stream: Stream, version: str) -> VersionRow:
    """What is known of a version. It may be unknown here: many are approved before they are released."""
    if not version or len(version) > LABEL or flaw_of_text(version):
        raise NotFoundException
    known = version_rows.of_stream(connection, stream)
    return next((row for row in known if row.version == version), VersionRow(version, None))


def _newest(connection: Connection, stream: Stream) -> VersionRow:
    known = [row for row in version_rows.of_stream(connection, stream) if row.version]
    if not known:
        raise NotFoundException
    return known[0]


def _digest(row: VersionRow) -> str:
    """The digest of the newest record of the version: what a decision of the team is about."""
    newest = max(row.releases, key=lambda one: one.recorded_at, default=None)
    return newest.digest if newest else ""


HANDLERS = (approval, decide)
