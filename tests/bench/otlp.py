"""How fast GenAI spans come in over OTLP, durable before they are answered: `python -m tests.bench.otlp`.

As in `tests.bench.ingest`. While spans come in as fast as they are taken, single predictions come in as well, and have
to be answered in time.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tests.bench.ingest import JSON, Server, json_body
from tests.bench.line import GOAL, Line, against_goal, show
from tests.support import otlp

SPANS = 1000
GOAL_RATE = 5_000


def body(count: int = SPANS) -> bytes:
    """Spans with fifteen attributes each, two of them texts; eight `@` stand for the number of the request."""
    now = time.time()
    spans = []
    for number in range(count):
        said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "How long? " * 20}]}])
        attributes = {
            "gen_ai.request.temperature": 0.1,
            "gen_ai.request.max_tokens": 50,
            "gen_ai.usage.cache_read.input_tokens": 5,
            "gen_ai.input.messages": said,
            "gen_ai.output.messages": said,
            "server.address": "api.openai.com",
            "server.port": 443,
        }
        one = otlp.call(
            number + 1, f"chatcmpl-@@@@@@@@-{number:05}", attributes, start=now, parent=number + 9
        )
        one.trace_id = b"@@@@@@@@" + (number // 4).to_bytes(8, "big")
        assert len(one.attributes) == 15
        spans.append(one)
    return otlp.traces(*spans).SerializeToString()


class OtlpServer(Server):
    """The server of the ingest, with the load of an exporter and that of a model at once."""

    def __enter__(self) -> "OtlpServer":
        super().__enter__()
        return self

    def both(self, requests: int, rate: float, seconds: float) -> tuple[float, float, list[float]]:
        """Spans a second and seconds of CPU a span, and the latencies of single predictions meanwhile."""
        before, began = self.stored(), self.cpu()
        with ThreadPoolExecutor(1) as pool:
            spans = pool.submit(self.load, "/v1/traces", otlp.PROTOBUF, body(), requests, 4)
            time.sleep(0.5)  # its body is read
            calm = self.load("/v1/predictions", JSON, json_body(1), int(rate * seconds), 8, rate)
            seen = spans.result()
        taken = self.stored() - before - calm.answered
        assert taken == seen.answered * SPANS, f"{taken} stored: {seen.first_refusal}"
        assert taken, f"nothing was stored: {seen.first_refusal or 'no answer in time, is the machine busy?'}"
        return taken / seen.seconds, (self.cpu() - began) / taken, calm.latencies


def lines(requests: int = 60) -> Iterator[Line]:
    """All lines of the table."""
    with tempfile.TemporaryDirectory() as folder, OtlpServer(Path(folder)) as server:
        server.load("/v1/traces", otlp.PROTOBUF, body(), 2, 1)  # the modules are loaded from here on
        rate, each, latencies = server.both(requests, 100, 5)
        memory = round(server.resident_mb())
    work = "OTLP, 1,000 GenAI spans of 15 attributes a request"
    yield Line(work, GOAL, rate, GOAL_RATE, "spans/s", rate / GOAL_RATE, memory)
    yield against_goal(f"{work}: CPU of server", each * 1e6, 1e6 / GOAL_RATE, "us each", memory)
    p99 = float(np.quantile(latencies, 0.99)) * 1000
    yield against_goal("single predictions meanwhile: p99 of an answer", p99, 250.0, "ms", memory)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for line in lines():
        show(line)


if __name__ == "__main__":
    main()
