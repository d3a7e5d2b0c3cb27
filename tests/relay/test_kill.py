"""`kill -9` of a real relay, and of the daemon's real ingest behind it, while requests stream in."""

import random
import sqlite3
import threading
import time
from pathlib import Path

import httpx2
import pytest

from monitor.predictions.log.batch import decode
from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from tests.support import http
from tests.support.ingest_server import Process as Upstream
from tests.support.log import prediction
from tests.support.relays import KEY, Process
from tests.support.thorough import THOROUGH
from tests.support.waiting import until


class Sender(threading.Thread):
    """Sends numbered requests until the relay is gone. What was not acknowledged is sent again by the next one, with
    the same key, or without one if its name is odd.
    """

    def __init__(self, url: str, name: int, number: int) -> None:
        super().__init__(daemon=True)
        self.url, self.prefix, self.number = url, name, number
        self.acknowledged: set[str] = set()

    def run(self) -> None:
        own = httpx2.HTTPTransport(local_address=f"127.0.0.{2 + self.prefix // 2}", verify=http.context())
        headers = {"Authorization": f"Bearer {KEY}"}
        with http.client(timeout=300, headers=headers, transport=own) as client:
            while True:
                name = f"{self.prefix}-{self.number}"
                body = [
                    {**prediction(id=f"{name}-{n}", features={"a": n}), "timestamp": None}
                    for n in range(1 + self.number % 5)
                ]
                key = {} if self.prefix % 2 else {"Idempotency-Key": name}
                try:
                    answer = client.post(f"{self.url}/v1/predictions", json=body, headers=key)
                except httpx2.TransportError:
                    return
                if answer.status_code == 202:
                    self.acknowledged.update(str(row["id"]) for row in body)
                    self.number += 1


def stored(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "watchkeeper.db") as connection:
        blobs = connection.execute("select blob from prediction_batches").fetchall()
    return [row for (blob,) in blobs for row in decode(blob).column("id").to_pylist()]


def key_of(folder: Path) -> str:
    """A key of the daemon for acme."""
    store = Store(f"sqlite:///{folder}/watchkeeper.db")
    with store.write() as connection:
        _, key = api_keys.create(connection, KeyKind.INGEST, "acme", time.time())
    store.close()
    return key


@pytest.mark.parametrize("seed", range(1, 11) if THOROUGH else [1])
def test_what_was_acknowledged_arrives_once_after_kill_9(tmp_path, seed):
    rng = random.Random(seed)
    upstream = Upstream(tmp_path)
    upstream.start()
    relay = Process(tmp_path / "relay", upstream.url, key_of(tmp_path))
    numbers, acknowledged = dict.fromkeys(range(4), 0), set[str]()
    for round_ in range(3):
        relay.start()
        senders = [Sender(relay.url, name, number) for name, number in numbers.items()]
        for sender in senders:
            sender.start()
        enough = rng.randrange(20, 150)
        until(
            lambda senders=senders, enough=enough: len(senders[0].acknowledged) >= enough,
            "some are acknowledged",
        )
        if round_ == 1:
            upstream.kill()
            upstream.start()
        relay.kill()
        for sender in senders:
            sender.join(300)
            numbers[sender.prefix] = sender.number
            acknowledged |= sender.acknowledged
    relay.start()
    until(lambda: acknowledged <= set(stored(tmp_path)), "all have arrived")
    until(lambda: '"waiting_bytes": 0' in relay.command("status", "--json").stdout, "nothing waits")
    assert relay.command("status").returncode == 0
    found = stored(tmp_path)
    assert len(found) == len(set(found)), "a request was stored twice"
    assert relay.stop() == 0
    upstream.kill()
