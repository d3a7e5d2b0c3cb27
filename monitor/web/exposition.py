"""`/metrics`: what the store and the daemon know, in Prometheus' text form or, when asked for, OpenMetrics."""

from collections.abc import Iterable
from typing import Any

from litestar import Request, Response, get
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitor.store import predictions
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


@get("/metrics", sync_to_thread=True, include_in_schema=False)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every series of every client: for the operator's own Prometheus."""
    body, kind = encode(collect(surroundings.of(request)), request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": kind})


HANDLERS = (metrics,)
