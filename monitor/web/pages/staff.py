"""The page of keys; and the state of a model."""

import secrets
from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException

from monitor.clock import iso
from monitor.health import model_state
from monitor.health.model_state import ModelHealth
from monitor.records import Alert
from monitor.store import api_keys
from monitor.store.api_keys import Key
from monitor.store.streams import StreamFigures
from monitor.store.targets import TargetPeriod
from monitor.web import services as web_services
from monitor.web.auth import recent_sign_in, session
from monitor.web.auth.session import Visitor
from monitor.web.pages import rendering
from monitor.web.services import Services

KEYS_PAGE = "/staff/keys"


@get(KEYS_PAGE, sync_to_thread=True, include_in_schema=False)
def keys(request: Request[Any, Any, Any]) -> Response[str]:
    """Access keys, and when they were last used."""
    visitor = _unbound(session.staff(request, "admin"))
    services = web_services.of(request)
    with services.store.read() as connection:
        all_keys = api_keys.keys(connection)
    return keys_page(request, visitor, all_keys, "")


def keys_page(
    request: Request[Any, Any, Any], visitor: Visitor, all_keys: Sequence[Key], made: str
) -> Response[str]:
    """The keys, and the secret of one that was just made. The form has the id of the next one, so that a form which is
    sent twice makes one key.
    """
    return rendering.page(
        "staff_keys.html",
        visitor=visitor,
        keys=all_keys,
        made=made,
        new=secrets.token_hex(6),
        iso=iso,
        now=web_services.of(request).clock.now(),
        again=recent_sign_in.asked_again(request, visitor, KEYS_PAGE),
    )


def _unbound(visitor: Visitor) -> Visitor:
    """Pages about all clients are not for staff of one client."""
    if visitor.client:
        raise NotFoundException
    return visitor


def health_of(
    services: Services,
    figures: StreamFigures,
    alerts_of_stream: list[Alert],
    now: float,
    target_periods: Sequence[TargetPeriod] = (),
) -> ModelHealth:
    """The state of a stream, from its alerts and its agreed targets."""
    settings = services.client(figures.stream.client)
    received = figures.data_until if figures.rows else None
    return model_state.model_health(
        figures.stream,
        figures.stream.model,
        alerts_of_stream,
        received,
        now=now,
        stale_after=settings.stale_after,
        targets=target_periods,
        site=figures.site,
    )


HANDLERS = (keys,)
