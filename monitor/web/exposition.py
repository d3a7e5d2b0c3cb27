"""`/metrics`: what the store and the daemon know, in Prometheus' text form or, when asked for, OpenMetrics."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select, text

from monitor.metrics import AGAINST
from monitor.records import Alert, Stream
from monitor.store import alerts as alert_store
from monitor.store import digests, outbox, outcomes, register, versions
from monitor.store.access import Kind
from monitor.store.quarantine import REASONS
from monitor.web import collect
from monitor.web import services as surroundings
from monitor.web.exemplars import newest
from monitor.web.rising import Rising
from monitor.web.services import Services
from monitor.web.sheet import Sheet
from monitor.web.totals import Counted

log = logging.getLogger(__name__)

_OPEN_METRICS = "openmetrics"


class Exposition:
    """Answers scrapes. Keeps what a counter must remember from one scrape to the next."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._transitions: Rising[tuple[Stream, str, str]] = Rising()
        self._notifications: Rising[tuple[str, str]] = Rising()
        self._told_of_limits = False

    def sheet(self, client: str = "", *, exemplars: bool = False) -> Sheet:
        """All series, or those of one client; with single predictions beside the buckets where they can be told."""
        services, now = self._services, self._services.clock.now()
        sheet = Sheet(services.settings.metrics.max_series)
        measured, counted = services.measured(), services.totals.streams()
        lengths = {seconds for _, seconds in measured}
        with services.store.read() as connection:
            deployed = versions.load(connection, client)
            by_stream = _by_stream(alert_store.load(connection).values())
            streams = [f for f in register.figures_of_all(connection) if client in ("", f.stream.client)]
            if not client:
                self._daemon(sheet, connection)
            for figures in streams:
                stream = figures.stream
                found = collect.newest(measured, stream, lengths)
                model = collect.Model(
                    figures,
                    services.client(stream.client),
                    by_stream.get(stream, ()),
                    [one for one in found if not one.label(AGAINST)],
                    [one for one in found if one.label(AGAINST)],
                    counted.get(stream, Counted()),
                    {one.version: one.first_seen for one in deployed.get(stream, ())},
                    newest(connection, stream, figures.watermark) if exemplars else {},
                    services.drift_limits,
                )
                collect.write(sheet, model, services.settings.metrics, now)
            self._changes(sheet, connection, {figures.stream for figures in streams})
            _outcomes(sheet, connection, [figures.stream for figures in streams])
        self._tell(sheet)
        return sheet

    def _changes(self, sheet: Sheet, connection: Connection, shown: set[Stream]) -> None:
        table = alert_store.transitions.c
        key = (table.client, table.model, table.environment, table.rule, table.to)
        query = select(*key, func.count()).group_by(*key)
        counts = {(Stream(r[0], r[1], r[2]), r[3], r[4]): float(r[5]) for r in connection.execute(query)}
        for (stream, rule, to), total in sorted(self._transitions.follow(counts).items()):
            if stream in shown:
                values = [stream.client, stream.environment, stream.model, rule, to]
                sheet.put("watchkeeper_rule_transitions", values, total)

    def _daemon(self, sheet: Sheet, connection: Connection) -> None:
        services = self._services
        sheet.info("watchkeeper_build", [services.version])
        self._intake(sheet, connection)
        lengths = outbox.lengths(connection)
        totals = self._notifications.follow(_attempts(connection))
        for channel in sorted({*services.channels, *lengths}):
            sheet.put("watchkeeper_notification_queue_length", [channel], lengths.get(channel, 0))
        known = {(channel, outcome): 0.0 for channel in services.channels for outcome in ("sent", "failed")}
        for (channel, outcome), total in sorted({**known, **totals}.items()):
            sheet.put("watchkeeper_notifications", [channel, outcome], total)
        for (client, kind), at in sorted(digests.last_composed(connection).items()):
            sheet.put("watchkeeper_digest_last_success_timestamp_seconds", [f"{client}/{kind}"], at)
        sheet.put("watchkeeper_store_size_bytes", [], _store_size(services, connection))

    def _intake(self, sheet: Sheet, connection: Connection) -> None:
        """What comes in over HTTP is a source like any other."""
        stats = self._services.intake()
        if stats is None:
            return
        sheet.put("watchkeeper_source_rows", ["http"], sum(stats.accepted.values()))
        for reason, refused in sorted({**dict.fromkeys(REASONS, 0), **stats.rejected}.items()):
            sheet.put("watchkeeper_source_errors", ["http", reason], refused)
        marks = [f.watermark for f in register.figures_of_all(connection) if f.watermark is not None]
        if marks:
            sheet.put("watchkeeper_source_watermark_timestamp_seconds", ["http"], max(marks))

    def _tell(self, sheet: Sheet) -> None:
        """Count what the limits left out, and say so once."""
        for metric, series in sheet.dropped.items():
            self._services.meters.dropped(metric, series)
        if sheet.dropped and not self._told_of_limits:
            self._told_of_limits = True
            names = ", ".join(f"{name} ({series})" for name, series in sorted(sheet.dropped.items()))
            log.warning("/metrics leaves series out to stay within web.metrics: %s", names)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def encode(sheet: Sheet, accept: str, own: Iterable[Metric] = ()) -> tuple[bytes, str]:
    """The text and its content type, as the scraper asked for it; the daemon's own meters stand last."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(own))
    encoder, kind = _encoder(accept)
    return sheet.text(open_metrics=_OPEN_METRICS in kind).encode() + encoder(registry), kind


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    # Our names need no escaping; only `dots` would change them, and a scraper takes what the answer says.
    return choose_encoder(accept.replace("escaping=dots", "escaping=underscores"))


def _attempts(connection: Connection) -> dict[tuple[str, str], float]:
    """Attempts by channel and whether they went out; why one did not is in its receipt."""
    found: dict[tuple[str, str], float] = {}
    for (channel, outcome), count in outbox.outcomes(connection).items():
        key = (channel, "sent" if outcome == "sent" else "failed")
        found[key] = found.get(key, 0.0) + count
    return found


def _tells_exemplars(request: Request[Any, Any, Any]) -> bool:
    return _OPEN_METRICS in _encoder(request.headers.get("accept", ""))[1]


def _by_stream(found: Iterable[Alert]) -> Mapping[Stream, Sequence[Alert]]:
    by_stream: dict[Stream, list[Alert]] = {}
    for alert in found:
        by_stream.setdefault(alert.stream, []).append(alert)
    return by_stream


def _outcomes(sheet: Sheet, connection: Connection, streams: Sequence[Stream]) -> None:
    everything = outcomes.counts_of_all(connection)
    for stream in streams:
        counts = everything.get(stream, outcomes.OutcomeCounts())
        values = [stream.client, stream.environment, stream.model]
        for state in ("received", "matched", "repeated", "unmatched"):
            sheet.put("watchkeeper_outcomes", [*values, state], getattr(counts, state))
        sheet.put("watchkeeper_outcomes_waiting", values, counts.waiting)


def _store_size(services: Services, connection: Connection) -> float:
    if services.store.is_sqlite:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        return float(pages * connection.execute(text("PRAGMA page_size")).scalar_one())
    return float(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def _allowed(request: Request[Any, Any, Any], client: str) -> None:
    """Refuse who may not scrape: a key bound to a client sees that client's series at its own address only."""
    peer = request.client.host if request.client else ""
    headers = {name.lower(): value for name, value in request.headers.items()}
    principal = surroundings.of(request).access.who(Kind.METRICS, headers, peer)
    if principal.client and principal.client != client:
        raise NotFoundException


@get("/c/{key:str}/metrics", sync_to_thread=True, include_in_schema=False)
def client_metrics(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[bytes]:
    """The series of one client."""
    _allowed(request, key)
    services = surroundings.of(request)
    with services.store.read() as connection:
        known = any(stream.client == key for stream in register.streams(connection))
    if not known and key not in services.clients:
        raise NotFoundException
    sheet = request.app.state["exposition"].sheet(key, exemplars=_tells_exemplars(request))
    body, kind = encode(sheet, request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": kind})


@get("/metrics", sync_to_thread=True, include_in_schema=False)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every series of every client: for the operator's own Prometheus."""
    _allowed(request, "")
    sheet = request.app.state["exposition"].sheet(exemplars=_tells_exemplars(request))
    own = surroundings.of(request).meters.registry.collect()
    body, kind = encode(sheet, request.headers.get("accept", ""), own)
    return Response(body, headers={"Content-Type": kind})


HANDLERS = (metrics, client_metrics)
