"""`kill -9` while records of single tasks arrive: runs of agents in parts, sets of labels and outputs with outcomes.

What was acknowledged is there once. Runs are also made while the daemon is killed again and again.
"""

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from monitor.clock import ManualClock
from monitor.predictions.log.batch import decode
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources.otlp.agents.waiting_runs import WaitingRuns
from monitor.store import outcomes, predictions, waiting_runs
from monitor.store.db import Store
from tests.support import fork_server, http
from tests.support.ingest_server import Process
from tests.support.otlp import PROTOBUF, traces
from tests.support.thorough import THOROUGH
from tests.support.waiting import until
from tests.web.ingest.test_otlp_agents import HELPER, WHOLE, whole

pytestmark = pytest.mark.skipif(not THOROUGH, reason="thorough runs only")
TOPICS = Stream("acme", "topics")
OUTER_WAIT = PredictionSettings().runs_outer_wait


class Sender(threading.Thread):
    """Does one numbered piece of work after the other until the server is gone; repeats what is not acknowledged."""

    def __init__(self, work: Callable[[httpx2.Client, int], bool], first: int, step: int) -> None:
        super().__init__(daemon=True)
        self.work, self.number, self.step = work, first, step
        self.done: set[int] = set()

    def run(self) -> None:
        with http.client(timeout=300) as client:
            while True:
                try:
                    if not self.work(client, self.number):
                        continue
                except httpx2.TransportError:
                    return
                self.done.add(self.number)
                self.number += self.step


def killed_again_and_again(
    server: Process, work: Callable[[str], Callable[[httpx2.Client, int], bool]], rng: random.Random
) -> set[int]:
    """The numbers whose work was acknowledged, of four senders over two lives of the server."""
    numbers, done = [0, 1, 2, 3], set[int]()
    for _ in range(2):
        server.start()
        senders = [Sender(work(server.url), first, 4) for first in numbers]
        for sender in senders:
            sender.start()
        enough = rng.randrange(5, 40)
        until(
            lambda senders=senders, enough=enough: any(len(one.done) >= enough for one in senders),
            "enough",
            60,
        )
        server.kill()
        for place, sender in enumerate(senders):
            sender.join(300)
            numbers[place] = sender.number
            done |= sender.done
    return done


@contextmanager
def opened(folder: str, later: float) -> Iterator[tuple[Store, WaitingRuns]]:
    """The database, with what makes runs, `later` seconds after now."""
    store = Store(f"sqlite:///{folder}/watchkeeper.db")
    clock = ManualClock(time.time())
    log = PredictionLog(store, PredictionSettings(runs_wait=0.0), clock)
    making = WaitingRuns(log, store)
    clock.advance(later)
    try:
        yield store, making
    finally:
        store.close()


def stored(folder: Path, stream: Stream) -> list[dict[str, Any]]:
    with opened(str(folder), 0) as (store, _), store.read() as connection:
        batches = list(predictions.batches(connection, stream, 0, 2**33))
        return [row for batch in batches for row in decode(batch.blob).to_pylist()]


def run_of(number: int, begun: float) -> list[Span]:
    """The spans of a run in any order, with ids of their own."""
    spans, base = whole(number + 1), 1000 * number
    late = int(begun * 1e9) - spans[0].start_time_unix_nano
    for span in spans:
        span.start_time_unix_nano += late
        span.end_time_unix_nano += late
        span.span_id = (base + int.from_bytes(span.span_id)).to_bytes(8)
        if span.parent_span_id:
            span.parent_span_id = (base + int.from_bytes(span.parent_span_id)).to_bytes(8)
    random.Random(number).shuffle(spans)
    return spans


@pytest.mark.parametrize("seed", range(1, 6))
def test_runs_of_agents_are_whole_and_there_once_after_kill_9(tmp_path: Path, seed: int) -> None:
    rng, begun = random.Random(seed), float(int(time.time()))

    def work(url: str) -> Callable[[httpx2.Client, int], bool]:
        def send(client: httpx2.Client, number: int) -> bool:
            spans, sent = run_of(number, begun), {"content-type": PROTOBUF}
            return all(
                client.post(f"{url}/v1/traces", content=body, headers=sent).status_code == 200
                for part in (spans[:4], spans[4:7], spans[7:])
                if (body := traces(*part).SerializeToString())
            )

        return send

    acknowledged = killed_again_and_again(Process(tmp_path), work, rng)
    for _ in range(3):
        least = rng.randrange(1, len(acknowledged))
        child = fork_server.start("tests.web.ingest.test_kill_tasks", str(tmp_path))
        until(lambda least=least: len(stored(tmp_path, HELPER)) >= least, "some runs are stored")
        child.kill()
        child.wait(300)
    for _ in range(2):
        with opened(str(tmp_path), 2 * OUTER_WAIT) as (store, making):
            making.release()
    with opened(str(tmp_path), 0) as (store, _), store.read() as connection:
        left = connection.execute(waiting_runs.WAITING_RUNS.select()).all()
    runs = stored(tmp_path, HELPER)
    ids = [run["id"] for run in runs]
    assert len(ids) == len(set(ids)), "a run was stored twice"
    assert acknowledged
    assert {f"{1000 * number + 1:016x}" for number in acknowledged} <= set(ids)
    assert len(left) <= 8, "only of the traces that were cut off"
    told = {
        f"features.{name}": value
        for name, value in WHOLE.items()
        if name.startswith(("tool", "steps", "loops"))
    }
    for run in runs:
        if (int(run["id"], 16) - 1) // 1000 in acknowledged:
            assert {name: run[name] for name in told} == told


@pytest.mark.parametrize("seed", range(1, 6))
def test_answers_and_truths_of_each_task_are_there_once_after_kill_9(tmp_path: Path, seed: int) -> None:
    begun = int(time.time())

    def work(url: str) -> Callable[[httpx2.Client, int], bool]:
        def send(client: httpx2.Client, number: int) -> bool:
            about = {"client": "acme", "model": "topics"}
            ids = [f"{number}-{place}" for place in range(1 + number % 20)]
            answers = [
                {
                    "id": one,
                    "timestamp": begun,
                    **about,
                    "predicted_labels": ["a", "b"],
                    "outputs": {"w": number},
                }
                for one in ids
            ]
            truths = [{"id": one, **about, "true_labels": ["a"], "true_outputs": {"w": 1.0}} for one in ids]
            requests = (("predictions", answers), ("outcomes", truths))
            return all(
                client.post(f"{url}/v1/{kind}", json=rows).status_code == 202 for kind, rows in requests
            )

        return send

    acknowledged = killed_again_and_again(Process(tmp_path), work, random.Random(seed))
    rows = stored(tmp_path, TOPICS)
    ids = [row["id"] for row in rows]
    expected = {f"{number}-{place}" for number in acknowledged for place in range(1 + number % 20)}
    assert expected
    assert expected <= set(ids)
    assert len(ids) == len(set(ids)), "a resend was stored twice"
    assert {(row["predicted_labels"], row["outputs"]) for row in rows if row["id"].startswith("0-")} <= {
        ('["a","b"]', '{"w":0.0}')
    }
    with opened(str(tmp_path), 0) as (store, _), store.read() as connection:
        pending = outcomes.pending(connection, TOPICS, waiting=False, limit=10**6)
    told = [row["id"] for batch in pending for row in decode(batch.blob).to_pylist()]
    assert expected <= set(told)
    assert len(told) == len(set(told)), "an outcome was stored twice"


if __name__ == "__main__":
    with opened(sys.argv[1], 2 * OUTER_WAIT) as (_, endless):
        while True:
            endless.release()
