"""The limit that a load test finds is the limit that k6 finds. Thorough runs only: k6 is a binary of 65 MB."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loadtest.test_command import called, folder  # noqa: F401
from tests.support.daemon import ROOT
from tests.support.ports import free_port
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

K6 = ROOT / ".venv-deploy" / "bin" / "k6"
LIMIT = 500.0
"""Milliseconds that 95 % of the calls may take."""
SERVER = """
import asyncio, sys

async def answer(reader, writer):
    while head := await reader.readuntil(b"\\r\\n\\r\\n"):
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\\r\\n")[1:] if line)
        await reader.readexactly(int(fields.get(b"content-length", 0)))
        async with worker:
            await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")

async def main():
    global worker
    worker = asyncio.Lock()
    await (await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))).serve_forever()

asyncio.run(main())
"""
SCRIPT = """
import http from 'k6/http';
export const options = {
  scenarios: { calls: {
    executor: 'constant-arrival-rate', rate: Number(__ENV.RATE), timeUnit: '1s', duration: '10s',
    preAllocatedVUs: 256, maxVUs: 256 } } };
export default () => { http.post(__ENV.URL, '{"features": {"amount": 1}}', { timeout: '10s' }); };
"""

pytestmark = [
    pytest.mark.skipif(not THOROUGH, reason="thorough runs only"),
]


@pytest.fixture
def url() -> Iterator[str]:
    """A server that answers one call at a time, in 20 ms: 50 calls a second at most."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stderr=subprocess.DEVNULL) as server:
        until(lambda: is_open(port), "the server listens")
        yield f"http://127.0.0.1:{port}/"
        server.kill()


def is_open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def p95(at: Path, url: str, rate: float) -> float:
    """Milliseconds, by k6 with a constant rate of arrivals."""
    script, summary = at / "script.js", at / "summary.json"
    script.write_text(SCRIPT)
    environment = {**os.environ, "K6_NO_USAGE_REPORT": "true"}
    values = ("-e", f"RATE={rate:.0f}", "-e", f"URL={url}")
    command = [str(K6), "run", "--quiet", "--summary-export", str(summary), *values, str(script)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    metrics = json.loads(summary.read_text())["metrics"]
    assert metrics["http_req_failed"]["passes"] == 0
    return float(metrics["http_req_duration"]["p(95)"])


def test_k6_holds_what_is_said_to_hold_and_misses_what_is_said_to_be_missed(
    folder: Path,  # noqa: F811
    tmp_path: Path,
    url: str,
) -> None:
    assert K6.is_file(), "make .venv-deploy/.installed"
    words = ("loadtest", "acme/fraud", "--url", url, "--rate", "20/s", "--up-to", "4", "--constant", "--json")
    times = ("--duration", "10s", "--step", "10s", "--warm-up", "2s")
    done = called(folder, *words, *times, "--slo", f"p95<{LIMIT:.0f}ms,errors<1%")
    told = json.loads(done.stdout)
    holds, misses = told["holds"], told["misses"]
    assert 30 < holds < 50
    assert misses <= 75
    assert p95(tmp_path, url, 0.85 * holds) < LIMIT
    assert p95(tmp_path, url, 1.15 * max(misses, 50.0)) > LIMIT
