"""What a well-behaved sender notices while another does its worst within its rights: `python -m tests.bench.neighbour
[ATTACK ...]`, and `--worst 10` for ten minutes of all attacks at once.

A real daemon with SQLite and two keys. The neighbour sends at a steady rate, each request measured from the moment it
should have been sent, so that a stall counts for all that fell into it: one prediction twenty times a second, or what
`--sends` names. The other sends in a process of its own, as fast as it is answered: the same machine serves both, so
the figure holds what its computing costs as well. On a busy machine, compare the ratios of `--turns 5`: each is of an
attack and the quiet just before it.
"""

import argparse
import gzip
import http.client
import json
import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from tests.bench import otlp
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
_WIDE = {f"f{number}": number / 7 for number in range(12)}


def lines(attacks: Sequence[str] = (), sends: str = "", turns: int = 1) -> list[Line]:
    """The 99th percentile of the neighbour's request beside each kind of attack, and undisturbed just before."""
    found, sent = [], SENDS[sends or ONE]
    with tempfile.TemporaryDirectory() as folder, Daemon(Path(folder), CONFIG, loads_itself=True) as daemon:
        keys = _keys(daemon)
        _posts(daemon.port, keys, 3.0, sent)
        for name in (name for name in attacks or ATTACKS for _ in range(turns)):
            quiet = _posts(daemon.port, keys, SECONDS, sent)
            found.append(show(Line(f"a neighbour's {sent.name}, p99, quiet", GOAL, quiet, None, "ms", None)))
            with _attacking(daemon.port, keys, name):
                beside = _posts(daemon.port, keys, SECONDS, sent)
            work = f"a neighbour's {sent.name}, p99, beside {name}"
            found.append(show(against_goal(work, beside, 2 * quiet, "ms")))
    return found


def worst(minutes: int) -> list[Line]:
    """The neighbour's post minute by minute while another client does everything at once, and undisturbed before."""
    found = []
    with tempfile.TemporaryDirectory() as folder, Daemon(Path(folder), CONFIG, loads_itself=True) as daemon:
        keys = _keys(daemon)
        _posts(daemon.port, keys, 3.0)
        quiet = _posts(daemon.port, keys, 30.0)
        found.append(show(Line("a neighbour's post, p99, quiet", GOAL, quiet, None, "ms", None)))
        with _attacking(daemon.port, keys, EVERYTHING):
            for minute in range(1, minutes + 1):
                beside = _posts(daemon.port, keys, 60.0)
                work = f"a neighbour's post, p99, minute {minute} of everything at once"
                found.append(show(against_goal(work, beside, 2 * quiet, "ms")))
        after = _posts(daemon.port, keys, 30.0)
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
        keys["reader"] = api_keys.create(connection, KeyKind.PAGE, "globex", time.time())[1]
    store.close()
    time.sleep(6)  # until the daemon has read them
    return keys


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


def _posts(port: int, keys: Mapping[str, str], seconds: float, sent: "Sent | None" = None) -> float:
    """The 99th percentile in milliseconds of requests at a steady rate, from when each should have been sent."""
    sent = sent or SENDS[ONE]
    waits, lock, threads = [], threading.Lock(), []
    began = time.monotonic() + 0.1
    headers = {"Authorization": f"Bearer {keys[sent.key]}", "Content-Type": JSON, **sent.headers}

    def send(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for number in range(first, int(seconds * sent.rate), 4):
            due = began + number / sent.rate
            time.sleep(max(0.0, due - time.monotonic()))
            body = sent.body(f"{began}/{number}")
            connection.request("POST" if body else "GET", sent.path, body or None, headers)
            answer = connection.getresponse()
            answer.read()
            with lock:
                waits.append((time.monotonic() - due) * 1000 if answer.status in (200, 202) else 60_000.0)
        connection.close()

    for first in range(4):
        threads.append(threading.Thread(target=send, args=(first,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return float(np.percentile(waits, 99))


@dataclass(frozen=True)
class Sent:
    """What the neighbour sends: so many a second, each with a name of its own."""

    name: str
    rate: float
    body: Callable[[str], bytes]
    path: str = "/v1/predictions"
    key: str = "globex"
    headers: Mapping[str, str] = field(default_factory=dict)


ONE = "post"
SENDS = {
    one.name: one
    for one in (
        Sent(ONE, RATE, lambda name: _one(name)),
        Sent(
            "compressed post",
            RATE,
            lambda name: gzip.compress(_one(name)),
            headers={"Content-Encoding": "gzip"},
        ),
        Sent("post of 150 kB of texts", 1.0, lambda name: _calls(name, 10, 15_000)),
        Sent("post of 4 MB", 0.5, lambda name: _calls(name, 10_000, 0)),
        Sent("page", 4.0, lambda _name: b"", "/c/globex/", "reader"),
    )
}


def _one(name: str) -> bytes:
    return json.dumps([{"id": name, "model": "price", "prediction": 1.5, "latency_ms": 12}]).encode()


def _calls(name: str, count: int, size: int) -> bytes:
    """Records with texts of so many bytes, or wide ones without."""
    words = "The invoice of Erika Mustermann, erika@example.org, was paid on 3 March by card. " * (
        size // 80 + 1
    )
    own = {"texts": {"input": words[:500], "output": words[:size]}} if size else {"features": _WIDE}
    records = [{"id": f"{name} {n}", "model": "bot", "prediction": "stop", **own} for n in range(count)]
    return json.dumps(records).encode()


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


def _sending(
    body: Callable[[], bytes],
    kind: str,
    encoding: str = "identity",
    path: str = "/v1/predictions",
    *,
    is_new: bool = False,
) -> Callable[[int, dict[str, str]], Callable[[int], None]]:
    """An attack that posts bodies, each with a key of its own, so that it is stored again and again.

    `is_new` writes another number for eight `@` in each.
    """

    def prepared(port: int, keys: dict[str, str]) -> Callable[[int], None]:
        content = body()
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(_SENDERS)]

        def once(number: int) -> None:
            headers = {"Authorization": f"Bearer {keys['acme']}", "Content-Type": kind}
            headers["Content-Encoding"] = encoding
            headers["Idempotency-Key"] = f"{number} {time.monotonic_ns()}"
            new = (
                content.replace(b"@@@@@@@@", b"%08d" % (time.monotonic_ns() // 1000 % 10**8))
                if is_new
                else content
            )
            connections[number].request("POST", path, new, headers)
            connections[number].getresponse().read()

        return once

    return prepared


def _new_models() -> bytes:
    stamp = time.time_ns()
    return json.dumps(
        [{"id": str(n), "model": f"{stamp} {n}", "prediction": "ok"} for n in range(1000)]
    ).encode()


def _wide() -> bytes:
    """Records with as many features as a record may have, under other names each time."""
    return json.dumps(
        [
            {
                "id": str(n),
                "model": "wide",
                "prediction": 1.0,
                "features": {f"f{n} {i}": i / 7 for i in range(2000)},
            }
            for n in range(20)
        ]
    ).encode()


def _long_lists() -> bytes:
    lists = [[f"item {n} {place}" for place in range(1000)] for n in range(100)]
    return json.dumps(
        [{"id": str(n), "model": "feed", "ranking": one} for n, one in enumerate(lists)]
    ).encode()


def _choices(port: int, keys: dict[str, str]) -> Callable[[int], None]:
    """All items of long lists chosen, again and again others."""
    predict = _sending(_long_lists, JSON)(port, keys)
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(_SENDERS)]
    predict(0)

    def once(number: int) -> None:
        stamp = time.monotonic_ns()
        chosen = [
            {
                "id": str(n),
                "model": "feed",
                "relevant": [f"item {n} {place} {stamp}" for place in range(1000)],
            }
            for n in range(100)
        ]
        headers = {"Authorization": f"Bearer {keys['acme']}", "Content-Type": JSON}
        connections[number].request("POST", "/v1/outcomes", json.dumps(chosen), headers)
        connections[number].getresponse().read()

    return once


def _exports(port: int, keys: dict[str, str]) -> Callable[[int], None]:
    """Fifty downloads of figures a second."""
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(_SENDERS)]

    def once(number: int) -> None:
        time.sleep(_SENDERS / 50)
        for path in ("/c/acme/m/fraud/figures.csv", "/c/acme/days.csv"):
            connections[number].request("GET", path, headers={"Authorization": f"Bearer {keys['page']}"})
            connections[number].getresponse().read()

    return once


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
    "posts of 100 kB of texts": _sending(lambda: _calls("t", 50, 2000), JSON),
    "posts of 1.5 MB of texts": _sending(lambda: _calls("t", 70, 20_000), JSON),
    "posts of 20 MB of texts": _sending(lambda: _calls("t", 1000, 20_000), JSON),
    "compressed posts of 30 MB": _sending(
        lambda: gzip.compress(b"[" + b" " * 30_000_000 + b"]"), JSON, "gzip"
    ),
    "damaged posts of 30 MB": _sending(lambda: b"[" + b"[1]," * 7_500_000, JSON),
    "posts of new models": _sending(_new_models, JSON),
    "slow uploads": _uploads,
    "half-open connections": _half_open,
    "posts with a stale key": _stale_key,
    "pages": _pages,
    "posts of 2,000 new columns": _sending(_wide, JSON),
    "the same 1,000 spans": _sending(otlp.body, "application/x-protobuf", path="/v1/traces"),
    "posts of 1,000 new spans": _sending(otlp.body, "application/x-protobuf", path="/v1/traces", is_new=True),
    "posts of long lists": _sending(_long_lists, JSON),
    "choices from long lists": _choices,
    "downloads of figures, 50/s": _exports,
}
EVERYTHING = "everything at once"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", help="; ".join(ATTACKS))
    parser.add_argument("--sends", default=ONE, choices=SENDS, help="what the neighbour sends")
    parser.add_argument("--turns", type=int, default=1, help="how often each attack is measured")
    parser.add_argument("--worst", type=int, default=0, help="minutes of everything at once instead")
    options = parser.parse_args()
    worst(options.worst) if options.worst else lines(options.attacks, options.sends, options.turns)
