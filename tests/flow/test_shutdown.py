"""SIGTERM and SIGINT on the real daemon: what it leaves behind."""

import contextlib
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from monitor.store import leases
from monitor.store.db import Store
from tests.flow.test_two_daemons import RULES
from tests.support import http
from tests.support.daemon import Daemon
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.postgresql import postgresql
from tests.support.thorough import thinned
from tests.support.traffic import failed, send
from tests.support.waiting import until

WITHIN = 5.0
BOTH = [signal.SIGTERM, signal.SIGINT]
"""One handler takes both: one test tries both, the others the second only in a thorough run."""


def record(number: int, **fields: object) -> dict[str, object]:
    return {"id": f"r{number}", "client": "acme", "model": "fraud", "prediction": "ok", **fields}


def ended(daemon: Daemon, how: signal.Signals) -> float:
    """Send the signal; the seconds until the process was gone. It must have ended by itself, with 0."""
    process = daemon.process
    assert process is not None
    began = time.monotonic()
    process.send_signal(how)
    code = process.wait(timeout=300)
    took = time.monotonic() - began
    daemon.process = None
    assert code == 0, daemon.said()
    assert took < WITHIN, daemon.said()
    assert "Traceback" not in daemon.said()
    return took


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("watchkeeper.db-*"))


def ids(folder: Path) -> int:
    with sqlite3.connect(folder / "watchkeeper.db") as connection:
        return int(connection.execute("select coalesce(sum(rows), 0) from prediction_batches").fetchone()[0])


@pytest.mark.parametrize("how", BOTH)
def test_the_daemon_ends_with_0_and_leaves_one_whole_file(tmp_path: Path, how: signal.Signals) -> None:
    with Daemon(tmp_path, loads_itself=True) as daemon:
        assert daemon.post("/v1/predictions", [record(n) for n in range(50)]).status_code == 202
        ended(daemon, how)
        assert left_behind(tmp_path) == []
        assert ids(tmp_path) == 50


@pytest.mark.parametrize("how", thinned(BOTH, 2))
def test_it_ends_in_time_with_every_kind_of_peer_connected(tmp_path: Path, how: signal.Signals) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.post("/v1/predictions", [record(1)])
        peers = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(4)]
        peers[1].sendall(b"POST /v1/predictions HTTP/1.1\r\nhos")
        peers[2].sendall(b"POST /v1/predictions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n[")
        peers[3].sendall(b"GET /c/acme/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert peers[3].recv(1000).startswith(b"HTTP/1.1 200")
        ended(daemon, how)
        assert left_behind(tmp_path) == []
        for one in peers:
            one.close()


def test_every_record_that_was_acknowledged_is_stored(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        taken: list[int] = []

        def post() -> None:
            with http.client(timeout=300) as client:
                for number in range(100_000):
                    try:
                        answer = client.post(f"{daemon.url}/v1/predictions", json=record(number))
                    except httpx2.TransportError:
                        return
                    if answer.status_code == 202:
                        taken.append(number)

        sender = threading.Thread(target=post)
        sender.start()
        until(lambda: len(taken) > 50, "some are taken")
        ended(daemon, signal.SIGTERM)
        sender.join(300)
        assert left_behind(tmp_path) == []
        assert ids(tmp_path) >= len(taken)


class Slow(PagerDutyStandIn):
    """Takes its time to answer."""

    begun = 0

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        self.begun += 1
        threading.Event().wait(1.5)
        return super().take(path, body)


def paged_by(folder: Path, pager: Slow) -> str:
    """The configuration of a daemon that pages soon."""
    (folder / "mine.yaml").write_text(RULES, encoding="utf-8")
    return (
        f'rules: {{files: ["{folder}/mine.yaml"]}}\n'
        f'notify: {{pagerduty: {{routing_key: "{pager.routing_key}", events_url: "{pager.url}", '
        f'ca_file: "{pager.ca_file}"}}}}\n'
        "evaluate: {every: 500ms, recent: 5s}\n"
    )


def until_a_page_is_under_way(daemon: Daemon, pager: Slow) -> None:
    def is_under_way() -> bool:
        send(daemon, [failed() for _ in range(20)])
        return pager.begun > 0

    until(is_under_way, "the delivery is under way")


def test_a_delivery_under_way_gets_its_receipt(tmp_path: Path) -> None:
    with Slow(tmp_path, time.time) as pager:
        with Daemon(tmp_path, paged_by(tmp_path, pager)) as daemon:
            until_a_page_is_under_way(daemon, pager)
            ended(daemon, signal.SIGTERM)
        assert left_behind(tmp_path) == []
        assert len(pager.incidents) == pager.begun == 1
        with sqlite3.connect(tmp_path / "watchkeeper.db") as connection:
            query = "select status from outbox where channel = 'pagerduty' and action = 'trigger'"
            assert connection.execute(query).fetchall() == [("sent",)]


def test_the_lease_is_free_at_once(tmp_path: Path) -> None:
    with postgresql() as server:
        url = server.url
        with Daemon(tmp_path, f'store: {{url: "{url}"}}\nevaluate: {{every: 1s}}\n') as daemon:
            store = Store(url)
            until(lambda: _holders(store), "the daemon judges")
            ended(daemon, signal.SIGTERM)
            assert _holders(store) == 0
            store.close()


def _holders(store: Store) -> int:
    with store.read() as connection:
        return len(
            connection.execute(select(leases.leases).where(leases.leases.c.expires_at > time.time())).all()
        )


@pytest.mark.parametrize("how", thinned(BOTH, 2))
def test_it_ends_in_time_while_a_baseline_is_counted(tmp_path: Path, how: signal.Signals) -> None:
    rng = np.random.default_rng(7)
    columns = {f"features.x{n}": rng.normal(size=1_000_000) for n in range(8)}
    pq.write_table(pa.table(columns), tmp_path / "training.parquet", compression="none")
    config = (
        "clients: {acme: {models: {fraud: {title: Fraud, "
        f'baseline: {{file: "{tmp_path}/training.parquet"}}}}}}}}}}\n'
    )
    with Daemon(tmp_path, config) as daemon:
        children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").parent.parent
        until(lambda: any((one / "children").read_text() for one in children.iterdir()), "a child counts it")
        ended(daemon, how)
        assert left_behind(tmp_path) == []


class Stuck(Slow):
    """Answers nothing before it is let go."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, time.time)
        self.let_go = threading.Event()

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        self.begun += 1
        self.let_go.wait(300)
        return PagerDutyStandIn.take(self, path, body)


@pytest.mark.parametrize("how", BOTH)
def test_a_second_signal_ends_the_process_at_once_and_in_silence(tmp_path: Path, how: signal.Signals) -> None:
    """The first signal waits for a page that is on its way. What was acknowledged is there after the next start."""
    with Stuck(tmp_path) as pager, Daemon(tmp_path, paged_by(tmp_path, pager)) as daemon:
        until_a_page_is_under_way(daemon, pager)
        process = daemon.process
        assert process is not None
        process.send_signal(how)
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.3)
            process.send_signal(how)
        pager.let_go.set()
        assert process.returncode == 128 + how, daemon.said()
        assert "Traceback" not in daemon.said()
        before = ids(tmp_path)
        assert before > 0
        daemon.start()
        ended(daemon, how)
        assert ids(tmp_path) == before


def test_signals_of_a_terminal_and_a_supervisor_at_once_are_one_request(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.post("/v1/predictions", [record(1)])
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGINT)
        ended(daemon, signal.SIGTERM)
        assert left_behind(tmp_path) == []
