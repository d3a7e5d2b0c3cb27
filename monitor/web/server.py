"""The web server around the application: uvicorn, in the main thread, until it is stopped."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server as UvicornServer

from monitor.config.units import DAY
from monitor.web.certificate import Certificate, Handshakes
from monitor.web.connections import Connections, Limits
from monitor.web.fair_thread_pool import FairThreads
from monitor.web.settings import WebSettings
from monitor.web.transport.accepting import accept_in_turns
from monitor.web.transport.proxies import proxies_among

log = logging.getLogger(__name__)

CERTIFICATE_CHECK_SECONDS = 30
"""Interval of checks of the certificate's files."""
RETRY_AFTER = 0.5
"""Seconds before a failed task is restarted."""
GRACE = 1.5
"""Seconds in which requests must be answered after a stop was requested."""
_MOST_THREADS = 32
_SWITCH_INTERVAL = 0.0002
"""Seconds after which a computing thread releases the interpreter. The writer requests it after each of about thirty
steps of a commit, and would otherwise wait five milliseconds for each while rows are counted."""


class _Uvicorn(UvicornServer):
    """uvicorn, which leaves signals to the process: it would raise each again after it has stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change nothing."""
        yield


class Server:
    """uvicorn, with notification when and where it listens."""

    def __init__(self, application: Any, settings: WebSettings) -> None:
        limits = Limits(settings.max_connections, settings.head_within)
        self.connections = Connections(limits, _log_broken, proxies_among(settings.allowed_proxies))
        self._config = Config(
            application,
            host=settings.host,
            port=settings.port,
            log_config=None,
            log_level="critical",  # it would log a line for every invalid request; our own errors are logged by us
            access_log=False,
            server_header=False,
            lifespan="on",
            http=self.connections,  # type: ignore[arg-type]  # called for each connection, like a class
            ws="none",
            proxy_headers=bool(settings.allowed_proxies),
            forwarded_allow_ips=",".join(settings.allowed_proxies) or None,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.private_key,
            timeout_keep_alive=DAY,  # `Connections` closes those that are silent
            timeout_graceful_shutdown=2,  # after `GRACE`, no connection is left
            callback_notify=self._check_certificate,
            timeout_notify=CERTIFICATE_CHECK_SECONDS,
        )
        self._server = _Uvicorn(self._config)
        certificate, key = settings.certificate, settings.private_key
        self._certificate = Certificate(certificate, key) if certificate and key else None
        self._handshake_within = settings.head_within
        self._scheme = "https" if settings.certificate else "http"

    @property
    def url(self) -> str:
        """Its URL; with port 0, known once it listens."""
        host, port = self._config.host, self._config.port
        for server in getattr(self._server, "servers", ()):
            host, port = server.sockets[0].getsockname()[:2]
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def is_listening(self) -> bool:
        """Whether it accepts connections."""
        return self._server.started and not self._server.should_exit

    def stop(self) -> None:
        """Stop as soon as open requests are answered. May be called from any thread, or by a signal handler."""
        self._server.should_exit = True

    def run_until_stopped(
        self, announce: Callable[[], None], on_ending: Callable[[], None] = lambda: None
    ) -> None:
        """Serve until `stop`. `announce` is called once it listens, `on_ending` once it begins to stop.

        Threads of the loop that still run at the end are not waited for.
        """
        sys.setswitchinterval(_SWITCH_INTERVAL)
        factory = self._config.get_loop_factory()
        loop = factory() if factory is not None else asyncio.new_event_loop()
        FairThreads(min(_MOST_THREADS, (os.cpu_count() or 1) + 4)).serve(loop)
        accept_in_turns(loop, self.connections.turns)
        if self._config.is_ssl:
            # A handshake has the deadline of a head, and counts as a connection; uvicorn has no settings for it.
            handshakes = Handshakes(loop, self.connections, self._handshake_within)
            loop.create_server = handshakes.create_server  # type: ignore[assignment, method-assign]
        try:
            loop.run_until_complete(self._serve(announce, on_ending))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    async def _serve(self, announce: Callable[[], None], on_ending: Callable[[], None]) -> None:
        serving = asyncio.create_task(self._server.serve())
        helpers = [
            asyncio.create_task(work)
            for work in (
                _restarting(self.connections.watch),
                self._announce_when_listening(announce),
                self._close_waiting(on_ending),
            )
        ]
        try:
            await serving
        finally:
            for task in helpers:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await self.connections.end()

    async def _announce_when_listening(self, announce: Callable[[], None]) -> None:
        while not self._server.started:
            await asyncio.sleep(0.01)
        _call(announce)

    async def _close_waiting(self, on_ending: Callable[[], None]) -> None:
        """Once the server stops, close connections that start no further request."""
        while not self._server.should_exit:
            await asyncio.sleep(0.05)
        _call(on_ending)
        loop = asyncio.get_running_loop()
        ends = loop.time() + GRACE
        while loop.time() < ends:
            self.connections.close_waiting()
            await asyncio.sleep(0.05)
        await self.connections.end()

    async def _check_certificate(self) -> None:
        if self._certificate is not None and self._config.ssl is not None:
            _call(partial(self._certificate.renew, self._config.ssl))  # uvicorn ends with what this raises


def _call(what: Callable[[], object]) -> None:
    try:
        what()
    except Exception:  # the server goes on
        log.exception("a task of the server failed")


async def _restarting(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:  # the connections need it all the time
            log.exception("a task of the server failed and is restarted")
        await asyncio.sleep(RETRY_AFTER)


def _log_broken() -> None:
    log.exception("closed a connection that sent invalid data")
