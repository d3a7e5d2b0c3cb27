"""`kill -9` while requests stream in: what was acknowledged is there once, whatever else is there or not."""

import random
import sqlite3
import threading
import time

import httpx2
import pytest

from monitor.predictions.log.batch import decode
from tests.support import http
from tests.support.ingest_server import Process
from tests.support.log import prediction
from tests.support.thorough import THOROUGH
from tests.support.waiting import until


class Sender(threading.Thread):
    """Sends numbered batches until the server is gone, and sends what was not acknowledged again when it is back."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(daemon=True)
        self.url, self.prefix, self.number = url, name, 0
        self.acknowledged: set[str] = set()

    def batch(self) -> list[dict[str, object]]:
        size = 1 + self.number % 40
        return [
            {
                **prediction(id=f"{self.prefix}-{self.number}-{n}", features={"a": n, "b": "x"}),
                "timestamp": None,
            }
            for n in range(size)
        ]

    def run(self) -> None:
        with http.client(timeout=300) as client:
            while True:
                body = self.batch()
                try:
                    answer = client.post(self.url + "/v1/predictions", json=body)
                except httpx2.TransportError:
                    return
                if answer.status_code == 202:
                    self.acknowledged.update(str(row["id"]) for row in body)
                    self.number += 1


def logged(folder):
    with sqlite3.connect(folder / "watchkeeper.db") as connection:
        blobs = connection.execute("select blob from prediction_batches").fetchall()
    return [row for (blob,) in blobs for row in decode(blob).column("id").to_pylist()]


def until_stored(folder, least):
    """Wait without a pause: what is stored in slices is complete within a tenth of a second."""
    last = time.monotonic() + 60
    with sqlite3.connect(folder / "watchkeeper.db") as connection:
        while (
            connection.execute("select coalesce(sum(rows), 0) from prediction_batches").fetchone()[0] < least
        ):
            assert time.monotonic() < last, "too little was stored"


@pytest.mark.parametrize("seed", range(1, 11) if THOROUGH else [1, 2])
def test_what_was_acknowledged_is_there_once_after_kill_9(tmp_path, seed):
    rng = random.Random(seed)
    server = Process(tmp_path)
    acknowledged: set[str] = set()
    numbers = {f"s{seed}-{n}": 0 for n in range(4)}
    for _ in range(2):
        server.start()
        senders = [Sender(server.url, name) for name in numbers]
        for sender in senders:
            sender.number = numbers[sender.prefix]  # begins with what was not acknowledged: a resend
            sender.start()
        enough = {sender.prefix: len(sender.acknowledged) + rng.randrange(1, 200) for sender in senders}
        until(
            lambda senders=senders, enough=enough: any(
                len(sender.acknowledged) >= enough[sender.prefix] for sender in senders
            ),
            "some are acknowledged",
            60,
        )
        server.kill()
        for sender in senders:
            sender.join(300)
            numbers[sender.prefix] = sender.number
            acknowledged |= sender.acknowledged
    found = logged(tmp_path)
    assert acknowledged
    assert acknowledged <= set(found)
    assert len(found) == len(set(found)), "a resend was stored twice"


@pytest.mark.parametrize("seed", range(1, 11) if THOROUGH else [1])
def test_a_large_request_that_was_half_stored_is_there_once_when_it_is_sent_again(tmp_path, seed):
    """Its rows have no time: they get that of their arrival, which is another one when they are sent again."""
    rng, server, size = random.Random(seed), Process(tmp_path), 800
    records = [
        {"id": f"large-{n}", "client": "acme", "model": f"m{n % 400}", "prediction": rng.random()}
        for n in range(size)
    ]
    server.start()
    halves = []
    for _ in range(3 if THOROUGH else 1):
        sender = threading.Thread(target=_sent, args=(server.url, records), daemon=True)
        sender.start()
        least = len(logged(tmp_path)) + rng.randrange(1, size // 4)
        until_stored(tmp_path, min(least, size))
        server.kill()
        sender.join(300)
        halves.append(len(logged(tmp_path)))
        server.start()
    assert _sent(server.url, records)["accepted"] == size
    assert halves[0] < size, "nothing was cut in half"
    assert sorted(logged(tmp_path)) == sorted(record["id"] for record in records)
    server.kill()


def _sent(url, records):
    with http.client(timeout=300) as client:
        try:
            answer = client.post(url + "/v1/predictions", json=records)
        except httpx2.TransportError:
            return None
        assert answer.status_code == 202, answer.text
        return answer.json()
