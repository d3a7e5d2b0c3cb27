"""The ingest on a port of its own, in a thread or as a process."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from litestar import Litestar

from monitor.clock import Clock, SystemClock
from monitor.lean import without_pandas
from monitor.pauses import keep_pauses_short
from monitor.predictions.log import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.store import access
from monitor.store.access import Kind
from monitor.store.db import Store, metadata
from monitor.web.access import Access
from monitor.web.front import Doors, doors
from monitor.web.ingest import endpoints
from monitor.web.meters import Meters
from monitor.web.server import Server
from monitor.web.settings import WebSettings
from monitor.web.wire import Wire
from tests.support.ports import free_port
from tests.support.waiting import until


@dataclass
class Ingest:
    """A running ingest and what is behind it."""

    url: str
    store: Store
    log: PredictionLog

    def post(
        self, body: Any, path: str = "/v1/predictions", key: str = "", **headers: str
    ) -> httpx2.Response:
        """POST bytes as they are, or anything else as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["authorization"] = f"Bearer {key}"
        if isinstance(body, bytes) or not isinstance(body, list | dict):
            return httpx2.post(self.url + path, content=body, headers=sent, timeout=60)
        return httpx2.post(self.url + path, json=body, headers=sent, timeout=60)

    def make_key(self, client: str, kind: Kind = Kind.INGEST, **options: Any) -> str:
        """A new API key."""
        with self.store.write() as connection:
            return access.create(connection, kind, client, self.log.clock.now(), **options)[1]


def _doors(log: PredictionLog, store: Store, clock: Clock) -> Doors:
    return doors(endpoints(log, Access(store, clock), log.settings), Meters())


def _nothing() -> Litestar:
    """An application without a page."""
    return Litestar(openapi_config=None, logging_config=None)


@contextmanager
def serving(folder: Path, clock: Clock | None = None, **settings: Any) -> Iterator[Ingest]:
    """The ingest in a thread of this process, over SQLite in `folder`."""
    clock, chosen = clock or SystemClock(), PredictionSettings(**settings)
    store = Store(f"sqlite:///{folder}/watchkeeper.db")
    metadata.create_all(store.engine)
    log = PredictionLog(store, chosen, clock)
    log.start()
    port = free_port()
    config = uvicorn.Config(_nothing(), host="127.0.0.1", port=port, log_level="error", access_log=False)
    config.http = partial(Wire, _doors(log, store, clock))  # type: ignore[assignment]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until(lambda: server.started, "the server listens")
        yield Ingest(f"http://127.0.0.1:{port}", store, log)
    finally:
        server.should_exit = True
        thread.join(20)
        log.stop()
        store.close()


class Process:
    """The ingest as a process that can be killed and started again on the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it answers."""
        command = [sys.executable, "-m", "tests.support.ingest_server", str(self.folder), str(self.port)]
        self.process = subprocess.Popen(command)
        until(self._answers, "the server answers", 60)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/v1/predictions").status_code == 405
        except httpx2.TransportError:
            return False


def main(folder: str, port: int) -> None:
    """Serve until the process is ended, in the surroundings that a daemon has."""
    without_pandas()
    keep_pauses_short()
    store, clock, settings = Store(f"sqlite:///{folder}/watchkeeper.db"), SystemClock(), PredictionSettings()
    metadata.create_all(store.engine)
    log = PredictionLog(store, settings, clock)
    log.start()
    web = WebSettings(listen=f"127.0.0.1:{port}")
    Server(_nothing(), web, _doors(log, store, clock)).run_until_stopped(lambda: None)
    log.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
