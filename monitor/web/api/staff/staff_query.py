"""Who asks for what staff read, and about which client."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from litestar import Request
from litestar.exceptions import NotFoundException

from monitor.errors import InputError
from monitor.records import Stream
from monitor.text_limits import ENVIRONMENT, flaw_of_name
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.services import Services

LARGEST_PAGE, LARGEST_OFFSET = 1_000, 2**63 - 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StaffQuery:
    """A question of staff: the client that it is about, empty for all, and what answers it."""

    services: Services
    client: str

    @property
    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self.services.clock.now()

    def read(self, reading: Callable[..., T], *given: object) -> T:
        """What a function reads, called with a connection to the store and `given`."""
        with self.services.store.read() as connection:
            return reading(connection, *given)

    def stream(self, model: str, environment: str) -> Stream:
        """A model of the client.

        Raises:
            InputError: a name cannot be one.
        """
        for subject, name in (("client", self.client), ("model", model)):
            if flaw := flaw_of_name(name):
                raise InputError(f"the {subject} {flaw}")
        if flaw_of_name(environment) or len(environment) > ENVIRONMENT:
            raise InputError(f"an environment has 1 to {ENVIRONMENT} visible characters")
        return Stream(self.client, model, environment)


def query_of(request: Request[Any, Any, Any], client: str, **needed: str) -> StaffQuery:
    """What staff ask about the named client; if none is named, about that of their key, or all. The parameters `needed`
    are missing if they are empty: that is reported to those who may ask.

    Raises:
        NotFoundException: they may not read it, or are no staff.
        InputError: a parameter is missing.
    """
    session.about(request, client)
    visitor = session.staff(request)
    if not visitor.may_read(client or visitor.client):
        raise NotFoundException
    session.about(request, client or visitor.client)
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise InputError(f"{', '.join(missing)} missing", hint="docs/api.md lists the parameters")
    return StaffQuery(web_services.of(request), client or visitor.client)


def query_of_all(request: Request[Any, Any, Any], role: str = "viewer") -> StaffQuery:
    """What staff of all clients ask about what is of no single client.

    Raises:
        NotFoundException: they are staff of one client, or none.
        PermissionDeniedException: they have not the role.
    """
    visitor = session.staff(request, role)
    if visitor.client:
        raise NotFoundException
    return StaffQuery(web_services.of(request), "")


def ensure_page(most: int, offset: int = 0) -> None:
    """Refuse pages that are empty or too large.

    Raises:
        InputError: it is one.
    """
    if not 1 <= most <= LARGEST_PAGE or not 0 <= offset <= LARGEST_OFFSET:
        hint = f"most is between 1 and {LARGEST_PAGE:,}"
        raise InputError(f"there is no page most={most}, offset={offset}"[:200], hint=hint)
