"""An HTTP server that keeps what it is sent, and answers what it is told to."""

import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"


@dataclass(slots=True)
class Receiver:
    """Listens on a free port of this host. `statuses` are the next answers; 200 after them."""

    requests: list[Request] = field(default_factory=list, repr=False)
    statuses: deque[int] = field(default_factory=deque)
    kind: str = ""
    """The content type of the answers."""
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"receiver": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def judge(self, body: bytes) -> int:
        """The status for what came in, where none is scripted."""
        return 200

    def reply(self) -> bytes:
        """The body of an answer."""
        return b"ok"

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.receiver.requests.append(Request(self.path, dict(self.headers.items()), body, self.command))
        status = self.receiver.statuses.popleft() if self.receiver.statuses else self.receiver.judge(body)
        self.send_response(status)
        body = self.receiver.reply()
        self.send_header("Content-Length", str(len(body)))
        if self.receiver.kind:
            self.send_header("Content-Type", self.receiver.kind)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.do_POST()

    def do_PATCH(self) -> None:
        self.do_POST()

    def log_message(self, *args: object) -> None:
        """Say nothing."""
