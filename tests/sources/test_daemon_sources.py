"""The real daemon reads a Kafka topic: each message once although it is killed, and its state is shown beside it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from monitor.store import predictions
from monitor.store.db import Store
from tests.support.daemon import Daemon
from tests.support.fork_server import watchkeeper
from tests.support.kafka import MockCluster
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

CONFIG = """
sources:
  orders: {{kind: kafka, brokers: ["{brokers}"], topic: orders, client: acme, model: fraud, session: 6s}}
  gone: {{kind: kafka, brokers: ["127.0.0.1:9"], topic: nothing}}
notify: {{console: false}}
"""
KILLS, BETWEEN = 3 if THOROUGH else 1, 200


def record(number: int) -> dict[str, Any]:
    return {"id": f"p-{number}", "prediction": "ok", "latency_ms": 12.5}


def stored(daemon: Daemon) -> list[int]:
    """The rows of each batch in the daemon's store."""
    store = Store(daemon.store_url)
    try:
        with store.read() as connection:
            rows = connection.execute(predictions.BATCHES.select()).all()
    finally:
        store.close()
    return [len(row.ids) // 8 for row in rows]


def sources(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return watchkeeper("sources", *words, "-c", str(daemon.config))


def test_each_message_is_stored_once_although_the_daemon_is_killed(tmp_path: Path) -> None:
    cluster = MockCluster()
    cluster.send("orders", map(record, range(BETWEEN)))
    daemon = Daemon(tmp_path, CONFIG.format(brokers=cluster.brokers[0]))
    for kill in range(1, KILLS + 1):
        daemon.start()
        at_least = BETWEEN * (kill - 1) + 1
        until(lambda least=at_least: sum(stored(daemon)) >= least, "some messages are stored")
        daemon.kill()
        cluster.send("orders", map(record, range(BETWEEN * kill, BETWEEN * (kill + 1))))
    cluster.send("orders", [b"{broken"])
    with daemon:
        total = BETWEEN * (KILLS + 1)
        until(lambda: sum(stored(daemon)) >= total, "all messages are stored")
        until(lambda: _state(daemon, "orders")["rejected"] == 1, "the broken one is told")
        shown = _state(daemon, "orders")
        assert shown["state"] == "works"
        assert sum(map(int, shown["positions"].values())) == total + 1
        until(lambda: _state(daemon, "gone")["state"] == "fails", "the other source fails")
        gone = _state(daemon, "gone")
        assert "Kafka at 127.0.0.1:9" in gone["error"]
        assert sources(daemon, "list").returncode == 1
        tried = sources(daemon, "test", "orders")
        assert tried.returncode == 0
        assert '"client": "acme"' in tried.stdout
        assert "did you mean 'orders'" in sources(daemon, "test", "ordrs").stderr
    assert sum(stored(daemon)) == total


def _state(daemon: Daemon, name: str) -> dict[str, Any]:
    listed = json.loads(sources(daemon, "list", "--json").stdout)
    return next(one for one in listed if one["name"] == name)
