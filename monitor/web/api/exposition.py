"""`/metrics`: Prometheus' text form or, when asked for, OpenMetrics."""

from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.exporters.collector import Collector, Sources
from monitor.exporters.prometheus.text import encode, wants_exemplars
from monitor.store import streams as stream_rows
from monitor.store.api_keys import KeyKind
from monitor.web import services as web_services
from monitor.web.auth.session import principal_of
from monitor.web.services import Services

_TIMEOUT = "x-prometheus-scrape-timeout-seconds"
"""The header in which Prometheus says how long it waits for the answer."""
_USUAL, _LONGEST, _SHARE = 10.0, 300.0, 0.5
"""Seconds that a scraper waits if it does not say, and at most; the share of them for collecting: an answer with a part
of the models is better than none.
"""


def _timeout(said: str) -> float:
    """Seconds that a scraper waits for an answer."""
    try:
        seconds = float(said)
    except ValueError:
        return _USUAL
    return min(seconds, _LONGEST) if seconds > 0 else _USUAL


def collector(services: Services) -> Collector:
    """The collector of an application."""
    return Collector(
        Sources(
            services.store,
            services.clock,
            services.version,
            services.settings.metrics,
            services.client,
            services.channels,
            services.counters,
            services.measured,
            services.intake,
            services.rules,
            services.past,
            services.drift_limits,
            services.meters.dropped,
        )
    )


@get("/c/{key:str}/metrics", sync_to_thread=True, include_in_schema=False)
def client_metrics(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[bytes]:
    """The series of one client."""
    _check_access(request, key)
    services = web_services.of(request)
    with services.store.read() as connection:
        known = any(stream.client == key for stream in stream_rows.streams(connection))
    if not known and key not in services.clients:
        raise NotFoundException
    return _answer(request, key)


@get("/metrics", sync_to_thread=True, include_in_schema=False)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every series of every client: for the operator's own Prometheus."""
    _check_access(request, "")
    return _answer(request, "")


def _check_access(request: Request[Any, Any, Any], client: str) -> None:
    """Refuse who may not scrape: a key bound to a client sees that client's series at its own address only."""
    principal = principal_of(web_services.of(request).access, KeyKind.METRICS, request)
    if principal.client and principal.client != client:
        raise NotFoundException


def _answer(request: Request[Any, Any, Any], client: str) -> Response[bytes]:
    accept = request.headers.get("accept", "")
    seconds = _SHARE * _timeout(request.headers.get(_TIMEOUT, ""))
    samples = request.app.state["collector"].collect(
        client, exemplars=wants_exemplars(accept), seconds=seconds
    )
    own = () if client else web_services.of(request).meters.registry.collect()
    body, kind = encode(samples, accept, own)
    return Response(body, headers={"Content-Type": kind})


HANDLERS = (metrics, client_metrics)
