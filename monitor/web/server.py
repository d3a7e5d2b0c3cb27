"""The web server around the application: uvicorn, in the main thread, until it is told to stop."""

import sys
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any

import uvicorn

from monitor.web.certificate import Certificate
from monitor.web.front import Doors
from monitor.web.settings import WebSettings
from monitor.web.wire import Wire

LOOK_EVERY = 30
"""Seconds between two looks at the files of the certificate."""


_TURN = 0.0002
"""Seconds until a thread that computes makes room for another. The writer asks for the interpreter again after each of
some thirty steps of a commit, and would otherwise wait five milliseconds for each while something is counted."""
_NO_DOORS: Doors = MappingProxyType({})


class Server(uvicorn.Server):
    """uvicorn that says when it listens, and where. What comes to `doors` is answered before the application."""

    def __init__(self, application: Any, settings: WebSettings, doors: Doors = _NO_DOORS) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                http=partial(Wire, doors),  # type: ignore[arg-type]
                ws="none",
                proxy_headers=bool(settings.allowed_proxies),
                forwarded_allow_ips=",".join(settings.allowed_proxies) or None,
                ssl_certfile=settings.certificate,
                ssl_keyfile=settings.private_key,
                timeout_graceful_shutdown=5,
                callback_notify=self._look_at_certificate,
                timeout_notify=LOOK_EVERY,
            )
        )
        certificate, key = settings.certificate, settings.private_key
        self._certificate = Certificate(certificate, key) if certificate and key else None
        self._scheme = "https" if settings.certificate else "http"
        self._announce: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """Where it answers; with port 0, known once it listens."""
        host, port = self.config.host, self.config.port
        for server in getattr(self, "servers", ()):
            host, port = server.sockets[0].getsockname()[:2]
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def run_until_stopped(self, announce: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; `announce` is called once it listens."""
        self._announce = announce
        sys.setswitchinterval(_TURN)
        self.run()

    async def _look_at_certificate(self) -> None:
        if self._certificate is not None and self.config.ssl is not None:
            self._certificate.renew(self.config.ssl)

    async def startup(self, sockets: Any = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._announce()
