"""The overview as a page: what fires on top, then the models that the address asks for."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get

from monitor.clock import iso
from monitor.config.units import format_duration
from monitor.health import client_state, wording
from monitor.health.model_state import Health
from monitor.records import Alert, Severity, Stream
from monitor.store import alerts, silences
from monitor.store import streams as stream_rows
from monitor.store.streams import StreamFigures
from monitor.web import services as surroundings
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.actions import is_for
from monitor.web.pages.overview import query as queries
from monitor.web.pages.overview import rows as model_rows
from monitor.web.pages.overview import trends
from monitor.web.pages.overview.query import OverviewQuery
from monitor.web.pages.overview.rows import ModelRow
from monitor.web.services import Services

OPENED = 4
"""Alerts that are shown at once; the others are folded."""


@get("/staff/", sync_to_thread=True, include_in_schema=False)
def overview(request: Request[Any, Any, Any]) -> Response[str]:
    """Every model and every open alert that the visitor may read."""
    visitor = session.staff(request)
    asked = queries.parse(dict(request.query_params))
    services = surroundings.of(request)
    now = services.clock.now()
    with services.store.read() as connection:
        firing = alerts.load_open(connection)
        readable = [alert for alert in firing if visitor.may_read(alert.stream.client)]
        known = [f for f in stream_rows.figures_of_all(connection) if visitor.may_read(f.stream.client)]
        known += [
            StreamFigures(one, 0, 0.0, 0.0, None)
            for one in services.without_data({figures.stream for figures in known})
            if visitor.may_read(one.client)
        ]
        everything = model_rows.read(connection, services, known, readable, now)
        matching = queries.matching(everything, asked)
        ordered = queries.ordered(matching, asked.sort)
        first = (asked.page - 1) * queries.PER_PAGE
        shown = ordered[first : first + queries.PER_PAGE]
        chosen = trends.grids(len(shown), services.base_seconds, now)
        lines = trends.read(connection, shown, asked.trend, chosen)
        mutes = silences.load(connection, now)
    page = _table(services, asked, everything, matching, shown)
    page |= _alerts(readable, everything, matching)
    return rendering.page(
        "overview.html",
        visitor=visitor,
        silences=[mute for mute in mutes if is_for(visitor, mute)],
        held=services.held(firing, mutes),
        trends=lines,
        grids=chosen,
        can_report=services.drilldowns is not None,
        runbook=services.runbook,
        iso=iso,
        span=wording.span,
        now=now,
        **page,
    )


def _table(
    services: Services,
    asked: OverviewQuery,
    everything: Sequence[ModelRow],
    matching: Sequence[ModelRow],
    shown: Sequence[ModelRow],
) -> dict[str, Any]:
    amounts = Counter(row.health for row in everything)
    pages = max(1, -(-len(matching) // queries.PER_PAGE))
    return {
        "query": asked,
        "choices": _choices(everything),
        "total": len(everything),
        "matching": len(matching),
        "tally": [(one, amounts[one]) for one in reversed(Health) if amounts[one]],
        "groups": queries.grouped(shown, asked.group),
        "pages": [(page, asked.having(page=page)) for page in range(1, pages + 1)] if pages > 1 else [],
        "address": address,
        "client_address": client_address,
        "client_name": lambda key: services.client(key).name or key,
        "clients_read": client_state.SHOWN,
        "descending": queries.DESCENDING,
        "window": format_duration(services.base_seconds),
    }


def _choices(everything: Sequence[ModelRow]) -> dict[str, dict[str, str]]:
    """The fields of the form, each with its values and their labels."""
    clients = sorted({row.stream.client for row in everything})
    environments = sorted({row.stream.environment for row in everything})
    owners = sorted({row.owner for row in everything if row.owner})
    return {
        "state": dict(queries.STATES),
        "client": {"": "All"} | {client: client for client in clients},
        "environment": {"": "All"} | {environment: environment for environment in environments},
        "owner": {"": "All"} | {owner: owner for owner in owners},
        "sort": dict(queries.SORTS)
        | {f"-{key}": f"{label}, reversed" for key, label in queries.SORTS.items()},
        "group": dict(queries.GROUPS),
        "trend": dict(queries.TRENDS),
    }


def _alerts(
    readable: Sequence[Alert], everything: Sequence[ModelRow], matching: Sequence[ModelRow]
) -> dict[str, Any]:
    """The open alerts of the models that match, and of streams that are no model; how many others there are."""
    listed, kept = {row.stream for row in everything}, {row.stream for row in matching}
    mine = [alert for alert in readable if alert.stream in kept or alert.stream not in listed]
    urgent = [alert for alert in mine if alert.severity is not Severity.INFO]
    return {
        "urgent": urgent[:OPENED],
        "folded": urgent[OPENED:],
        "informing": [alert for alert in mine if alert.severity is Severity.INFO],
        "elsewhere": len(readable) - len(mine),
        "listed": listed,
    }


def address(stream: Stream) -> str:
    """The path of a model's page."""
    return "/staff/m/" + "/".join(
        quote(name, safe="") for name in (stream.client, stream.model, stream.environment)
    )


def client_address(client: str) -> str:
    """The path of a client's page."""
    return f"/c/{quote(client, safe='')}/"


HANDLERS = (overview,)
