"""The web on a real socket, in a thread of the test."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
from litestar.handlers import HTTPRouteHandler

from monitor.web.app import create
from monitor.web.auth.authentication import Access
from monitor.web.ingest.front import Front
from monitor.web.public_path import behind as published
from monitor.web.server import Server
from monitor.web.services import Services
from monitor.web.settings import WebSettings
from tests.support import http
from tests.support.clients import Shop
from tests.support.ports import free_port
from tests.support.waiting import until


def services(shop: Shop, **fields: Any) -> Services:
    """The services of a shop; `fields` replace the usual ones."""
    usual: dict[str, Any] = {
        "store": shop.store,
        "clock": shop.clock,
        "access": Access(shop.store, shop.clock),
        "settings": WebSettings(requests_per_minute=100_000),
        "version": "0.1.0",
        "clients": shop.clients,
    }
    return Services(**(usual | fields))


@contextmanager
def serving(
    shop: Shop, port: int = 0, routes: Sequence[HTTPRouteHandler] = (), **fields: Any
) -> Iterator[httpx2.Client]:
    """A client of the running web, on a free port if none is given; it does not follow redirects. `routes` are further
    ones.
    """
    behind = services(shop, **fields)
    settings = behind.settings.model_copy(update={"listen": f"127.0.0.1:{port or free_port()}"})
    server = Server(
        published(Front(create(behind, routes), {}, behind.meters), settings.public_path), settings
    )
    with running(server) as url, http.client(base_url=url, timeout=300) as client:
        yield client


@contextmanager
def running(server: Server) -> Iterator[str]:
    """The address of a server that runs in a thread."""
    thread = threading.Thread(target=server.run_until_stopped, args=(lambda: None,), daemon=True)
    thread.start()
    try:
        until(lambda: server.is_listening, "the server listens")
        yield server.url
    finally:
        server.stop()
        thread.join(timeout=300)
        assert not thread.is_alive()
