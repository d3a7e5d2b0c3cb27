"""The ingest with an unavailable database, with too little memory, and with slow senders."""

import secrets
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import msgspec
from sqlalchemy import event

from monitor.clock import ManualClock
from monitor.web.settings import WebSettings
from tests.support.ingest_server import ids_of, rows_of, serving
from tests.support.log import NOW, prediction
from tests.support.waiting import until


def test_a_locked_database_means_503_and_nothing_is_acknowledged(tmp_path):
    with serving(tmp_path, ManualClock(NOW), acknowledge_within=1.0) as ingest:
        assert ingest.post(prediction(id="before")).status_code == 202
        blocker = sqlite3.connect(tmp_path / "watchkeeper.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        answer = ingest.post(prediction(id="during"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        blocker.execute("ROLLBACK")
        blocker.close()
        assert ingest.post(prediction(id="during")).status_code == 202
        assert sorted(row["id"] for row in rows_of(ingest)) == ["before", "during"]


def test_a_full_disk_means_503_and_the_next_request_is_taken_when_there_is_room(tmp_path):
    room = [1_000_000]
    big = [prediction(id=f"big-{n}", features={"text": secrets.token_hex(20_000)}) for n in range(20)]
    with serving(tmp_path, ManualClock(NOW)) as ingest:
        assert ingest.post(prediction(id="before")).status_code == 202

        @event.listens_for(ingest.store.engine, "checkout")
        def _limit(connection, _record, _proxy):  # SQLite's own answer to a disk without room
            connection.execute(f"PRAGMA max_page_count={room[0]}")

        room[0] = 1
        answer = ingest.post(big)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "full" in answer.json()["error"]
        room[0] = 1_000_000
        assert ingest.post(big).json()["accepted"] == 20
        assert len(ids_of(ingest, "big-")) == 20


def test_too_much_that_waits_means_429(tmp_path):
    with serving(tmp_path, ManualClock(NOW), queue_limit=1000, acknowledge_within=20.0) as ingest:
        blocker = sqlite3.connect(tmp_path / "watchkeeper.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        body = [prediction(id=f"q{n}") for n in range(10)]
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(ingest.post, body)
            refused = _until_refused(ingest)
            blocker.execute("ROLLBACK")
            assert waiting.result(30).status_code == 202
        blocker.close()
        assert refused.headers["retry-after"] == "1"
        assert ingest.log.stats().rejected["busy"] >= 1


def test_large_bodies_at_once_are_held_only_up_to_a_limit(tmp_path):
    body = msgspec.json.encode([prediction(id=f"m{n}", features={"t": "x" * 1000}) for n in range(600)])
    with serving(tmp_path, ManualClock(NOW), queue_limit=1_000_000) as ingest:
        refused = until(lambda: _refused_beside_another(ingest, body), "the second large body is refused")
        assert refused.json()["error"] == "too many large requests at once"
        assert ingest.log.stats().rejected["busy"] >= 1
        until(lambda: ingest.post(body).status_code == 202, "there is room again")


def _refused_beside_another(ingest, body):
    """The answer, if it was refused while another upload was under way.

    Where the whole body is read before the beginning of the other one, the other one is refused instead.
    """
    head = f"POST /v1/predictions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(ingest.url.rpartition(":")[2]))) as slow:
        slow.sendall(head.encode() + body[:1000])
        answer = ingest.post(body, idempotency_key=secrets.token_hex(4))
        return answer if answer.status_code == 429 else None


def _until_refused(ingest):
    def refused():
        if not ingest.log.stats().waiting:
            return None
        answer = ingest.post([prediction(id=f"r{n}") for n in range(10)])
        return answer if answer.status_code == 429 else None

    return until(refused, "a request is refused with 429")


def test_uploads_that_only_announce_their_bytes_keep_no_memory_from_the_others(tmp_path):
    with serving(tmp_path, ManualClock(NOW), queue_limit=40_000_000) as ingest:
        port = int(ingest.url.rpartition(":")[2])
        stalled = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for one in stalled:
            one.sendall(
                b"POST /v1/predictions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 32000000\r\n\r\n["
            )
        body = msgspec.json.encode([prediction(id=f"m{n}", features={"t": "x" * 1000}) for n in range(600)])
        assert ingest.post(body).status_code == 202
        for one in stalled:
            one.close()


def test_a_body_that_drips_has_one_deadline_and_is_answered_with_408(tmp_path):
    with serving(tmp_path, ManualClock(NOW), WebSettings(body_within=0.5)) as ingest:
        slow = socket.create_connection(("127.0.0.1", int(ingest.url.rpartition(":")[2])), timeout=0.05)
        slow.sendall(b"POST /v1/predictions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n")
        said = until(lambda: _dripped(slow), "it is answered")
        assert said.startswith(b"HTTP/1.1 408")
        assert ingest.log.stats().rejected["too_slow"] == 1
        slow.close()


def _dripped(connection):
    try:
        connection.sendall(b" ")
        return connection.recv(1000)
    except TimeoutError:
        return b""
