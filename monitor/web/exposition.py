"""`/metrics`: what the store and the daemon know, in Prometheus' text form or, when asked for, OpenMetrics."""

from collections.abc import Iterable
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitor.store import predictions
from monitor.store.access import Kind
from monitor.web import services as surroundings
from monitor.web.services import Services
from monitor.web.sheet import Sheet


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def collect(services: Services, client: str = "") -> Sheet:
    """All series, or those of one client."""
    sheet = Sheet(services.settings.metrics.max_series)
    if not client:
        sheet.info("watchkeeper_build", [services.version])
    with services.store.read() as connection:
        for figures in predictions.figures_of_all(connection):
            stream = figures.stream
            if client in ("", stream.client):
                labels = [stream.client, stream.environment, stream.model]
                sheet.put(
                    "watchkeeper_prediction_last_received_timestamp_seconds", labels, figures.last_received
                )
    return sheet


def encode(sheet: Sheet, accept: str) -> tuple[bytes, str]:
    """The text and its content type, as the scraper asked for it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(sheet.families()))
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


def _allowed(request: Request[Any, Any, Any], client: str) -> None:
    """Refuse who may not scrape: a key bound to a client sees that client's series at its own address only."""
    peer = request.client.host if request.client else ""
    headers = {name.lower(): value for name, value in request.headers.items()}
    principal = surroundings.of(request).access.who(Kind.METRICS, headers, peer)
    if principal.client and principal.client != client:
        raise NotFoundException


@get("/c/{key:str}/metrics", sync_to_thread=True, include_in_schema=False)
def client_metrics(request: Request[Any, Any, Any], key: str) -> Response[bytes]:
    """The series of one client."""
    _allowed(request, key)
    services = surroundings.of(request)
    with services.store.read() as connection:
        known = any(stream.client == key for stream in predictions.streams(connection))
    if not known and key not in services.clients:
        raise NotFoundException
    body, kind = encode(collect(services, key), request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": kind})


@get("/metrics", sync_to_thread=True, include_in_schema=False)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every series of every client: for the operator's own Prometheus."""
    _allowed(request, "")
    body, kind = encode(collect(surroundings.of(request)), request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": kind})


HANDLERS = (metrics, client_metrics)
