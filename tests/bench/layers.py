"""Where the processor time of the ingest goes, layer by layer: `python -m tests.bench.layers`.

Each layer runs alone in one thread without network and without waiting, the best of several runs: on a busy machine
these figures vary far less than rates. `http` is uvicorn with an application that only answers; `front` adds ours up to
the hand-over of the request to the writer; the others are the steps of the writer's thread.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from litestar import Litestar
from uvicorn import Config
from uvicorn.server import ServerState

from monitor.clock import SystemClock
from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.predictions.intake.identity import identify
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.requests import IntakeResult, Most, RawRequest, deduplicate, portion
from monitor.predictions.log import batching
from monitor.predictions.log.batch import split
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.runtime.cpu_tuning import keep_freed_memory
from monitor.runtime.gc_tuning import tune_garbage_collector
from monitor.runtime.imports import without_pandas
from monitor.sources.otlp.agents.waiting_runs import WaitingRuns
from monitor.sources.otlp.waiting_calls import WaitingCalls
from monitor.store import predictions
from monitor.store.db import Store
from monitor.web.auth.authentication import Access
from monitor.web.connections import Connections, Limits
from monitor.web.ingest.endpoints import endpoints
from monitor.web.ingest.front import Front
from tests.bench.ingest import ARROW, JSON, arrow_body, json_body
from tests.support import schema

WORKS = {"single": (JSON, 1, 26), "json": (JSON, 100, 16), "arrow": (ARROW, 10_000, 2)}
"""Content type, records per request, requests per commit."""
_MOST_READ = 262_144
_ALL = Most(60.0, 1000, 60.0)


class _Peer(asyncio.Transport):
    """A connection without a network. `on_answer` is called with each response, which is written at once."""

    def __init__(self, on_answer: Callable[[], None]) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", 8080)})
        self._on_answer = on_answer
        self.is_paused = False

    def write(self, data: Any) -> None:
        assert data.startswith(b"HTTP/1.1 202 "), bytes(data)
        assert data.endswith(b"}"), bytes(data)  # head and body are one write
        self._on_answer()

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def close(self) -> None: ...

    def abort(self) -> None:
        raise AssertionError("a connection was closed")


class _NoLog(PredictionLog):
    """Answers at once, so that only what is in front of the log is measured."""

    def submit(self, requests: Sequence[tuple[Any, Callable[[Any], None]]]) -> None:
        for _, answer in requests:
            answer(_RECEIPT)

    def submit_slices(self, slices: Sequence[ParsedRequest], answer: Callable[[Any], None]) -> None:
        answer(_RECEIPT)


_RECEIPT = IntakeResult(1)


async def _only_answers(scope: Any, receive: Any, send: Any) -> None:
    """The least that an application can do."""
    connection = scope["state"]["connection"]
    connection.open(has_body=True)
    while (await receive())["more_body"]:
        connection.read(is_whole=False)
    connection.close(is_whole=True)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}", "more_body": False})


def _request(kind: str, body: bytes) -> bytes:
    head = f"POST /v1/predictions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class _Load:
    """So many connections to an application, each of which sends the same request once in each round."""

    def __init__(self, application: Any, request: bytes, connections: int) -> None:
        config = Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            proxy_headers=False,
        )
        config.load()
        everyone = Connections(Limits(), lambda: None)
        options = {"config": config, "server_state": ServerState(), "app_state": {}}
        # As from the network: 256 kB at most at once.
        self._parts = [request[at : at + _MOST_READ] for at in range(0, len(request), _MOST_READ)]
        self._connections = [(everyone(**options), _Peer(self._answered)) for _ in range(connections)]
        self._waiting = 0
        self._done = asyncio.Event()
        for connection, peer in self._connections:
            connection.connection_made(peer)

    async def least(self, rounds: int) -> float:
        """Seconds of CPU for a request in the best round."""
        return min([await self._round() for _ in range(rounds)]) / len(self._connections)

    async def _round(self) -> float:
        self._waiting = len(self._connections)
        self._done.clear()
        began = time.thread_time()
        for part in self._parts:
            for connection, peer in self._connections:
                while peer.is_paused:
                    await asyncio.sleep(0)
                connection.data_received(part)
        await self._done.wait()
        return time.thread_time() - began

    def _answered(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._done.set()


async def _over_http(application: Any, request: bytes, connections: int, rounds: int) -> float:
    """Seconds of CPU for each request, in the best of `rounds`."""
    return await _Load(application, request, connections).least(rounds)


@contextmanager
def _log(kind: type[PredictionLog]) -> Iterator[tuple[PredictionLog, Store]]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # no disk: syncing is measured elsewhere
        store = Store(f"sqlite:///{Path(folder)}/watchkeeper.db")
        schema.create(store)
        yield kind(store, PredictionSettings(), SystemClock()), store
        store.close()


def receiving(kind: str, body: bytes, connections: int, rounds: int) -> Iterator[tuple[str, float]]:
    """The layers on the event loop, in seconds for each request."""
    request = _request(kind, body)
    plain = uvloop.run(_over_http(_only_answers, request, connections, rounds))
    yield "http", plain
    with _log(_NoLog) as (log, store):
        waiting, runs = WaitingCalls(log, store), WaitingRuns(log, store)
        hot = endpoints(log, Access(store, log.clock), log.settings, waiting, runs)
        front = Front(Litestar(openapi_config=None, logging_config=None), hot, DaemonMeters())
        yield "front", uvloop.run(_over_http(front, request, connections, rounds)) - plain


def storing(kind: str, body: bytes, count: int, rounds: int) -> Iterator[tuple[str, float]]:
    """The steps of the writer, in seconds for each request of a commit of `count` requests."""
    took: dict[str, list[float]] = {}
    with _log(PredictionLog) as (log, store):
        for number in range(rounds + 1):
            bodies = [body.replace(b"@@@@@@@@", b"%08x" % (number * count + n)) for n in range(count)]
            _commit(kind, bodies, log, store, took)
    for step, seconds in took.items():
        yield step, min(seconds[1:]) / count


def _commit(
    kind: str, bodies: Sequence[bytes], log: PredictionLog, store: Store, took: dict[str, list[float]]
) -> None:
    """One commit; the seconds of its steps are added to `took`."""
    now = log.clock.now()
    raw = [
        RawRequest(
            RecordKind.PREDICTIONS,
            body,
            kind,
            log.rules(),
            "",
            identify(RecordKind.PREDICTIONS, body, "", ""),
        )
        for body in bodies
    ]

    def timed(step: str, call: Callable[[], Any]) -> Any:
        began = time.thread_time()
        result = call()
        took.setdefault(step, []).append(time.thread_time() - began)
        return result

    group: list[ParsedRequest] = timed(
        "parse",
        lambda: [
            parsed
            for parsed, _ in portion([(one, _unused) for one in raw], log.decoders, _ALL, time.monotonic)[0]
        ],
    )
    streams = timed("columns", lambda: batching.assemble(group, RecordKind.PREDICTIONS))
    batches = timed(
        "windows", lambda: [batch for stream, rows in streams for batch in split(stream, rows, 60)]
    )
    new = timed(
        "encode", lambda: [batching.new_batch(batch, log.settings, os.urandom(8)) for batch in batches]
    )

    def write() -> None:
        with store.write() as connection:
            assert len(deduplicate(connection, group, now)) == len(group)
            predictions.put(connection, new, now)

    timed("transaction", write)


def _unused(_result: object) -> None:
    raise AssertionError(_result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--only", default="single,json,arrow")
    options = parser.parse_args()
    without_pandas()
    keep_freed_memory()
    tune_garbage_collector()
    for name in options.only.split(","):
        kind, per, count = WORKS[name]
        body = arrow_body(per) if kind == ARROW else json_body(per)
        rounds = max(10, options.rounds // per) if per > 100 else options.rounds
        steps = [*receiving(kind, body, count, rounds), *storing(kind, body, count, rounds)]
        whole = sum(seconds for _, seconds in steps)
        words = ", ".join(f"{step} {seconds / per * 1e6:.2f}" for step, seconds in steps)
        sys.stdout.write(f"{name}: {whole / per * 1e6:.2f} us each: {words}\n")


if __name__ == "__main__":
    main()
