"""An object store that hangs, drips or never stops: each call ends, and so does the command."""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from pyarrow import fs

from monitor.sources.files.remote.sized_file import RemoteFile
from tests.support.slow_peers import Manner, peer
from tests.support.thorough import thinned

SECONDS = 2.0
SLACK = 40.0
"""A slow machine: without a deadline, none of the commands below would end at all."""
PROGRAM = f"""
import sys
from monitor.cli import main
from monitor.runtime import call_timeout
from monitor.sources.files import locations
from monitor.sources.files.remote import sized_file
locations.LISTING_SECONDS = sized_file.READ_SECONDS = {SECONDS}
call_timeout.MOST_GROWTH = 200 << 20
sys.argv = ["watchkeeper", "load", "acme/fraud", sys.argv[1]]
main()
"""


def load(port: int, source: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], float]:
    """`watchkeeper load`, in a process of its own: its exit must not wait for the call that was abandoned."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_REGION": "eu-central-1",
    }
    (folder / "watchkeeper.yaml").write_text(
        "store: {url: 'sqlite:///w.db'}\nclients: {acme: {name: A, models: {fraud: {title: F}}}}\n"
        "notify: {console: true}\n"
    )
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, source],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return ended, time.monotonic() - began


@pytest.mark.parametrize("manner", thinned([Manner.DRIP, Manner.HANG, Manner.FLOOD, Manner.HEADERS], 2))
def test_a_listing_ends_in_time_and_takes_no_more_memory_than_it_may(manner: Manner, tmp_path: Path) -> None:
    with peer(manner) as server:
        ended, took = load(server.port, "s3://lake/*.parquet", tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert "s3://lake/*.parquet cannot be reached" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert took < SECONDS + SLACK


SIZE = 50 << 20


class Dripping(BaseHTTPRequestHandler):
    """An object of 50 MB, of which a byte comes now and then."""

    def do_HEAD(self) -> None:
        self._head(200, SIZE)

    def do_GET(self) -> None:
        first, last = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups()  # type: ignore[union-attr]
        self._head(206, int(last) - int(first) + 1)
        with contextlib.suppress(OSError):
            for _ in range(600):
                self.wfile.write(b"x")
                time.sleep(0.1)

    def _head(self, status: int, size: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(size))
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""


@pytest.fixture
def dripping() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", thinned(["a.parquet", "a.csv", "a.jsonl", "a.feather"], 2))
def test_an_object_that_drips_ends_the_command(name: str, dripping: int, tmp_path: Path) -> None:
    ended, took = load(dripping, f"s3://lake/{name}", tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert f"s3://lake/{name} cannot be read: no complete response within 2 s" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert took < SECONDS + SLACK


def test_reads_of_any_size_from_any_place_are_those_of_the_file(tmp_path: Path) -> None:
    content = np.random.default_rng(3).bytes(20_000_000)
    (tmp_path / "x").write_bytes(content)
    file = RemoteFile(fs.LocalFileSystem(), str(tmp_path / "x"), len(content))
    assert file.read() == content
    assert file.read(5) == b""
    rng = np.random.default_rng(4)
    for _ in range(20):
        at, size = int(rng.integers(0, len(content) + 10)), int(rng.integers(0, 12_000_000))
        file.seek(at)
        assert file.read(size) == content[at : at + size]
        assert file.tell() == min(max(at, 0), at + size) or file.tell() <= len(content)
