"""The ingest on a port of its own, in a thread or as a process."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from litestar import Litestar

from monitor.clock import Clock, SystemClock
from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.gauges.metrics_endpoints.otlp_metrics import NO_METRICS, MetricsReceiver
from monitor.predictions.large.child_reader import ChildReader
from monitor.predictions.log.batch import decode
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.runtime.cpu_tuning import keep_freed_memory
from monitor.runtime.gc_tuning import tune_garbage_collector
from monitor.runtime.imports import without_pandas
from monitor.sources.group import PushTarget
from monitor.sources.otlp.agents.waiting_runs import WaitingRuns
from monitor.sources.otlp.waiting_calls import WaitingCalls
from monitor.store import api_keys, predictions
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.web.auth.authentication import Access
from monitor.web.ingest.endpoints import endpoints
from monitor.web.ingest.front import Front
from monitor.web.server import Server
from monitor.web.settings import WebSettings
from tests.support import fork_server, http, schema
from tests.support.log import NOW, STREAM
from tests.support.ports import free_port
from tests.support.server import running
from tests.support.waiting import until


@dataclass
class Ingest:
    """A running ingest and what is behind it."""

    url: str
    store: Store
    log: PredictionLog
    waiting: WaitingCalls
    runs: WaitingRuns

    def post(
        self, body: Any, path: str = "/v1/predictions", key: str = "", **headers: str
    ) -> httpx2.Response:
        """POST bytes as they are, or anything else as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["authorization"] = f"Bearer {key}"
        if isinstance(body, bytes) or not isinstance(body, list | dict):
            return http.post(self.url + path, content=body, headers=sent, timeout=300)
        return http.post(self.url + path, json=body, headers=sent, timeout=300)

    def make_key(self, client: str, kind: KeyKind = KeyKind.INGEST, **options: Any) -> str:
        """A new API key."""
        with self.store.write() as connection:
            return api_keys.create(connection, kind, client, self.log.clock.now(), **options)[1]


def rows_of(ingest: Ingest, stream: Stream = STREAM) -> list[dict[str, Any]]:
    """Everything that is in the log of a stream, as dicts."""
    with ingest.store.read() as connection:
        batches = list(predictions.batches(connection, stream, 0, 2 * NOW))
    return [row for batch in batches for row in decode(batch.blob).to_pylist()]


def ids_of(ingest: Ingest, prefix: str, stream: Stream = STREAM) -> list[str]:
    """The ids in the log of a stream that begin with a prefix, sorted."""
    return sorted(row["id"] for row in rows_of(ingest, stream) if (row.get("id") or "").startswith(prefix))


def server_of(
    log: PredictionLog,
    store: Store,
    clock: Clock,
    web: WebSettings,
    push_targets: Sequence[PushTarget] = (),
    metrics: MetricsReceiver = NO_METRICS,
    waiting: WaitingCalls | None = None,
    runs: WaitingRuns | None = None,
) -> Server:
    """The server of a daemon, with an application without a page."""
    waiting, runs = waiting or WaitingCalls(log, store), runs or WaitingRuns(log, store)
    hot = endpoints(
        log, Access(store, clock), log.settings, waiting, runs, web.body_within, push_targets, metrics
    )
    return Server(Front(Litestar(openapi_config=None, logging_config=None), hot, DaemonMeters()), web)


@contextmanager
def serving(
    folder: Path,
    clock: Clock | None = None,
    web: WebSettings | None = None,
    metrics: MetricsReceiver = NO_METRICS,
    **settings: Any,
) -> Iterator[Ingest]:
    """The ingest in a thread of this process, over SQLite in `folder`. Calls do not wait for texts by default."""
    clock, chosen = clock or SystemClock(), PredictionSettings(**{"texts_wait": 0.0, **settings})
    store = Store(f"sqlite:///{folder}/watchkeeper.db")
    schema.create(store)
    log = PredictionLog(store, chosen, clock)
    log.start()
    listening = (web or WebSettings()).model_copy(update={"listen": f"127.0.0.1:{free_port()}"})
    waiting, runs = WaitingCalls(log, store), WaitingRuns(log, store)
    try:
        with running(server_of(log, store, clock, listening, (), metrics, waiting, runs)) as url:
            yield Ingest(url, store, log, waiting, runs)
    finally:
        log.stop()
        store.close()


class Process:
    """The ingest as a process that can be killed and started again on the same folder."""

    loads_itself = False
    """Whether it starts an interpreter of its own, for measurements."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | fork_server.Process | None = None

    def start(self) -> None:
        """Start, and return when it answers."""
        words = ("tests.support.ingest_server", str(self.folder), str(self.port))
        if self.loads_itself:
            self.process = subprocess.Popen([sys.executable, "-m", *words])
        else:
            self.process = fork_server.start(*words)
        until(self._answers, "the server answers")

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(300)

    def _answers(self) -> bool:
        try:
            return http.get(f"{self.url}/v1/predictions").status_code == 405
        except httpx2.TransportError:
            return False


def main(folder: str, port: int) -> None:
    """Serve until the process is ended, in the surroundings that a daemon has. Calls wait for texts for a second."""
    without_pandas()
    keep_freed_memory()
    tune_garbage_collector()
    store, clock, settings = (
        Store(f"sqlite:///{folder}/watchkeeper.db"),
        SystemClock(),
        PredictionSettings(texts_wait=1.0),
    )
    schema.create(store)
    log = PredictionLog(store, settings, clock, reader=ChildReader)
    log.start()
    web = WebSettings(listen=f"127.0.0.1:{port}")
    server_of(log, store, clock, web).run_until_stopped(lambda: None)
    log.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
