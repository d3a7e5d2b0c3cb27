"""What a well-behaved sender notices while another does its worst within its rights: `python -m tests.bench.neighbour
[ATTACK ...]`, and `--worst 10` for ten minutes of all attacks at once.

A real daemon with SQLite and two keys. The neighbour posts one prediction twenty times a second, each measured from the
moment it should have been sent, so that a stall counts for all that fell into it. The other sends in a process of its
own, as fast as it is answered: the same machine serves both, so the figure holds what its computing costs as well.
"""

import argparse
import http.client
import json
import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from tests.bench.ingest import ARROW, JSON, arrow_body, json_body
from tests.bench.line import GOAL, Line, against_goal, show
from tests.support.daemon import Daemon

SECONDS, RATE = 10.0, 20
CONFIG = """\
clients: {acme: {name: Acme}, globex: {name: Globex}}
web: {listen: LISTEN, requests_per_minute: 1000000}
notify: {console: false}
"""
_SENDERS = 8
_ONE = json.dumps([{"id": "@", "model": "price", "prediction": 1.5, "latency_ms": 12}])


def lines(attacks: Sequence[str] = ()) -> list[Line]:
    """The 99th percentile of the neighbour's post beside each kind of attack, and undisturbed just before."""
    found = []
    with tempfile.TemporaryDirectory() as folder, Daemon(Path(folder), CONFIG, loads_itself=True) as daemon:
        keys = _keys(daemon)
        _posts(daemon.port, keys["globex"], 3.0)
        for name in attacks or ATTACKS:
            quiet = _posts(daemon.port, keys["globex"], SECONDS)
            found.append(show(Line("a neighbour's post, p99, quiet", GOAL, quiet, None, "ms", None)))
            beside = _attacked(daemon.port, keys, name)
            work = f"a neighbour's post, p99, beside {name}"
            found.append(show(against_goal(work, beside, 2 * quiet, "ms")))
    return found


def worst(minutes: int) -> list[Line]:
    """The neighbour's post minute by minute while another client does everything at once, and undisturbed before."""
    found = []
    with tempfile.TemporaryDirectory() as folder, Daemon(Path(folder), CONFIG, loads_itself=True) as daemon:
        keys = _keys(daemon)
        _posts(daemon.port, keys["globex"], 3.0)
        quiet = _posts(daemon.port, keys["globex"], 30.0)
        found.append(show(Line("a neighbour's post, p99, quiet", GOAL, quiet, None, "ms", None)))
        with _attacking(daemon.port, keys, EVERYTHING):
            for minute in range(1, minutes + 1):
                beside = _posts(daemon.port, keys["globex"], 60.0)
                work = f"a neighbour's post, p99, minute {minute} of everything at once"
                found.append(show(against_goal(work, beside, 2 * quiet, "ms")))
        after = _posts(daemon.port, keys["globex"], 30.0)
        found.append(show(Line("a neighbour's post, p99, quiet again", GOAL, after, None, "ms", None)))
    return found


def _keys(daemon: Daemon) -> dict[str, str]:
    store = Store(daemon.store_url)
    with store.write() as connection:
        keys = {
            name: api_keys.create(connection, KeyKind.INGEST, name, time.time())[1]
            for name in ("acme", "globex")
        }
        keys["page"] = api_keys.create(connection, KeyKind.PAGE, "acme", time.time())[1]
    store.close()
    time.sleep(6)  # until the daemon has read them
    return keys


def _attacked(port: int, keys: Mapping[str, str], name: str) -> float:
    with _attacking(port, keys, name):
        return _posts(port, keys["globex"], SECONDS)


@contextmanager
def _attacking(port: int, keys: Mapping[str, str], name: str) -> Iterator[None]:
    spawned = multiprocessing.get_context("spawn")
    ready, ended = spawned.Event(), spawned.Event()
    attacker = spawned.Process(target=_attack, args=(port, dict(keys), name, ready, ended))
    attacker.start()
    try:
        ready.wait(60)
        time.sleep(1)
        yield
    finally:
        ended.set()
        attacker.join(30)
        attacker.kill()
        time.sleep(3)


def _posts(port: int, key: str, seconds: float) -> float:
    """The 99th percentile in milliseconds of posts at a steady rate, from when each should have been sent."""
    waits, lock, threads = [], threading.Lock(), []
    began = time.monotonic() + 0.1

    def send(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": JSON}
        for number in range(first, int(seconds * RATE), 4):
            due = began + number / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            connection.request("POST", "/v1/predictions", _ONE.replace("@", f"{began}/{number}"), headers)
            answer = connection.getresponse()
            answer.read()
            with lock:
                waits.append((time.monotonic() - due) * 1000 if answer.status == 202 else 60_000.0)
        connection.close()

    for first in range(4):
        threads.append(threading.Thread(target=send, args=(first,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return float(np.percentile(waits, 99))


def _attack(port: int, keys: dict[str, str], name: str, ready: object, ended: object) -> None:
    if name == EVERYTHING:  # each with one sender
        works = [(prepared(port, keys), 0) for prepared in ATTACKS.values()]
    else:
        works = [(ATTACKS[name](port, keys), number) for number in range(_SENDERS)]
    threads = [
        threading.Thread(target=_until, args=(work, number, ended), daemon=True) for work, number in works
    ]
    for thread in threads:
        thread.start()
    ready.set()  # type: ignore[attr-defined]
    ended.wait()  # type: ignore[attr-defined]


def _until(work: Callable[[int], None], number: int, ended: object) -> None:
    while not ended.is_set():  # type: ignore[attr-defined]
        try:
            work(number)
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)


def _sending(body: Callable[[], bytes], kind: str) -> Callable[[int, dict[str, str]], Callable[[int], None]]:
    """An attack that posts bodies, each with a key of its own, so that it is stored again and again."""

    def prepared(port: int, keys: dict[str, str]) -> Callable[[int], None]:
        content = body()
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(_SENDERS)]

        def once(number: int) -> None:
            headers = {"Authorization": f"Bearer {keys['acme']}", "Content-Type": kind}
            headers["Idempotency-Key"] = f"{number} {time.monotonic_ns()}"
            connections[number].request("POST", "/v1/predictions", content, headers)
            connections[number].getresponse().read()

        return once

    return prepared


def _new_models() -> bytes:
    stamp = time.time_ns()
    return json.dumps(
        [{"id": str(n), "model": f"{stamp} {n}", "prediction": "ok"} for n in range(1000)]
    ).encode()


def _uploads(port: int, keys: dict[str, str]) -> Callable[[int], None]:
    """Many connections whose bodies come in slowly."""
    head = f"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {keys['acme']}\r\n"
    head += "Content-Length: 32000000\r\n\r\n"

    def once(_number: int) -> None:
        opened = []
        for _ in range(60):
            opened.append(socket.create_connection(("127.0.0.1", port)))
            opened[-1].sendall(head.encode())
        for _ in range(20):
            for one in opened:
                one.sendall(b" " * 4096)
            time.sleep(0.1)
        for one in opened:
            one.close()

    return once


def _half_open(port: int, keys: dict[str, str]) -> Callable[[int], None]:
    """Many connections that never complete the head of a request."""
    del keys

    def once(_number: int) -> None:
        opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        for one in opened:
            one.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: loc")
        time.sleep(2)
        for one in opened:
            one.close()

    return once


def _stale_key(port: int, keys: dict[str, str]) -> Callable[[int], None]:
    """Posts with a key that does not exist."""
    return _sending(lambda: json_body(100), JSON)(port, keys | {"acme": "wk_" + "x" * 40})


def _pages(port: int, keys: dict[str, str]) -> Callable[[int], None]:
    def once(_number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for path in ("/c/acme/", "/c/acme/m/fraud", "/c/acme/m/fraud/figures.csv", "/c/acme/events"):
            connection.request("GET", path, headers={"Authorization": f"Bearer {keys['page']}"})
            answer = connection.getresponse()
            if "event-stream" not in (answer.headers.get("content-type") or ""):
                answer.read()
        connection.close()

    return once


ATTACKS: Mapping[str, Callable[[int, dict[str, str]], Callable[[int], None]]] = {
    "single posts": _sending(lambda: json_body(1), JSON),
    "posts of 200 records": _sending(lambda: json_body(200), JSON),
    "posts of 20,000 records": _sending(lambda: json_body(20_000), JSON),
    "posts of 100,000 rows": _sending(lambda: arrow_body(100_000), ARROW),
    "damaged posts of 30 MB": _sending(lambda: b"[" + b"[1]," * 7_500_000, JSON),
    "posts of new models": _sending(_new_models, JSON),
    "slow uploads": _uploads,
    "half-open connections": _half_open,
    "posts with a stale key": _stale_key,
    "pages": _pages,
}
EVERYTHING = "everything at once"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", help="; ".join(ATTACKS))
    parser.add_argument("--worst", type=int, default=0, help="minutes of everything at once instead")
    options = parser.parse_args()
    worst(options.worst) if options.worst else lines(options.attacks)
