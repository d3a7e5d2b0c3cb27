"""A broker that refuses as Apache Kafka does: the login, or the topic. librdkafka's mock cluster allows everything."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

METADATA, HANDSHAKE, VERSIONS, AUTHENTICATE = 3, 17, 18, 36
SUPPORTED = {METADATA: 0, HANDSHAKE: 1, VERSIONS: 0, AUTHENTICATE: 0}
TOPIC = "predictions-" * 8
"""librdkafka cannot read an answer that consists of little but counts: it reserves four times its size."""
UNSUPPORTED_VERSION, TOPIC_REFUSED, LOGIN_REFUSED = 35, 29, 58


@contextmanager
def refusing_kafka() -> Iterator[int]:
    """The port of a broker at which every login fails; without one, every topic is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        threading.Thread(target=_serve, args=(listening, port), daemon=True).start()
        yield port
        listening.shutdown(socket.SHUT_RDWR)


def _serve(listening: socket.socket, port: int) -> None:
    while True:
        try:
            line, _ = listening.accept()
        except OSError:  # closed
            return
        threading.Thread(target=_answer, args=(line, port), daemon=True).start()


def _answer(line: socket.socket, port: int) -> None:
    with line, line.makefile("rb") as requests:
        while len(size := requests.read(4)) == 4:
            request = requests.read(struct.unpack(">i", size)[0])
            kind, version, number = struct.unpack(">hhi", request[:8])
            answer = struct.pack(">i", number) + _body(kind, version, port)
            line.sendall(struct.pack(">i", len(answer)) + answer)


def _body(kind: int, version: int, port: int) -> bytes:
    if kind == VERSIONS:
        error = 0 if version == 0 else UNSUPPORTED_VERSION
        return struct.pack(">hi", error, len(SUPPORTED)) + b"".join(
            struct.pack(">hhh", one, 0, newest) for one, newest in SUPPORTED.items()
        )
    if kind == HANDSHAKE:
        return struct.pack(">hi", 0, 1) + _text("PLAIN")
    if kind == AUTHENTICATE:
        return struct.pack(">h", LOGIN_REFUSED) + _text("Authentication failed") + struct.pack(">i", 0)
    broker = struct.pack(">ii", 1, 1) + _text("127.0.0.1") + struct.pack(">i", port)
    return broker + struct.pack(">ih", 1, TOPIC_REFUSED) + _text(TOPIC) + struct.pack(">i", 0)


def _text(words: str) -> bytes:
    return struct.pack(">h", len(words)) + words.encode()
