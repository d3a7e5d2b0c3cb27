"""What staff read of all clients. A key of one client gets the lists of that client."""

from typing import Any

from litestar import Request, get
from litestar.params import FromQuery

from monitor.errors import InputError
from monitor.status import StatusAnswer
from monitor.store import streams
from monitor.web.api.change import PREFIX
from monitor.web.api.schemas import AlertAnswer
from monitor.web.api.staff import model_routes, operation_routes, staff_lists
from monitor.web.api.staff.staff_query import query_of
from monitor.web.api.staff.staff_schemas import QuarantineAnswer, StaffIncidentAnswer

MOST_RECORDS, LARGEST_NUMBER = 1_000, 2**63 - 1


@get(f"{PREFIX}/status", sync_to_thread=True, include_in_schema=False)
def states(request: Request[Any, Any, Any], client: FromQuery[str] = "") -> list[StatusAnswer]:
    """The state of every model with its reasons, worst first, and that of the daemon if it has a problem. For staff."""
    one = query_of(request, client)
    services, chosen = one.services, one.client
    configured = services.configured()
    with services.store.read() as connection:
        now = services.clock.now()
        return staff_lists.states(connection, now, services.base_seconds, configured, chosen)


@get(f"{PREFIX}/alerts", sync_to_thread=True, include_in_schema=False)
def alerts(
    request: Request[Any, Any, Any], client: FromQuery[str] = "", resolved: FromQuery[bool] = False
) -> list[AlertAnswer]:
    """The open alerts, worst first; also resolved ones if asked for, then in any order. For staff."""
    one = query_of(request, client)
    services, chosen = one.services, one.client
    with services.store.read() as connection:
        now = services.clock.now()
        return staff_lists.alerts(connection, now, services.alerts, chosen, resolved=resolved)


@get(f"{PREFIX}/incidents", sync_to_thread=True, include_in_schema=False)
def all_incidents(request: Request[Any, Any, Any], client: FromQuery[str] = "") -> list[StaffIncidentAnswer]:
    """The incidents of the last 30 days with rules, updates and their authors, newest first. For staff."""
    one = query_of(request, client)
    services, chosen = one.services, one.client
    with services.store.read() as connection:
        names = {one.client for one in streams.streams(connection)} | set(services.clients)
        return staff_lists.incidents(
            connection, services.clock.now(), [chosen] if chosen else sorted(names), services.client
        )


@get(f"{PREFIX}/quarantine", sync_to_thread=True, include_in_schema=False)
def quarantine(
    request: Request[Any, Any, Any],
    client: FromQuery[str] = "",
    most: FromQuery[int] = 20,
    before: FromQuery[int] = 0,
) -> QuarantineAnswer:
    """Rejected records, newest first, and the number of all by model and reason. For staff."""
    one = query_of(request, client)
    services, chosen = one.services, one.client
    if not 1 <= most <= MOST_RECORDS or not 0 <= before <= LARGEST_NUMBER:
        hint = f"most is between 1 and {MOST_RECORDS:,}, and before is the value from the last response"
        raise InputError(f"there is no page most={most}, before={before}"[:200], hint=hint)
    with services.store.read() as connection:
        return staff_lists.quarantine(connection, services.clock.now(), chosen, most, before)


ROUTES = (states, alerts, all_incidents, quarantine, *model_routes.ROUTES, *operation_routes.ROUTES)
