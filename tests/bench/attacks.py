"""What a client may do to others, each kind as a function that makes what one sender repeats."""

import gzip
import http.client
import json
import socket
import time
from collections.abc import Callable, Mapping

from tests.bench import otlp
from tests.bench.ingest import ARROW, JSON, arrow_body, json_body

SENDERS = 8
_WIDE = {f"f{number}": number / 7 for number in range(12)}


def calls(name: str, count: int, size: int) -> bytes:
    """Records with texts of so many bytes, or wide ones without."""
    words = "The invoice of Erika Mustermann, erika@example.org, was paid on 3 March by card. " * (
        size // 80 + 1
    )
    own = {"texts": {"input": words[:500], "output": words[:size]}} if size else {"features": _WIDE}
    records = [{"id": f"{name} {n}", "model": "bot", "prediction": "stop", **own} for n in range(count)]
    return json.dumps(records).encode()


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
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(SENDERS)]

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
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(SENDERS)]
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
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(SENDERS)]

    def once(number: int) -> None:
        time.sleep(SENDERS / 50)
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
    "posts of 10,000 rows": _sending(lambda: arrow_body(10_000), ARROW),
    "posts of 100,000 rows": _sending(lambda: arrow_body(100_000), ARROW),
    "posts of 100 kB of texts": _sending(lambda: calls("t", 50, 2000), JSON),
    "posts of 1.5 MB of texts": _sending(lambda: calls("t", 70, 20_000), JSON),
    "posts of 20 MB of texts": _sending(lambda: calls("t", 1000, 20_000), JSON),
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
