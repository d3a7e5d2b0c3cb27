"""The web on a real socket, in a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import uvicorn

from monitor.web.access import Access
from monitor.web.app import create
from monitor.web.services import Services
from monitor.web.settings import WebSettings
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
def serving(shop: Shop, **fields: Any) -> Iterator[httpx2.Client]:
    """A client of the running web; it does not follow redirects."""
    port = free_port()
    config = uvicorn.Config(
        create(services(shop, **fields)), port=port, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the web is up")
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=10)
