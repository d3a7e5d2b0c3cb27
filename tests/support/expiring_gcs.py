"""Google Cloud Storage as far as its client reads objects: keys that are expired or have no right are refused.

The answers have the form of the JSON API (https://cloud.google.com/storage/docs/json_api/v1/status-codes).
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_REASONS = {401: ("Invalid Credentials", "authError"), 403: ("Access denied to the bucket.", "forbidden")}


class ExpiringGcs(ThreadingHTTPServer):
    """One bucket. `refused` are statuses by the id of the key that signed a request; `refusals` counts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.refused: dict[str, int] = {}
        self.refusals = 0

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


def write_key(path: Path, key_id: str, address: str) -> None:
    """A key file of a service account, as `GOOGLE_APPLICATION_CREDENTIALS` names one."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    fields = {
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": key_id,
        "private_key": key.decode(),
        "client_email": "watchkeeper@acme.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{address}/token",
    }
    path.write_text(json.dumps(fields))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ExpiringGcs

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        status = self.server.refused.get(self._key())
        if status is not None:
            self.server.refusals += 1
            message, reason = _REASONS[status]
            errors = [{"message": message, "domain": "global", "reason": reason}]
            self._answer(status, {"error": {"code": status, "message": message, "errors": errors}})
            return
        _, _, name = address.path.partition("/b/orders/o/")
        if name:
            self._object(unquote(name), is_content="media" in parse_qs(address.query).get("alt", ()))
        elif address.path.endswith("/b/orders/o"):
            self._answer(
                200, {"kind": "storage#objects", "items": [*map(self._described, self.server.objects)]}
            )
        else:
            self._answer(200, {"kind": "storage#bucket", "id": "orders", "name": "orders"})

    def do_POST(self) -> None:
        """Issue a token: the claim itself, which names the key."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._answer(200, {"access_token": form["assertion"][0], "expires_in": 3600, "token_type": "Bearer"})

    def _key(self) -> str:
        """The id of the key that signed the token."""
        head = self.headers.get("Authorization", "").removeprefix("Bearer ").partition(".")[0]
        return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("kid", ""))

    def _described(self, name: str) -> dict[str, str]:
        return {
            "kind": "storage#object",
            "bucket": "orders",
            "name": name,
            "size": str(len(self.server.objects[name])),
            "updated": "2026-11-30T10:00:00Z",
            "timeCreated": "2026-11-30T10:00:00Z",
            "generation": "1",
        }

    def _object(self, name: str, *, is_content: bool) -> None:
        content = self.server.objects.get(name)
        if content is None:
            self._answer(404, {"error": {"code": 404, "message": "Not Found"}})
        elif not is_content:
            self._answer(200, self._described(name))
        else:
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            part = content[int(first) : int(last) + 1 if last else None]
            span = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
            self._answer(206, part, {"Content-Range": span, "x-goog-generation": "1"})

    def _answer(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def expiring_gcs() -> Iterator[ExpiringGcs]:
    """A server as long as the context lasts."""
    with ExpiringGcs() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
