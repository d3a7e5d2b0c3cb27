"""A broker that hangs, drips or never stops: every call ends at its deadline and takes no more memory than it may."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from monitor.runtime import call_timeout
from monitor.sources.brokers import redis
from monitor.sources.brokers.kafka import KafkaSettings
from monitor.sources.brokers.nats import NatsSettings
from monitor.sources.brokers.pubsub import PubSubSettings
from monitor.sources.brokers.rabbitmq import RabbitSettings
from monitor.sources.brokers.redis import RedisSettings
from monitor.sources.brokers.sqs import SqsSettings
from monitor.sources.settings import SourceSettings
from monitor.sources.source import SourceError

DEADLINE = 45.0
"""Far above each client's own deadline (5 to 15 s), for a slow machine; far below forever."""
SECTIONS: dict[str, Callable[[int], SourceSettings]] = {
    "kafka": lambda port: KafkaSettings(brokers=(f"127.0.0.1:{port}",), topic="t"),
    "nats": lambda port: NatsSettings(servers=(f"127.0.0.1:{port}",), stream="t"),
    "rabbitmq": lambda port: RabbitSettings(servers=(f"127.0.0.1:{port}",), queue="t"),
    "redis": lambda port: RedisSettings(url=f"127.0.0.1:{port}", stream="t"),
    "sqs": lambda port: SqsSettings(queue=f"http://127.0.0.1:{port}/1/t"),
    "pubsub": lambda port: PubSubSettings(
        address=f"http://127.0.0.1:{port}", subscription="projects/p/subscriptions/t"
    ),
}
BEGINNINGS = {
    "kafka": b"",  # its length names the request: see `_begin`
    "nats": b"INFO {",
    "rabbitmq": b"\x01\x00\x00" + struct.pack(">I", 1_000_000_000),
    "redis": b"$1000000000\r\n",
    "sqs": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
    "pubsub": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
}


@contextmanager
def server(kind: str, part: bytes, pause: float) -> Iterator[int]:
    """A server that begins a huge answer in the broker's own protocol, and goes on with a part at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stopping = threading.Event()
        listening.settimeout(0.1)

        def answer(line: socket.socket) -> None:
            try:
                with line:
                    line.settimeout(2.0)
                    _begin(kind, line)
                    while not stopping.wait(pause):
                        line.sendall(part)
            except OSError:
                return

        def serve() -> None:
            while not stopping.is_set():
                try:
                    line, _ = listening.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=answer, args=(line,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stopping.set()
            thread.join()


def _begin(kind: str, line: socket.socket) -> None:
    if kind == "kafka":
        line.sendall(struct.pack(">I", 90_000_000) + line.recv(65_536)[8:12])
    elif kind == "redis":
        line.recv(1)
    line.sendall(BEGINNINGS[kind])


def give_up(kind: str, manner: str) -> None:
    before = call_timeout.resident()
    part, pause = (b"x", 0.05) if manner == "drips" else (b"x" * 65_536, 0.0)
    with server(kind, part, pause) as port:
        source = SECTIONS[kind](port).make_source("orders")
        began = time.monotonic()
        with pytest.raises(SourceError):
            source.open(dict)
        grown = call_timeout.resident() - before
        source.close()
        assert time.monotonic() - began < DEADLINE
    assert grown < 300 << 20


def test_law_a_broker_that_drips_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, because each waits for seconds."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    with ThreadPoolExecutor(len(SECTIONS)) as pool:
        waiting = {kind: pool.submit(give_up, kind, "drips") for kind in SECTIONS}
    assert {kind: one.exception() for kind, one in waiting.items()} == dict.fromkeys(SECTIONS)


@pytest.mark.parametrize("kind", SECTIONS)
def test_law_a_broker_that_floods_is_given_up_in_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    give_up(kind, "floods")


def test_an_answer_of_redis_that_is_too_large_is_refused_before_it_is_read() -> None:
    with server("redis", b"x" * 65_536, 0.0) as port:
        source = SECTIONS["redis"](port).make_source("orders")
        with pytest.raises(SourceError, match=f"larger than {redis.MOST_ANSWER:,} bytes"):
            source.open(dict)
        source.close()


AFTER_THE_HANDSHAKE = {
    "a line without an end": (b"INFO {" + b"x" * 65_536, "a line has more than 65,536 bytes"),
    "a huge message": (b"MSG _INBOX.a 1 900000000\r\n" + b"x" * 65_536, "more than 256,000,000 bytes"),
    "no protocol": (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "more than 65,536 bytes|unknown protocol|protocol error",
    ),
    "an address": (b'INFO {"connect_urls": 5}\r\nINFO [\r\n', "Expecting value"),
    "a message after the other": (
        b"MSG _INBOX.a 9 65000\r\n" + b"x" * 65_000 + b"\r\n",
        "256,000,000 bytes|no answer",
    ),
}


@pytest.mark.parametrize("manner", AFTER_THE_HANDSHAKE)
def test_a_server_of_nats_that_floods_after_the_handshake_is_given_up(
    manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, reason = AFTER_THE_HANDSHAKE[manner]

    def shake_hands(_kind: str, line: socket.socket) -> None:
        line.sendall(b'INFO {"max_payload": 1048576, "headers": true}\r\n')
        while b"PING" not in line.recv(65_536):
            pass
        line.sendall(b"PONG\r\n")

    monkeypatch.setattr(sys.modules[__name__], "_begin", shake_hands)
    before = call_timeout.resident()
    with server("nats", part, 0.0) as port:
        source = SECTIONS["nats"](port).make_source("orders")
        began = time.monotonic()
        with pytest.raises(SourceError, match=reason):
            source.open(dict)
        grown = call_timeout.resident() - before
        source.close()
        assert time.monotonic() - began < DEADLINE
    assert grown < 100 << 20


CLUSTER = """
import sys
from tests.support.kafka import MockCluster
cluster = MockCluster()
cluster.send("t", [{"n": number} for number in range(200)])
print(",".join(cluster.brokers), flush=True)
sys.stdin.read()
"""


@contextmanager
def cluster() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A Kafka cluster in a process of its own, which can be stopped as a machine that hangs."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", CLUSTER], text=True, **pipes)  # type: ignore[call-overload]
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


AFTER_A_HANG = """
import sys, time
from monitor.runtime.call_timeout import leave
from monitor.sources.brokers.kafka import KafkaSettings
from monitor.sources.source import SourceError
source = KafkaSettings(brokers=(sys.argv[1],), topic="t", group="g", session=6.0).make_source("orders")
source.open(dict)
fetched = None
while not (fetched and fetched.payloads):
    fetched = source.fetch(50, 1.0)
print("fetched", flush=True)
sys.stdin.readline()
for call in {calls}:
    began = time.monotonic()
    try:
        call()
    except SourceError as error:
        assert "Kafka at" in str(error)
    assert time.monotonic() - began < {deadline}
print("ended", flush=True)
leave(0)
"""


CALLS = {
    "acknowledge": "(lambda: source.acknowledge(fetched), source.close)",
    "lag": "(source.lag, source.close)",
    "fetch": "(lambda: source.fetch(500, 1.0), source.close)",
}


def hang(calls: str) -> tuple[str, str, int]:
    """What a process writes whose Kafka hangs during these calls, its errors, and its exit code."""
    program = AFTER_A_HANG.format(calls=calls, deadline=DEADLINE)
    with cluster() as (brokers, process):
        consumer = subprocess.Popen(
            [sys.executable, "-c", program, brokers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == "fetched\n"
        os.kill(process.pid, signal.SIGSTOP)
        try:
            said, errors = consumer.communicate("\n", timeout=100)
        finally:
            consumer.kill()
            os.kill(process.pid, signal.SIGCONT)
    return said, errors, consumer.returncode


def test_kafka_that_hangs_holds_neither_a_call_nor_the_end_of_the_process() -> None:
    """The three calls at once, because each waits for seconds."""
    with ThreadPoolExecutor(len(CALLS)) as pool:
        ended = dict(zip(CALLS, pool.map(hang, CALLS.values()), strict=True))
    assert ended == dict.fromkeys(CALLS, ("ended\n", "", 0))
