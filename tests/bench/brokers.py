"""Brokers on this machine: whether 100 kills lose or double any record, and what a daemon with many sources takes.

`python -m tests.bench.brokers kills [--kills 100] [--only redis]` sends records all the time, and kills a real daemon
or its broker at random moments. A message that was not confirmed is sent again with its id. It ends with 1 unless
each record is stored exactly once. One that is not stored and still in the broker is told apart from one that is lost.

`python -m tests.bench.brokers many [--sources 40]` runs one daemon with as many sources, half of them Redis streams and
half folders, and prints its threads, its memory and its CPU at rest, beside those of a daemon without sources.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import broker_counts, lasting_brokers
from tests.bench.broker_counts import Counts, stored
from tests.bench.lasting_brokers import LastingBroker, lasting
from tests.support.broker_servers import NatsServer, RabbitServer, RedisServer
from tests.support.brokers import Broker
from tests.support.daemon import Daemon
from tests.support.waiting import until

EPOCH = int(time.time() * 1000) - 100_000_000
"""Of the ids of Redis' entries: a send that is repeated has the same ids, and Redis refuses them."""
NAMES = ("nats", "redis", "rabbitmq")


def body(number: int) -> bytes:
    """A prediction with eight features, about 300 bytes."""
    features = {f"feature_{n}": round(random.random(), 6) for n in range(8)}
    fields = {"client": "acme", "model": "fraud", "id": f"p-{number}", "timestamp": time.time()}
    return json.dumps(
        {**fields, "prediction": "ok", "confidence": 0.9, "latency_ms": 12.5, "features": features}
    ).encode()


def server_of(name: str, folder: Path) -> Broker:
    """A broker with a stream or queue `orders`."""
    folder.mkdir()
    if name == "nats":
        broker: Any = NatsServer(folder)
        broker.start()
        broker.add("orders")
    elif name == "redis":
        broker = RedisServer(folder)
        broker.start()
    else:
        broker = RabbitServer(folder)
        broker.start()
        broker.declare("orders")
    return broker  # type: ignore[no-any-return]


def send(name: str, broker: Any, bodies: Sequence[bytes], first: int = 0) -> None:
    """Send messages, numbered from `first` on, so that one that is sent again is the same one; raises unless all were
    confirmed.
    """
    if isinstance(broker, LastingBroker):
        broker.send(bodies)
        return
    numbered = enumerate(bodies, first + 1)
    if name == "redis":
        with broker.client as client:
            line = client.pipeline(transaction=False)
            for number, one in numbered:
                line.xadd("orders", {"data": one}, id=f"{EPOCH + number}-0")
            for answer in line.execute(raise_on_error=False):
                if isinstance(answer, Exception) and "equal or smaller" not in str(answer):
                    raise answer
    elif name == "nats":
        broker.with_stream(lambda js: _published(js, list(numbered)))
    else:
        for number, one in numbered:
            broker.send("orders", [one], message_id=str(number))


async def _published(js: Any, numbered: Sequence[tuple[int, bytes]]) -> None:
    headers = [{"Nats-Msg-Id": str(number)} for number, _ in numbered]
    await asyncio.gather(
        *(
            js.publish("orders.new", one, timeout=10, headers=header)
            for (_, one), header in zip(numbered, headers, strict=True)
        )
    )


def section(name: str, port: int) -> dict[str, Any]:
    """The source, as the configuration has it."""
    if name == "nats":
        return {"servers": [f"nats://127.0.0.1:{port}"], "stream": "orders", "redeliver_after": "5s"}
    if name == "redis":
        return {"url": f"redis://127.0.0.1:{port}", "stream": "orders", "claim_after": "5s"}
    return {
        "servers": [f"amqp://127.0.0.1:{port}"],
        "queue": "orders",
        "username": "guest",
        "password": "guest",
    }


def end(broker: Broker) -> None:
    """Stop a broker of `server_of`."""
    broker.end() if isinstance(broker, RabbitServer) else broker.kill()


@dataclass
class Sender:
    """Sends in a thread, a few at a time, until it is stopped; what was not confirmed is sent again."""

    name: str
    broker: Any
    sent: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until it is stopped."""
        bodies: list[bytes] = []
        while bodies or not self.stopping.is_set():
            bodies = bodies or [body(number) for number in range(self.sent, self.sent + 20)]
            try:
                send(self.name, self.broker, bodies, self.sent)
                self.sent += len(bodies)
                bodies = []
            except Exception:  # the broker is down: the same messages again
                time.sleep(0.1)
            time.sleep(0.5 if self.name == "kafka" else 0.02)  # whose cluster forgets what it cannot hold


def kills(name: str, count: int) -> bool:
    """Whether each record is stored once after so many kills."""
    chance = random.Random(1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker: Any
        if name in lasting_brokers.NAMES:
            broker = stack.enter_context(lasting(name, folder / "broker"))
            source = {"kind": name, **broker.section}
        else:
            broker = server_of(name, folder / "broker")
            stack.callback(end, broker)
            source = {"kind": name, **section(name, broker.port)}
        daemon = Daemon(folder, f"notify: {{console: false}}\nsources: {json.dumps({'orders': source})}\n")
        sender = Sender(name, broker)
        thread = threading.Thread(target=sender.run)
        thread.start()
        killed: Counter[str] = Counter()
        try:
            daemon.start()
            for _ in range(count):
                joining = (
                    6.0 if name == "kafka" else 0.0
                )  # until the group does without the one that was killed
                time.sleep(joining + chance.uniform(0.3, 2.0))
                is_lasting = isinstance(broker, LastingBroker)
                victim: Any = daemon if is_lasting or chance.random() < 0.6 else broker
                victim.kill()
                time.sleep(chance.uniform(0, 0.5))
                victim.start()
                killed["daemon" if victim is daemon else "broker"] += 1
            sender.stopping.set()
            thread.join()
            counts = Counts(sender.sent, broker_counts.settled(folder, sender.sent))
            why = broker_counts.error_of(folder)
        finally:
            sender.stopping.set()
            thread.join()
            daemon.kill()
        if counts.missing:
            counts = broker_counts.with_waiting(counts, folder, source)
    print(
        f"{name}: {killed['daemon']} kills of the daemon, {killed['broker']} of the broker; {counts}"
        f"{f' (the daemon says: {why})' if why else ''}",
        flush=True,
    )
    return counts.is_right


def many(count: int) -> None:
    """What a daemon with many sources takes once all is read."""
    for sources in (0, count):
        with tempfile.TemporaryDirectory() as found:
            folder = Path(found)
            broker: Any = server_of("redis", folder / "broker")
            sections: dict[str, Any] = {}
            for number in range(sources):
                if number % 2:
                    written = folder / f"captures{number}"
                    written.mkdir()
                    bodies = [body(number * 1000 + n) for n in range(100)]
                    (written / "a.jsonl").write_bytes(b"\n".join(bodies) + b"\n")
                    sections[f"s{number}"] = {"kind": "objects", "url": str(written)}
                else:
                    stream = f"orders{number}"
                    broker.send(stream, [body(number * 1000 + n) for n in range(100)])
                    section_of = {**section("redis", broker.port), "stream": stream}
                    sections[f"s{number}"] = {"kind": "redis", **section_of}
            text = f"notify: {{console: false}}\nsources: {json.dumps(sections)}\n"
            daemon = Daemon(folder, text, loads_itself=True)
            try:
                began = time.monotonic()
                daemon.start()
                expected = sources * 100
                until(lambda at=folder, most=expected: len(stored(at)) == most, "all is read", 120)  # type: ignore[misc]
                took = time.monotonic() - began
                time.sleep(20)
                before = _cpu(daemon.pid)
                time.sleep(20)
                used = (_cpu(daemon.pid) - before) / 20
                status = Path(f"/proc/{daemon.pid}/status").read_text()
                threads, resident = (
                    int(status.split(f"{name}:")[1].split()[0]) for name in ("Threads", "VmRSS")
                )
                print(
                    f"{sources} sources: all read after {took:.0f} s, {threads} threads, {resident / 1024:.0f} MB, "
                    f"{used:.1%} of a core at rest",
                    flush=True,
                )
            finally:
                daemon.kill()
                end(broker)


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run one of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["kills", "many"])
    parser.add_argument("--only", choices=(*NAMES, *lasting_brokers.NAMES))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--sources", type=int, default=40)
    given = parser.parse_args()
    names = [given.only] if given.only else NAMES
    if given.what == "many":
        many(given.sources)
        return 0
    found = [kills(name, given.kills) for name in names]
    return int(not all(found))


if __name__ == "__main__":
    sys.exit(main())
