"""S3 and SQS in front of which session tokens expire, answered as AWS answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support import http

OF_S3 = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
OF_SQS = b'{"__type": "com.amazon.coral.service#ExpiredTokenException", "message": "The security token is expired"}'
_OWN = ("host", "content-length", "connection", "transfer-encoding", "server", "date")


class ExpiringAws(ThreadingHTTPServer):
    """Passes on what has a valid token. `expired` may grow at any time."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.expired: set[str] = set()
        self.refused = 0

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ExpiringAws

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("X-Amz-Security-Token") in self.server.expired:
            self.server.refused += 1
            is_sqs = "X-Amz-Target" in self.headers
            self._answer(403 if is_sqs else 400, {}, OF_SQS if is_sqs else OF_S3)
            return
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
        with http.client() as client:
            address = self.server.behind + self.path
            headers = kept | {"Host": self.headers["Host"]}
            answer = client.request(self.command, address, content=body, headers=headers, timeout=300)
        self._answer(answer.status_code, dict(answer.headers), answer.content)

    do_GET = do_POST = do_PUT = do_HEAD = _pass  # noqa: N815

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        is_head = self.command == "HEAD"
        length = headers.get("content-length", "0") if is_head else str(len(body))
        for name, value in headers.items():
            if name.lower() not in _OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(b"" if is_head else body)


@contextmanager
def expiring_aws(behind: str) -> Iterator[ExpiringAws]:
    """In front of the server at `behind`."""
    with ExpiringAws(behind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
