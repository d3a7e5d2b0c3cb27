"""A topic that gains partitions: stands between a client and a mock cluster, and leaves partitions out of its answers.

The mock cluster cannot add partitions. All but the answers about brokers and partitions passes unchanged.
"""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_METADATA, _FIND_COORDINATOR, _API_VERSIONS = 3, 10, 18
_NEWEST = {_METADATA: 2, _FIND_COORDINATOR: 0}
"""The versions whose answers are changed here; the client is told that there are no newer ones."""

_UNSUPPORTED = struct.pack(">h", 35)


class GrowingTopic:
    """One broker of which clients see `shown` partitions per topic."""

    def __init__(self, broker: str, shown: int) -> None:
        host, _, port = broker.rpartition(":")
        self._behind = host, int(port)
        self.shown = shown
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = int(self._listener.getsockname()[1])
        self.address = f"127.0.0.1:{self._port}"
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Disconnect all clients."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._behind)
                self._sockets += [client, server]
                asked: dict[bytes, int] = {}

                def note(request: bytes, asked: dict[bytes, int] = asked) -> bytes:
                    asked[request[4:8]] = struct.unpack(">h", request[:2])[0]
                    return request

                def change(answer: bytes, asked: dict[bytes, int] = asked) -> bytes:
                    return self._changed(asked.pop(answer[:4]), answer)

                for source, target, each in ((client, server, note), (server, client, change)):
                    threading.Thread(target=_forward, args=(source, target, each), daemon=True).start()

    def _changed(self, kind: int, answer: bytes) -> bytes:
        if kind == _API_VERSIONS:
            return _without_newer(answer)
        if kind == _FIND_COORDINATOR:
            return answer[:-4] + struct.pack(">i", self._port)
        return self._with_fewer(_Reader(answer)) if kind == _METADATA else answer

    def _with_fewer(self, read: "_Reader") -> bytes:
        """Metadata, version 2: the brokers at this address, and the first partitions of each topic."""
        read.copy(4)  # correlation
        for _ in range(read.array()):
            read.copy(4)
            read.text()
            read.skip(4)
            read.written += struct.pack(">i", self._port)
            read.text()
        read.text()
        read.copy(4)
        for _ in range(read.array()):
            read.copy(2)
            read.text()
            read.copy(1)
            number = read.number(4)
            read.written += struct.pack(">i", min(number, self.shown))
            for place in range(number):
                kept = len(read.written)
                read.copy(10)
                for _replicas in range(2):
                    read.copy(4 * read.array())
                if place >= self.shown:
                    del read.written[kept:]
        assert read.at == len(read.answer), "not an answer of version 2"
        return bytes(read.written)


class _Reader:
    """Copies an answer field by field."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.at, self.written = answer, 0, bytearray()

    def copy(self, size: int) -> None:
        self.written += self.skip(size)

    def skip(self, size: int) -> bytes:
        self.at += size
        return self.answer[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.skip(size), "big", signed=True)

    def array(self) -> int:
        self.copy(4)
        return int.from_bytes(self.written[-4:], "big", signed=True)

    def text(self) -> None:
        self.copy(2)
        self.copy(max(0, int.from_bytes(self.written[-2:], "big", signed=True)))


def _without_newer(answer: bytes) -> bytes:
    """The versions that a broker has: entries of six bytes after the correlation, error and number."""
    changed = bytearray(answer)
    if answer[4:6] == _UNSUPPORTED:  # the client asks again with an older version
        return answer
    (number,) = struct.unpack_from(">i", answer, 6)
    assert len(answer) - (10 + 6 * number) in (0, 4), "not an answer of version 0 to 2"
    for at in range(10, 10 + number * 6, 6):
        kind, _, newest = struct.unpack_from(">hhh", answer, at)
        struct.pack_into(">h", changed, at + 4, min(newest, _NEWEST.get(kind, newest)))
    return bytes(changed)


def _forward(source: socket.socket, target: socket.socket, each: Callable[[bytes], bytes]) -> None:
    """Frame by frame, until one side closes."""
    with suppress(OSError), source.makefile("rb") as frames:
        while len(size := frames.read(4)) == 4:
            frame = each(frames.read(int.from_bytes(size, "big")))
            target.sendall(struct.pack(">i", len(frame)) + frame)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
