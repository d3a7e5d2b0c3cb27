"""Requests as nobody should send them: made of a seed, sent over raw sockets, and what came back.

`python -m tests.support.http_fuzz --count 1000000` (`make fuzz`) sends many to a daemon of its own.
"""

import argparse
import asyncio
import random
import re
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.support import http
from tests.support.daemon import Daemon

CONFIG = """
web: {listen: "LISTEN", requests_per_minute: 1000000000, head_within: 3s, body_within: 5s}
"""
METHODS = (
    *("GET", "HEAD", "POST", "POST", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT"),
    *("PRI", "M-SEARCH", "get", "", "G\x00T", "\xff", "POST POST", "A" * 300),
)
TARGETS = (
    *("/v1/predictions", "/v1/predictions", "/v1/outcomes", "/v1/predictions/", "/v1/pagerduty", "/"),
    *("/v1/traces", "/v1/traces/", "/v1/logs", "/v1/metrics"),
    *(
        "/v1/flagger/rollout",
        "/v1/rollouts/a/b/verdict",
        "/v1/rollouts/a/b/step?environment=%00",
        "/v1/rollouts/%00/b/verdict?canary=%00",
    ),
    *("/c/acme/", "/c/a%00b/", "/c/%ff%fe/", "/c/../staff/", "/c/acme/m/fraud/", "/c/acme/events", "/staff/"),
    *(
        "/staff/streams",
        "/api/v1/clients",
        "/api/v1/clients/acme/models/fraud/measurements?window=x",
        "/enter",
    ),
    *(
        "/api/v1/clients/acme/models/fraud/measurements/psi?from=%00&to=1e999",
        "/leave",
        "/metrics",
        "/healthz",
    ),
    *("/enter/link?key=%00&next=%0d%0a", "/staff/sign-in?next=//evil", "/staff/callback?state=x&code=%00"),
    *(
        "*",
        "example.com:443",
        "http://x/v1/predictions",
        "http://x",
        "//",
        "/%",
        "/%zz",
        "/%2e%2e/%2f",
        "?",
        "",
    ),
    *(
        "/" + "a" * 5000,
        "/\xe4",
        "/c/%E2%80%AE/",
        "/static/../../etc/passwd",
        "/unsubscribe?token=%00",
        "/\\",
    ),
)
VERSIONS = ("HTTP/1.1",) * 8 + ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "http/1.1", "", "XYZ/1.1")
HEADERS = (
    *(
        "Connection: close",
        "Connection: keep-alive",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Upgrade: h2c",
    ),
    *("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__", "Sec-WebSocket-Key: x"),
    *("Sec-WebSocket-Version: 13", "Expect: 100-continue", "Expect: x", "Transfer-Encoding: chunked"),
    *("Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Content-Length: 0", "TE: trailers"),
    *(
        "Content-Length: 5",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Length: 0x5",
    ),
    *("Content-Type: application/x-protobuf", "Content-Type: application/json"),
    *("Content-Length: 33000000", "Content-Length : 5", "Content-Type: application/x-ndjson", "Host: a, b"),
    *("Content-Type: application/vnd.apache.arrow.stream", "Content-Type: multipart/form-data; boundary=x"),
    *("Content-Type: application/x-www-form-urlencoded", "Content-Type: \xff/;;=", "Content-Encoding: gzip"),
    *(
        "Authorization: Bearer x",
        "Authorization: \xff\xfe",
        "Authorization: Basic Og==",
        "Cookie: a=b; c",
        "Range: x",
    ),
    *("Cookie: watchkeeper_session=\xff", "Accept: text/html", "Accept: ;;;q=x", "Idempotency-Key: k\xff"),
    *(
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=x",
        "Origin: null",
        "If-None-Match: *",
        "Trailer: x",
        ": x",
    ),
    *(
        "no colon",
        " folded",
        "\tfolded",
        "X: " + "y" * 9000,
        "X\x00: y",
        "X: \x00",
        "Sec-Fetch-Site: cross-site",
    ),
    *(
        "Accept-Language: " + "de," * 500,
        "Accept-Encoding: br;q=x",
        "Last-Event-ID: x",
        "If-Modified-Since: x",
    ),
)
BODIES = (
    *(b"", b"{}", b"[]", b"[", b"null", b"\xff\xfe", b"\x00" * 50, b"a=b&c=%00", b"{" * 2000, b"[" * 5000),
    *(
        b'{"client":"acme","model":"fuzz","prediction":1}',
        b'[{"client":"acme","model":"fuzz","prediction":1}]',
    ),
    *(b'{"id":"x","client":"acme","model":"fuzz","truth":1}', b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\nhello\r\n"),
    *(
        b"ffffffffffffffff\r\nx",
        b"-1\r\nx\r\n",
        b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
        b"0\r\n",
        b"ARROW1\x00\x00",
    ),
    *(
        b"5\nhello\n0\n\n",
        b"\xff\xff\xff\xff\x10\x00\x00\x00" + bytes(40),
        b"--x\r\n\r\n--x--",
        b"x" * 70_000,
    ),
)
LEGAL_METHODS = METHODS[:10]
LEGAL_TARGETS = tuple(one for one in TARGETS if re.fullmatch(r"/[!-~]*", one))
LEGAL_HEADERS = tuple(
    one
    for one in HEADERS
    if re.fullmatch(r"[A-Z][A-Za-z-]*: [ -~]*", one) and not one.startswith(("Content-Length", "Transfer"))
)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def request(chance: random.Random) -> bytes:
    """One request: more than half of them are what a parser takes, so that the application has to answer."""
    if chance.random() < 0.005:
        return accepted()
    if chance.random() < 0.6:
        return legal(chance)
    body = chance.choice(BODIES)
    lines = [f"{chance.choice(METHODS)} {chance.choice(TARGETS)} {chance.choice(VERSIONS)}"]
    if chance.random() < 0.9:
        lines.append("Host: 127.0.0.1")
    lines += [chance.choice(HEADERS) for _ in range(chance.choice((0, 0, 1, 1, 2, 3, 5)))]
    if chance.random() < 0.6:
        lines.append(f"Content-Length: {len(body)}")
    if chance.random() < 0.02:
        lines += ["X: y"] * chance.choice((300, 3000))
    end = "\r\n" if chance.random() < 0.95 else chance.choice(("\n", "\r", "\r\r\n"))
    return spoiled(end.join([*lines, "", ""]).encode("latin-1") + body, chance)


def accepted() -> bytes:
    """A prediction as it should be sent, among all the others of its connection."""
    body = b'{"client":"acme","model":"fuzz","prediction":1}'
    lines = ["POST /v1/predictions HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def legal(chance: random.Random) -> bytes:
    """A request that is HTTP, whatever it asks for and says."""
    body = chance.choice(BODIES)
    lines = [f"{chance.choice(LEGAL_METHODS)} {chance.choice(LEGAL_TARGETS)} HTTP/1.1", "Host: 127.0.0.1"]
    lines += chance.sample(LEGAL_HEADERS, chance.choice((0, 0, 1, 1, 2, 5)))
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


def spoiled(data: bytes, chance: random.Random) -> bytes:
    """The same with some bytes changed, taken out, doubled, or cut off."""
    found = bytearray(data)
    for _ in range(chance.choice((0, 0, 0, 1, 2, 8))):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del found[at : at + chance.choice((1, 5))]
            case 2:
                found[at:at] = found[at : at + chance.choice((1, 20))]
            case _:
                found[at:at] = chance.choice((b"\r\n", b"\x00", b"%", b"\r\n\r\n", b" "))
    return bytes(found[: chance.randrange(len(found) + 1)] if chance.random() < 0.1 else found)


def pieces(seed: int) -> list[bytes]:
    """What is sent on one connection: up to five requests, cut anywhere."""
    chance = random.Random(seed)
    count = chance.choice((1, 1, 1, 1, 2, 5))
    whole = b"".join(request(chance) for _ in range(count))
    if chance.random() < 0.03:
        whole = chance.randbytes(chance.choice((1, 50, 5000)))
    cuts = sorted(chance.randrange(len(whole) + 1) for _ in range(chance.choice((0, 0, 0, 1, 3))))
    return [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) if a < b]


def patience(sent: bytes) -> float:
    """Seconds to wait for the first answer before hanging up: long for the few requests that should be granted."""
    return 5.0 if accepted() in sent or b" /healthz HTTP/1.1\r\nHost" in sent else 0.02


@dataclass
class Seen:
    """What came of it: how many answers of each status, and the seeds of what must not be."""

    statuses: Counter[int] = field(default_factory=Counter)
    silent: int = 0
    failed: list[tuple[int, str]] = field(default_factory=list)


async def send(port: int, seed: int, seen: Seen) -> None:
    """Send the pieces of a seed, hang up, and take what comes until the other side is gone too."""
    data = b""
    try:
        async with asyncio.timeout(300):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                sent = pieces(seed)
                for piece in sent:
                    writer.write(piece)
                    await asyncio.sleep(0)
                try:
                    async with asyncio.timeout(patience(b"".join(sent))):
                        data = await reader.read(65_536)
                except TimeoutError:
                    pass
                if writer.can_write_eof():
                    writer.write_eof()
                while more := await reader.read(65_536):
                    data += more
            finally:
                writer.transport.abort()
    except TimeoutError:
        seen.failed.append((seed, "it hangs"))
    except OSError:
        pass  # it was closed, which is one of the two that may be
    found = [int(status) for status in _STATUS.findall(data)]
    seen.statuses.update(found)
    seen.silent += not found
    seen.failed += [(seed, f"{status}: {data[:300]!r}") for status in found if status >= 500]


async def send_all(port: int, seeds: range, at_once: int = 48) -> Seen:
    """All of them, so many at a time."""
    seen, left = Seen(), iter(seeds)

    async def work() -> None:
        for seed in left:
            await send(port, seed, seen)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return seen


class Neighbour(threading.Thread):
    """Posts all the time, as one should; remembers what was acknowledged and what was not."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.taken, self.lost, self.slowest = url, 0, list[str](), 0.0
        self._is_over = threading.Event()

    def run(self) -> None:
        """Post until it is over."""
        with http.client(timeout=300) as client:
            while not self._is_over.wait(0.01):
                record = {"id": f"n{self.taken}", "client": "acme", "model": "neighbour", "prediction": "ok"}
                began = time.monotonic()
                try:
                    answer = client.post(f"{self.url}/v1/predictions", json=record)
                except httpx2.RemoteProtocolError:
                    continue  # the connection was idle and closed as this was sent: the same again
                except httpx2.TransportError as error:
                    self.lost.append(repr(error))
                    continue
                self.slowest = max(self.slowest, time.monotonic() - began)
                if answer.status_code == 202:
                    self.taken += 1
                else:
                    self.lost.append(answer.text)

    def stop(self) -> None:
        """Enough."""
        self._is_over.set()
        self.join(300)


def main() -> None:
    """Send many to a daemon, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder, Daemon(Path(folder), CONFIG) as daemon:
        neighbour = Neighbour(daemon.url)
        neighbour.start()
        for first in range(options.first, options.first + options.count, 20_000):
            last = min(first + 20_000, options.first + options.count)
            seen = asyncio.run(send_all(daemon.port, range(first, last)))
            failed = failed or bool(seen.failed)
            print(f"{last:>12,} {dict(sorted(seen.statuses.items()))} {seen.failed[:5]}", flush=True)
        neighbour.stop()
        print(f"neighbour: {neighbour.taken:,} taken, {len(neighbour.lost)} lost {neighbour.lost[:3]}")
        failed = failed or bool(neighbour.lost)
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
