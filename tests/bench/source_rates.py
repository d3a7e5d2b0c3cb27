"""How fast sources work a backlog off: `python -m tests.bench.source_rates [--only kafka] [--records 60000]`.

A source in this process reads what a broker in another process holds, or files of captures, and stores it in SQLite
(every commit synced), with the daemon's settings of the garbage collector. A rate per second of CPU counts all
threads of this process: the broker's client, reading, validating and storing. It stands beside the goal for one core.
"""

import argparse
import gc
import json
import multiprocessing
import random
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from monitor.runtime.gc_tuning import tune_garbage_collector
from monitor.sources.brokers.kafka import KafkaSettings
from monitor.sources.brokers.nats import NatsSettings
from monitor.sources.brokers.rabbitmq import RabbitSettings
from monitor.sources.brokers.redis import RedisSettings
from monitor.sources.objects.objects import ObjectsSettings
from monitor.sources.runner import SourceRunner
from monitor.sources.settings import SourceSettings
from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.bench.brokers import body, end, section, send, server_of
from tests.bench.line import GOAL, Line, show
from tests.support.kafka import MockCluster
from tests.support.source_checks import runner

GOALS = {
    "kafka": 100_000,
    "nats": 50_000,
    "redis": 50_000,
    "rabbitmq": 50_000,
    "sagemaker": 200_000,
    "sagemaker, 100 rows a call": 200_000,
}
"""Records per second of one core. RabbitMQ and Redis have none of their own: they stand beside that of NATS."""
TOPIC = 30_000
"""Messages of a topic: a partition of librdkafka's cluster keeps 5 MB, and forgets what came first."""
OF_BROKER: dict[str, type[SourceSettings]] = {
    "nats": NatsSettings,
    "redis": RedisSettings,
    "rabbitmq": RabbitSettings,
}


@contextmanager
def backlog(name: str, count: int, folder: Path) -> Iterator[SourceSettings]:
    """A source with `count` records waiting."""
    if name == "kafka":
        topics = [f"orders-{number}" for number in range(-(-count // TOPIC))]
        with _cluster(count, topics) as brokers:
            yield KafkaSettings.model_validate({"brokers": brokers, "topics": topics, "session": "6s"})
    elif name.startswith("sagemaker"):
        written = folder / "captures"
        written.mkdir()
        rows = 100 if "100" in name else 1
        lines = [capture(rows) for _ in range(count // rows)]
        for at in range(0, len(lines), 20_000):
            (written / f"{at:09}.jsonl").write_bytes(b"\n".join(lines[at : at + 20_000]) + b"\n")
        values = {"url": str(written), "format": "sagemaker", "client": "acme", "model": "fraud"}
        yield ObjectsSettings.model_validate(values)
    else:
        broker: Any = server_of(name, folder / "broker")
        try:
            for at in range(0, count, 1000):
                send(name, broker, [body(number) for number in range(at, at + 1000)], at)
            yield OF_BROKER[name].model_validate(section(name, broker.port))
        finally:
            end(broker)


@contextmanager
def _cluster(count: int, topics: Sequence[str]) -> Iterator[list[str]]:
    """The addresses of a Kafka cluster of librdkafka, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, count, topics), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection, count: int, topics: Sequence[str]) -> None:
    cluster = MockCluster()
    for number in range(count // 1000):
        bodies = (body(one) for one in range(number * 1000, number * 1000 + 1000))
        cluster.send(topics[number % len(topics)], bodies, number // len(topics) % 4)
    pipe.send(cluster.brokers)
    pipe.recv()


@contextmanager
def collector_of_daemon() -> Iterator[None]:
    """The garbage collector as the daemon sets it; with Python's settings a source takes up to twice the time."""
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    tune_garbage_collector()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks[:] = callbacks
        gc.unfreeze()


def capture(rows: int) -> bytes:
    """A line of SageMaker's Data Capture with eight features a row, as its documentation shows it."""
    table = "\n".join(",".join(f"{random.random():.6f}" for _ in range(8)) for _ in range(rows))
    answers = "\n".join(f"{random.random():.6f}" for _ in range(rows))
    side = {"observedContentType": "text/csv", "encoding": "CSV"}
    line = {
        "captureData": {
            "endpointInput": {**side, "mode": "INPUT", "data": table},
            "endpointOutput": {**side, "mode": "OUTPUT", "data": answers},
        },
        "eventMetadata": {
            "eventId": str(uuid.uuid4()),
            "inferenceTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        },
        "eventVersion": "0",
    }
    return json.dumps(line).encode()


def rate(name: str, count: int) -> Line:
    """Work off a backlog: records per second of CPU, beside the goal."""
    with (
        tempfile.TemporaryDirectory() as found,
        backlog(name, count, Path(found)) as settings,
        collector_of_daemon(),
    ):
        store = Store(f"sqlite:///{found}/watchkeeper.db")
        migrate(store)
        source = runner(store, settings)
        source.start()
        _taken(source, 1)  # the modules are loaded from here on
        before, began, cpu = source.state().accepted, time.perf_counter(), time.process_time()
        _taken(source, count)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        source.stop()
        store.close()
        each = (count - before) / used
        print(f"{name}: {(count - before) / took:,.0f} records per second", flush=True)
        return Line(
            f"source: {name}, per second of CPU", GOAL, each, GOALS[name], "records/s", each / GOALS[name]
        )


def _taken(source: SourceRunner, count: int) -> None:
    ends = time.monotonic() + 300
    while source.state().accepted < count:
        assert time.monotonic() < ends, source.state()
        time.sleep(0.02)


def lines(count: int = 60_000) -> Iterator[Line]:
    """All lines of the table."""
    for name in GOALS:
        yield rate(name, count)


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=tuple(GOALS))
    parser.add_argument("--records", type=int, default=60_000)
    given = parser.parse_args()
    for name in [given.only] if given.only else GOALS:
        show(rate(name, given.records))


if __name__ == "__main__":
    main()
