"""The life of a relay: starts, listens, sends, stops."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from monitor import outgoing
from monitor.errors import WatchkeeperError
from monitor.relay.buffer import Buffer
from monitor.relay.endpoint import RelayApplication
from monitor.relay.forwarding import Forwarder, poster
from monitor.relay.metrics_text import RelayFigures
from monitor.relay.settings import RelaySettings
from monitor.runtime.faults import Faults
from monitor.runtime.supervisor import SupervisedThread
from monitor.runtime.termination import on_signals
from monitor.web import listen_address
from monitor.web.server import Server

log = logging.getLogger(__name__)

_STOPS_WITHIN = 5.0
"""Seconds for threads at the end. What they do not finish, they do after the next start."""


class Relay:
    """A relay with all its parts. Threads start with `serve`."""

    def __init__(self, settings: RelaySettings) -> None:
        """Open the buffer.

        Raises:
            WatchkeeperError: the address is in use, another relay uses the folder, or a file cannot be read.
        """
        if reason := listen_address.problem(settings.web.host, settings.web.port):
            hint = "stop the process that uses it, or set another relay.listen"
            raise WatchkeeperError(f"cannot listen on {settings.listen}: {reason}", hint=hint)
        upstream = settings.upstream
        try:
            self._client = outgoing.client(upstream.timeout, upstream.route)
            self.buffer = Buffer(Path(settings.folder), settings.keys, settings.buffer, settings.keep)
        except OSError as error:
            hint = "check relay.folder and relay.upstream.ca_file"
            where = f"{error.filename}: " if error.filename else "the certificates cannot be used: "
            raise WatchkeeperError(f"{where}{error.strerror or error}", hint=hint) from error
        self._stopping = threading.Event()
        post = poster(self._client, upstream.url, upstream.key.get_secret_value())
        self.forwarders = {
            name: Forwarder(
                name, queue, self.buffer.aside[name], post, self._stopping,
                at_once=upstream.at_once, keep=settings.keep,
            )
            for name, queue in self.buffer.queues.items()
        }  # fmt: skip
        figures = RelayFigures(self.buffer, settings.buffer, self.forwarders)
        self.server = Server(RelayApplication(settings, self.buffer, figures), settings.web)
        faults = Faults()
        self._closing = threading.Event()
        self._writer = SupervisedThread("relay writer", self.buffer.write_until_closed, self._closing, faults)
        self._senders = [
            SupervisedThread(f"relay {name}", one.send_until_stopped, self._stopping, faults)
            for name, one in self.forwarders.items()
        ]

    def serve(self, announce: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM. `announce` is called once it listens."""
        on_signals(self.server.stop)
        self.start()
        self.server.run_until_stopped(announce)
        self.end()

    def start(self) -> None:
        """Start the threads that write and send."""
        self._writer.start()
        for thread in self._senders:
            thread.start()
        log.info("relay started", extra={"url": self.server.url, "keys": len(self.forwarders)})

    def end(self) -> None:
        """Stop them, after the server has stopped."""
        self._stopping.set()
        self._closing.set()
        for queue in self.buffer.queues.values():
            queue.arrived.set()
        self.buffer.close()
        until = time.monotonic() + _STOPS_WITHIN
        for thread in (self._writer, *self._senders):
            thread.join(max(0.0, until - time.monotonic()))
        self._client.close()
        self.buffer.release()
        log.info("relay stopped")
