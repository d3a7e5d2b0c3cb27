"""What staff read of sources, gauges, exporters, sites, digests and the audit log."""

from typing import Any

from litestar import Request, get
from litestar.params import FromQuery

from monitor.digest import Sender
from monitor.errors import InputError
from monitor.store.audit import AuditFilter
from monitor.web.api.change import PREFIX
from monitor.web.api.staff import operation_lists as lists
from monitor.web.api.staff import operation_schemas as schemas
from monitor.web.api.staff.staff_query import StaffQuery, ensure_page, query_of, query_of_all

_OPTIONS: dict[str, Any] = {"sync_to_thread": True, "include_in_schema": False}
KINDS = ("daily", "weekly")


@get(f"{PREFIX}/sources", **_OPTIONS)
def sources(request: Request[Any, Any, Any]) -> list[schemas.SourceAnswer]:
    """The sources: messages that wait, positions, records, the last error. For staff of all clients."""
    one = query_of_all(request)
    return one.read(lists.sources, one.now, one.services.surroundings.sources)


@get(f"{PREFIX}/gauges", **_OPTIONS)
def gauges(request: Request[Any, Any, Any], client: FromQuery[str] = "") -> list[schemas.GaugeAnswer]:
    """The gauges with their figures of the last minutes. For staff."""
    one = query_of(request, client)
    return lists.gauges(one.services.store, one.now, one.services.surroundings.gauges, one.client)


@get(f"{PREFIX}/exporters", **_OPTIONS)
def exporters(request: Request[Any, Any, Any]) -> list[schemas.ExporterAnswer]:
    """The systems to which metrics are sent. For staff of all clients."""
    one = query_of_all(request)
    return one.read(lists.exporters, one.now, one.services.surroundings.exporters)


@get(f"{PREFIX}/sites", **_OPTIONS)
def sites(request: Request[Any, Any, Any]) -> schemas.SitesAnswer:
    """What this site has bundled, and what has arrived of others. For staff of all clients."""
    one = query_of_all(request)
    return one.read(lists.sites, one.now, one.services.surroundings.site, one.services.surroundings.sites)


@get(f"{PREFIX}/audit", **_OPTIONS)
def audit_entries(
    request: Request[Any, Any, Any],
    client: FromQuery[str] = "",
    who: FromQuery[str] = "",
    since: FromQuery[float] = 0.0,
    most: FromQuery[int] = 50,
    offset: FromQuery[int] = 0,
) -> list[schemas.EntryAnswer]:
    """Entries of the audit log, newest first, from the one with number `offset` on. For admins of all clients."""
    one = query_of_all(request, "admin")
    ensure_page(most, offset)
    return one.read(lists.entries, AuditFilter(client, who=who, start=since), most, offset)


@get(f"{PREFIX}/digests", **_OPTIONS)
def digest(
    request: Request[Any, Any, Any], client: FromQuery[str] = "", kind: FromQuery[str] = "daily"
) -> schemas.LettersAnswer:
    """The digest of a client that would be sent now: daily or weekly. For staff."""
    one = _of_one(request, client)
    if kind not in KINDS:
        raise InputError(f"there is no digest {kind[:80]!r}", hint=f"kind is {' or '.join(KINDS)}")
    services = one.services
    url, base = services.settings.public_url, services.base_seconds
    sender = Sender(services.store, services.clients, (), url, services.version, base)
    return lists.digest(sender, one.client, kind, one.now)


@get(f"{PREFIX}/service-reports", **_OPTIONS)
def service_report(
    request: Request[Any, Any, Any], client: FromQuery[str] = "", period: FromQuery[str] = ""
) -> schemas.LettersAnswer:
    """The service report of a client on a period: 2026-10, 2026-W43; the last month if none is named. For staff."""
    one = _of_one(request, client)
    return one.read(lists.service_report, one.client, one.services.client(one.client), period, one.now)


def _of_one(request: Request[Any, Any, Any], client: str) -> StaffQuery:
    one = query_of(request, client)
    if not one.client:
        raise InputError("the client is empty", hint="use its key in the configuration")
    return one


ROUTES = (sources, gauges, exporters, sites, audit_entries, digest, service_report)
