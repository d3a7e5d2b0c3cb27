"""Thousands of connections of what nobody should send, to the real daemon, beside one who sends as one should."""

import asyncio
import signal
import sqlite3
import time
from pathlib import Path

from monitor.predictions.log.batch import decode
from tests.flow.test_shutdown import ended, left_behind
from tests.support.daemon import Daemon
from tests.support.http_fuzz import CONFIG, Neighbour, send_all
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

SEEDS = range(20_000) if THOROUGH else range(8_000, 15_000)  # in these, each kind of answer is there


def computed(pid: int) -> float:
    """Seconds that a process computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_whatever_is_sent_is_answered_or_closed_and_a_neighbour_loses_nothing(tmp_path: Path) -> None:
    with Daemon(tmp_path, CONFIG) as daemon:
        neighbour = Neighbour(daemon.url)
        neighbour.start()
        seen = asyncio.run(send_all(daemon.port, SEEDS))
        neighbour.stop()
        assert seen.failed == []
        assert neighbour.lost == []
        assert neighbour.taken > 20
        assert {200, 202, 400, 404, 405} <= seen.statuses.keys(), seen.statuses
        before, began = computed(daemon.pid), time.monotonic()
        for _ in range(10):
            assert daemon.get("/healthz").status_code == 200
        assert until(lambda: time.monotonic() - began > 1, "a second is over")
        assert computed(daemon.pid) - before < 0.8 * (time.monotonic() - began), "the loop spins"
        assert "Traceback" not in daemon.said()
        ended(daemon, signal.SIGTERM)
        assert left_behind(tmp_path) == []
        with sqlite3.connect(tmp_path / "watchkeeper.db") as connection:
            blobs = connection.execute("select blob from prediction_batches")
            stored = {row.get("id") for (blob,) in blobs for row in decode(blob).to_pylist()}
        assert {f"n{number}" for number in range(neighbour.taken)} <= stored
