"""A change by staff over the API: a JSON body in, a JSON object out, and an entry in the audit log.

A change needs the key of staff with the right role, never a session: a browser cannot be made to send one. It writes
its entry into the audit log in its own transaction.
"""

from asyncio import to_thread
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from litestar import HttpMethod, Request, Response, route
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from sqlalchemy import Connection

from monitor.errors import InputError
from monitor.records import Stream
from monitor.text_limits import ENVIRONMENT, flaw_of_name
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.auth.session import Visitor
from monitor.web.services import Services
from monitor.web.settings import Role

PREFIX = "/api/v1"
_LARGEST = 1_048_576
_Body = TypeVar("_Body")


class Nothing(msgspec.Struct):
    """The body of a change that needs none."""


class OfModel(msgspec.Struct, kw_only=True):
    """The model that a change is about."""

    client: str
    model: str
    environment: str = "production"

    @property
    def stream(self) -> Stream:
        """The stream.

        Raises:
            InputError: a name cannot be one.
        """
        for subject in ("client", "model"):
            if flaw := flaw_of_name(getattr(self, subject)):
                raise InputError(f"the {subject} {flaw}")
        if flaw_of_name(self.environment) or len(self.environment) > ENVIRONMENT:
            raise InputError(f"an environment has 1 to {ENVIRONMENT} visible characters")
        return Stream(self.client, self.model, self.environment)


@dataclass(frozen=True, slots=True)
class ChangeRequest(Generic[_Body]):
    """A change that somebody asks for. `identity` is the id in its path, if there is one."""

    request: Request[Any, Any, Any]
    visitor: Visitor
    body: _Body
    identity: str = ""

    @property
    def services(self) -> Services:
        """The parts of the daemon."""
        return web_services.of(self.request)

    @property
    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self.services.clock.now()

    @property
    def who(self) -> str:
        """Who asks, as the audit log names them."""
        return self.visitor.audit_name

    @property
    def address(self) -> str:
        """Where they are."""
        return session.address_of(self.request)

    def is_about(self, client: str) -> None:
        """Note the client that the change is about, empty for all of them.

        Raises:
            NotFoundException: it is not theirs.
        """
        if self.visitor.client not in ("", client):
            raise NotFoundException
        session.about(self.request, client)

    def note(self, connection: Connection, client: str, what: str) -> None:
        """Add the entry of the audit log, in the transaction of the change."""
        session.note(self.request, connection, self.visitor, client, what)


@dataclass(frozen=True, slots=True)
class Change(Generic[_Body]):
    """A change of the API: its path after the prefix, the role that it needs, its body and its answer. Some are about
    all clients, and not for staff of one.
    """

    path: str
    role: Role
    body: type[_Body]
    answer: type[msgspec.Struct]
    make: Callable[[ChangeRequest[_Body]], msgspec.Struct]
    is_for_all: bool = False


def handler(change: Change[Any]) -> HTTPRouteHandler:
    """The route of a change."""

    def made(request: Request[Any, Any, Any], content: bytes, identity: str) -> msgspec.Struct:
        visitor = session.staff(request, change.role)
        session.check_form(request, visitor, "")
        if change.is_for_all and visitor.client:
            raise NotFoundException
        return change.make(ChangeRequest(request, visitor, _read(content, change.body), identity))

    options = {"http_method": [HttpMethod.POST], "status_code": 200, "include_in_schema": False}
    options |= {"request_max_body_size": _LARGEST}
    if "{" in change.path:

        @route(f"{PREFIX}/{change.path}", **options)  # type: ignore[arg-type]
        async def with_identity(
            request: Request[Any, Any, Any], identity: FromPath[str]
        ) -> Response[msgspec.Struct]:
            return Response(await to_thread(made, request, await request.body(), identity))

        return with_identity

    @route(f"{PREFIX}/{change.path}", **options)  # type: ignore[arg-type]
    async def without(request: Request[Any, Any, Any]) -> Response[msgspec.Struct]:
        return Response(await to_thread(made, request, await request.body(), ""))

    return without


def _read(content: bytes, kind: type[_Body]) -> _Body:
    if kind is Nothing:
        return kind()
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the body cannot be read: {error}", hint="send JSON, see docs/api.md") from error
