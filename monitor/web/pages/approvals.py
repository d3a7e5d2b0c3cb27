"""A client approves or declines a version: the page that the client's page links to, and its form.

Only readers who have signed in with a key of the client may decide. Staff may not decide for the client, and neither
may a program that sends the key, such as a rollout controller. No other site may embed this page.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException, PermissionDeniedException, ValidationException
from litestar.params import FromPath
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.errors import InputError
from monitor.health.settings import ClientSettings
from monitor.records import Stream
from monitor.releases.approval import approve
from monitor.releases.approval.decision import waiting_for_client
from monitor.store import approvals, releases
from monitor.store.approvals import CLIENT, Approval
from monitor.store.releases import Release
from monitor.web import services as web_services
from monitor.web.auth import recent_sign_in, response_headers, session
from monitor.web.auth.session import Visitor
from monitor.web.pages import rendering
from monitor.web.pages.actions import Form
from monitor.web.services import Services

LONGEST_NAME, MOST = 120, 20


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """A version that the client has to approve: its model's title, and what the team says."""

    approval: Approval
    title: str
    evidence: str
    release: Release | None = None


def waiting(connection: Connection, services: Services, client: str) -> list[PendingApproval]:
    """The versions that a client has to approve, newest first."""
    settings = services.client(client)
    by_stream: dict[Stream, list[Approval]] = {}
    for one in approvals.of_client(connection, client):
        by_stream.setdefault(one.stream, []).append(one)
    listed = []
    for stream, own in by_stream.items():
        policy = services.release_policy(stream)
        if policy.approval != CLIENT or not settings.shows(stream.model):
            continue
        recorded = releases.of(connection, stream)
        listed += [_waiting(one, settings, recorded) for one in waiting_for_client(policy, own, recorded)]
    return sorted(listed, key=lambda one: -one.approval.at)[:MOST]


def _waiting(approval: Approval, settings: ClientSettings, recorded: list[Release]) -> PendingApproval:
    release = next((one for one in recorded if one.digest == approval.digest), None)
    evidence = approve.summary(approval.evidence)
    return PendingApproval(approval, settings.title(approval.stream.model), evidence, release)


@get("/c/{key:str}/approvals/{identity:str}", sync_to_thread=True, include_in_schema=False)
def approval_page(
    request: Request[Any, Any, Any], key: FromPath[str], identity: FromPath[str]
) -> Response[str]:
    """What is to be approved, and the form for it."""
    visitor = session.reader(request, key)
    services = web_services.of(request)
    with services.store.read() as connection:
        one = _named(connection, services, key, identity)
    return _page(request, key, visitor, one, "ask")


@post(
    "/c/{key:str}/approvals/{identity:str}/decide",
    sync_to_thread=True,
    include_in_schema=False,
    status_code=200,
)
def answer(
    request: Request[Any, Any, Any], key: FromPath[str], identity: FromPath[str], data: Form
) -> Response[str]:
    """Approve or decline. The first answer counts; the form of another one finds nothing to answer."""
    visitor = session.reader(request, key)
    session.check_form(request, visitor, data.get("csrf", ""))
    if not _may_decide(visitor, key):
        raise PermissionDeniedException("only a reader who has signed in with the client's key may decide")
    recent_sign_in.check(request, visitor, _address(key, identity))
    name, decision = data.get("name", "").strip(), data.get("decision", "")
    if not name or len(name) > LONGEST_NAME or decision not in ("approve", "decline"):
        raise ValidationException(
            f"write your name (at most {LONGEST_NAME} characters), and approve or decline"
        )
    services = web_services.of(request)
    who, is_approved = f"{name} ({visitor.who})", decision == "approve"
    with services.store.write() as connection:
        one = _named(connection, services, key, identity)
        asked, now = one.approval, services.clock.now()
        answered = Approval(
            asked.stream,
            asked.version,
            CLIENT,
            is_approved,
            who,
            now,
            digest=asked.digest,
            note=data.get("note", ""),
            answers=asked.id,
        )
        address = session.address_of(request)
        try:
            if not approve.decide(connection, answered, address):
                raise NotFoundException
        except InputError as error:
            raise ValidationException(str(error)) from error
    return _page(request, key, visitor, one, "approved" if is_approved else "declined")


def _named(connection: Connection, services: Services, client: str, identity: str) -> PendingApproval:
    for one in waiting(connection, services, client):
        if one.approval.id == identity:
            return one
    raise NotFoundException


def _may_decide(visitor: Visitor, client: str) -> bool:
    return bool(visitor.secret) and not visitor.may("viewer") and visitor.client == client


def _address(client: str, identity: str) -> str:
    return f"/c/{quote(client, safe='')}/approvals/{quote(identity, safe='')}"


def _page(
    request: Request[Any, Any, Any], key: str, visitor: Visitor, one: PendingApproval, state: str
) -> Response[str]:
    services = web_services.of(request)
    page = rendering.page(
        "approval.html",
        state=state,
        client=key,
        name=services.client(key).name or key,
        one=one,
        iso=iso,
        may_decide=_may_decide(visitor, key),
        again=recent_sign_in.asked_again(request, visitor, _address(key, one.approval.id)),
        visitor=visitor,
    )
    page.headers.update(response_headers.headers(strict_transport=services.settings.strict_transport))
    return page


HANDLERS = (approval_page, answer)
