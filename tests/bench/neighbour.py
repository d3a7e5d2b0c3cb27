"""What a well-behaved sender notices while another does its worst within its rights: `python -m tests.bench.neighbour
[ATTACK ...]`, and `--worst 10` for ten minutes of all attacks at once, with `--senders` of each.

Two real daemons with SQLite and two keys each, new ones for each kind of attack, of which one is attacked. The
neighbour sends to both at the same time and at a steady rate, each request measured from the moment it should have been
sent, so that a stall counts for all that fell into it: one prediction twenty times a second, or what `--sends` names.
It opens another connection where none is free: with a few of them, answers that take longer than the rate allows make
a queue at the sender, which grows as long as the measurement lasts. It sends from an address of its own, as clients do.
The other sends in a process of its own, as fast as it is answered. The goal is twice what the daemon that is spared
needs in the same moments: that one has the machine's load as well, that of the attacker too. The second line of each
kind is what the daemon computed, in all its threads, from the sending of a request until its answer, which does not
depend on what else the machine does.
"""

import argparse
import gzip
import http.client
import json
import multiprocessing
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from tests.bench.attacks import ATTACKS, SENDERS, calls
from tests.bench.ingest import JSON
from tests.bench.line import GOAL, Line, against_goal, show
from tests.support.daemon import Daemon

SECONDS, RATE = 10.0, 20
EVERYTHING = "everything at once"
CONFIG = """\
clients: {acme: {name: Acme}, globex: {name: Globex}}
web: {listen: LISTEN, requests_per_minute: 1000000}
notify: {console: false}
"""
_LOST = (60_000.0, 60_000.0)
"""What counts for a request without an answer."""
_MOST_AT_ONCE = 100
"""Requests of the neighbour that may wait for an answer."""


def lines(
    attacks: Sequence[str] = (), sends: str = "", turns: int = 1, seconds: float = SECONDS
) -> list[Line]:
    """The 99th percentile of the neighbour's request beside each kind of attack, and at the same time of a daemon that
    is not attacked. Each kind has two new daemons, so that it does not meet the models of the kinds before it.
    """
    sent = SENDS[sends or ONE]
    with _two_daemons() as both:
        _of_both(both, 3.0, SENDS[ONE])  # pages and downloads are of a model that has sent something
        found = [_quiet(sent, _of_both(both, seconds, sent)[0])]
    for name in (name for name in attacks or ATTACKS for _ in range(turns)):
        with _two_daemons() as both:
            _of_both(both, 3.0, SENDS[ONE])
            with _attacking(both[0].port, both[0].keys, name):
                found += _compared(f"a neighbour's {sent.name}, p99, beside {name}", both, seconds, sent)
    return found


def worst(minutes: int, senders: int) -> list[Line]:
    """The neighbour's post minute by minute while another client does everything at once."""
    found, sent = [], SENDS[ONE]
    with _two_daemons() as both:
        _of_both(both, 3.0, sent)
        quiet, _ = _of_both(both, 30.0, sent)
        found.append(_quiet(sent, quiet))
        with _attacking(both[0].port, both[0].keys, EVERYTHING, senders):
            for minute in range(1, minutes + 1):
                work = f"a neighbour's post, p99, minute {minute} of everything at once"
                found += _compared(work, both, 60.0, sent)
        after, _ = _of_both(both, 30.0, sent)
        found.append(_quiet(sent, after))
    return found


@dataclass(frozen=True)
class Target:
    """A daemon that the neighbour sends to."""

    port: int
    pid: int
    keys: Mapping[str, str]

    def computed(self) -> float:
        """Seconds of a processor that it has used so far."""
        return time.clock_gettime((~self.pid << 3) | 2)


@dataclass(frozen=True)
class Waited:
    """99th percentiles in milliseconds: of the clock, and of what the daemon computed meanwhile."""

    clock: float
    computed: float


@contextmanager
def _two_daemons() -> Iterator[list[Target]]:
    """One that is attacked, and one that is not."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as other,
        Daemon(Path(folder), CONFIG, loads_itself=True) as daemon,
        Daemon(Path(other), CONFIG, loads_itself=True) as beside,
    ):
        yield [Target(one.port, one.pid, _keys(one)) for one in (daemon, beside)]


def _quiet(sent: "Sent", waited: Waited) -> Line:
    return show(Line(f"a neighbour's {sent.name}, p99, quiet", GOAL, waited.clock, None, "ms", None))


def _compared(work: str, both: Sequence[Target], seconds: float, sent: "Sent") -> list[Line]:
    """What the neighbour waits for at the daemon that is attacked and at the other, by the clock and in computing."""
    attacked, spared = _of_both(both, seconds, sent)
    return [
        show(against_goal(work, attacked.clock, 2 * spared.clock, "ms")),
        show(against_goal(work, attacked.computed, 2 * spared.computed, "ms computed")),
    ]


def _of_both(daemons: Sequence[Target], seconds: float, sent: "Sent") -> list[Waited]:
    """What `_posts` measures of several daemons at the same time."""
    with ThreadPoolExecutor(len(daemons)) as threads:
        return list(threads.map(lambda one: _posts(one, seconds, sent), daemons))


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
def _attacking(port: int, keys: Mapping[str, str], name: str, senders: int = 1) -> Iterator[None]:
    spawned = multiprocessing.get_context("spawn")
    ready, ended = spawned.Event(), spawned.Event()
    attacker = spawned.Process(target=_attack, args=(port, dict(keys), name, senders, ready, ended))
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


def _posts(target: Target, seconds: float, sent: "Sent") -> Waited:
    """The 99th percentiles of requests at a steady rate, from when each should have been sent."""
    free: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()
    headers = {"Authorization": f"Bearer {target.keys[sent.key]}", "Content-Type": JSON, **sent.headers}

    def send(due: float) -> tuple[float, float]:
        before = target.computed()
        try:
            connection = free.get_nowait()
        except queue.Empty:
            own = ("127.0.0.2", 0)
            connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60, source_address=own)
        body = sent.body(f"{target.port}/{due}")
        connection.request("POST" if body else "GET", sent.path, body or None, headers)
        answer = connection.getresponse()
        answer.read()
        free.put(connection)
        if answer.status not in (200, 202):
            return _LOST
        return (time.monotonic() - due) * 1000, (target.computed() - before) * 1000

    began, waits = time.monotonic() + 0.1, []
    with ThreadPoolExecutor(_MOST_AT_ONCE) as threads:
        for number in range(int(seconds * sent.rate)):
            due = began + number / sent.rate
            time.sleep(max(0.0, due - time.monotonic()))
            waits.append(threads.submit(send, due))
    while not free.empty():
        free.get().close()
    both = np.array([_LOST if one.exception() else one.result() for one in waits])
    return Waited(*(float(one) for one in np.percentile(both, 99, axis=0)))


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
        Sent("post of 150 kB of texts", 1.0, lambda name: calls(name, 10, 15_000)),
        Sent("post of 4 MB", 0.5, lambda name: calls(name, 10_000, 0)),
        Sent("page", 4.0, lambda _name: b"", "/c/globex/", "reader"),
        Sent("download", 4.0, lambda _name: b"", "/c/globex/days.csv", "reader"),
    )
}


def _one(name: str) -> bytes:
    return json.dumps([{"id": name, "model": "price", "prediction": 1.5, "latency_ms": 12}]).encode()


def _attack(port: int, keys: dict[str, str], name: str, senders: int, ready: object, ended: object) -> None:
    if name == EVERYTHING:
        prepared = [one(port, keys) for one in ATTACKS.values()]
        works = [(work, number) for work in prepared for number in range(min(senders, SENDERS))]
    else:
        works = [(ATTACKS[name](port, keys), number) for number in range(SENDERS)]
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", help="; ".join(ATTACKS))
    parser.add_argument("--sends", default=ONE, choices=SENDS, help="what the neighbour sends")
    parser.add_argument("--turns", type=int, default=1, help="how often each attack is measured")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument("--worst", type=int, default=0, help="minutes of everything at once instead")
    parser.add_argument("--senders", type=int, default=1, help="of each attack in --worst, at most 8")
    options = parser.parse_args()
    worst(options.worst, options.senders) if options.worst else lines(
        options.attacks, options.sends, options.turns, options.seconds
    )
