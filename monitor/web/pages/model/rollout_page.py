"""The rollouts of a model for engineers: the steps of the newest, its signals now, and a button that stops it."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.clock import iso
from monitor.errors import NotFoundError
from monitor.records import Stream
from monitor.releases.approval.approve import missing_approval
from monitor.rollouts import plan, running, view
from monitor.store import rollouts
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.actions import Form, changer_of
from monitor.web.pages.overview.page import address

_PATH = "/staff/m/{client:str}/{model:str}/{environment:str}/rollout"
_EARLIER = 10


@get(_PATH, sync_to_thread=True, include_in_schema=False)
def rollout(
    request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str], environment: FromPath[str]
) -> Response[str]:
    """The newest rollout of a stream step by step, and earlier ones."""
    visitor = session.staff_of(request, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    with services.store.read() as connection:
        known = rollouts.of_stream(connection, stream, _EARLIER)
        shown = None
        if known:
            unapproved = missing_approval(services.release_policy)
            shown = view.of_rollout(
                connection, *known[0], services.rollouts, services.clock.now(), unapproved
            )
    return rendering.page(
        "staff_rollout.html",
        visitor=visitor,
        stream=stream,
        home=address(stream),
        known=known,
        shown=shown,
        headings=view.SIGNALS,
        percent=plan.percent,
        plan_in_words=plan.in_words,
        iso=iso,
    )


@post(f"{_PATH}/stop", sync_to_thread=True, include_in_schema=False, status_code=303)
def stop(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromPath[str],
    data: Form,
) -> Response[Any]:
    """Stop the running rollout: the stable version receives all traffic."""
    visitor = changer_of(request, "operator", data, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    peer = session.address_of(request)
    with services.store.write() as connection:
        try:
            running.stop(connection, stream, who=visitor.audit_name, address=peer, now=services.clock.now())
        except NotFoundError as error:
            raise NotFoundException from error
    return Response("", status_code=303, headers={"Location": f"{address(stream)}/rollout"})


HANDLERS = (rollout, stop)
