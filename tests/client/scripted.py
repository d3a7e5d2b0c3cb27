"""An HTTP server that answers as it is told, and keeps what it was sent."""

import json
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Script:
    """`answers` are the next ones: status, headers, body; after them, everything is taken."""

    port: int = 0
    answers: deque[tuple[int, dict[str, str], bytes]] = field(default_factory=deque)
    requests: list[tuple[dict[str, str], list[dict[str, Any]]]] = field(default_factory=list)
    most: int = 10**9
    """Records that a request may have; more are answered by 413."""
    poison: str = ""
    """An id that makes a request fail with 500, as a proxy's filter may."""

    def answer(self, status: int, body: object = None, **headers: str) -> None:
        """Have that be the next answer."""
        content = json.dumps(body if body is not None else {"error": "no", "hint": "later"}).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, named, content))

    @property
    def keys(self) -> list[str]:
        return [headers["Idempotency-Key"] for headers, _ in self.requests]

    def judged(self, records: list[dict[str, Any]]) -> tuple[int, dict[str, str], bytes]:
        if self.answers:
            return self.answers.popleft()
        if len(records) > self.most:
            return 413, {}, b'{"error": "too many"}'
        if self.poison and any(record["id"] == self.poison for record in records):
            return 500, {}, b"<html>blocked</html>"
        return 202, {}, json.dumps({"accepted": len(records), "rejected": []}).encode()


@contextmanager
def scripted(tls: ssl.SSLContext | None = None) -> Iterator[Script]:
    """Such a server on a free port, until the block ends."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            records = [json.loads(line) for line in body.splitlines()]
            script.requests.append((dict(self.headers.items()), records))
            status, headers, content = script.judged(records)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    script.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
