"""Rollback of a model for engineers: the kill switch, decisions, drills and the plan."""

from pathlib import Path
from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.clock import iso
from monitor.records import Stream
from monitor.rollback import manual
from monitor.rollback.executors.registry import kind_of
from monitor.rollback.kill_switch import stopped
from monitor.rollback.manual import Requester
from monitor.rollback.procedure.plan import plan
from monitor.rollback.procedure.plan_context import plan_context
from monitor.store import rollback_stops, rollbacks
from monitor.web import services as web_services
from monitor.web.auth import recent_sign_in, session
from monitor.web.pages import rendering
from monitor.web.pages.actions import Form, changer_of
from monitor.web.pages.overview.page import address

_PATH = "/staff/m/{client:str}/{model:str}/{environment:str}/rollback"
_SHOWN = 50


@get(_PATH, sync_to_thread=True, include_in_schema=False)
def rollback(
    request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str], environment: FromPath[str]
) -> Response[str]:
    """The rollback of a stream: what was decided and why, what was practised, and the plan."""
    visitor = session.staff_of(request, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    settings, now, file = services.rollback(stream), services.clock.now(), services.rollback_stop_file
    with services.store.read() as connection:
        decisions = rollbacks.of_stream(connection, stream, _SHOWN)
        stops = [one for one in rollback_stops.in_force(connection) if one.covers(stream)]
        known = plan_context(
            connection, stream, settings, services.rules(), services.client(client).digest.to,
            services.settings.public_url, file, now,
        )  # fmt: skip
    return rendering.page(
        "staff_rollback.html",
        visitor=visitor,
        stream=stream,
        home=address(stream),
        settings=settings,
        executor=kind_of(settings.executor),
        stopped=stopped(stream, stops, Path(file)),
        has_own_stop=any(one.stream == stream for one in stops),
        has_stop_of_all=any(one.stream is None for one in stops),
        decisions=decisions,
        drills=known.drills,
        plan=plan(known),
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
    """Stop rollbacks of this stream, or of all models."""
    return _switch(request, Stream(client, model, environment), data, is_stop=True)


@post(f"{_PATH}/resume", sync_to_thread=True, include_in_schema=False, status_code=303)
def resume(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromPath[str],
    data: Form,
) -> Response[Any]:
    """End the stop of rollbacks of this stream, or of all models."""
    return _switch(request, Stream(client, model, environment), data, is_stop=False)


def _switch(
    request: Request[Any, Any, Any], stream: Stream, data: dict[str, str], *, is_stop: bool
) -> Response[Any]:
    visitor = changer_of(request, "operator", data, stream.client)
    is_for_all = bool(data.get("all"))
    if is_for_all and visitor.client:
        raise NotFoundException
    if not is_stop:  # a stop cannot wait for anybody
        recent_sign_in.check(request, visitor, f"{address(stream)}/rollback")
    services, scope = web_services.of(request), None if is_for_all else stream
    peer = session.address_of(request)
    person, now = Requester(visitor.audit_name, peer, data.get("comment", "").strip()), services.clock.now()
    with services.store.write() as connection:
        if is_stop:
            manual.stop(connection, scope, person, now)
        elif not manual.resume(connection, scope, person, now):
            raise NotFoundException
    return Response("", status_code=303, headers={"Location": f"{address(stream)}/rollback"})


HANDLERS = (rollback, stop, resume)
