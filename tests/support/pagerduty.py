"""A strict stand-in for PagerDuty's Events API v2 and the part of its REST API that we read, over TLS.

It refuses what the real one refuses (sizes, fields, the case of a severity, more than 120 events a minute),
opens incidents by key, keeps a second trigger of an open key as a log entry, opens a new incident for a
trigger after a resolve, and drops an acknowledgement or resolve that finds nothing open, with a 202 like the
real one. Faults can be scripted for the next requests.
"""

import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

LARGEST = 512_000
PER_MINUTE = 120
SEVERITIES = ("critical", "error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do with a request instead of taking it: answer a status, hang, or cut the line.

    With `after` the event is taken first, so that only the answer is lost.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: str = "scripted"
    hang: bool = False
    cut: bool = False
    after: bool = False


@dataclass(slots=True)
class Opened:
    """One incident."""

    key: str
    events: list[dict[str, Any]] = field(default_factory=list)
    status: str = "triggered"

    @property
    def summary(self) -> str:
        """What the first event said."""
        return str(self.events[0]["payload"]["summary"])


class PagerDutyStandIn:
    """Listens on a free port of this host; `url` and `ca_file` are what a client needs."""

    routing_key = "R" * 32
    api_token = "y_NbAkKc66ryYTWUXYEu"

    def __init__(self, folder: Path, now: Callable[[], float], expires: datetime | None = None) -> None:
        self.now = now
        self.incidents: list[Opened] = []
        self.refused: list[str] = []
        self.requests = 0
        self.faults: deque[Fault] = deque()
        self.standing: Fault | None = None
        self.opens_nothing = False
        self.swallows_resolves = False
        self.changes: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._times: deque[float] = deque()
        self._release = threading.Event()
        authority = trustme.CA()
        self.ca_file = folder / "pagerduty-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", not_after=expires).configure_cert(context)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "PagerDutyStandIn":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()

    def script(self, faults: Iterable[Fault]) -> None:
        """What happens to the next requests, one fault each."""
        self.faults.extend(faults)

    def open(self) -> list[Opened]:
        """Incidents that nobody and nothing has resolved."""
        return [incident for incident in self.incidents if incident.status != "resolved"]

    def of(self, key: str) -> list[Opened]:
        """Every incident of one key."""
        return [incident for incident in self.incidents if incident.key == key]

    def next_fault(self) -> Fault | None:
        """The fault that the next request meets."""
        with self._lock:
            self.requests += 1
            return self.faults.popleft() if self.faults else self.standing

    def hang(self) -> None:
        """Keep a request waiting until the stand-in is closed."""
        self._release.wait(300)

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer one POST as the real one does."""
        with self._lock:
            status, answer = self._take(path, body)
        if status >= 300:
            self.refused.append(f"{status} {answer}")
        return status, answer

    def listing(self, query: str) -> dict[str, Any]:
        """Answer GET /incidents."""
        wanted = parse_qs(query)
        keys, statuses = wanted.get("incident_key", []), wanted.get("statuses[]", [])
        found = [
            {"incident_key": incident.key, "status": incident.status, "id": f"Q{number}"}
            for number, incident in enumerate(self.incidents)
            if (not keys or incident.key in keys) and (not statuses or incident.status in statuses)
        ]
        start, limit = int(wanted.get("offset", ["0"])[0]), int(wanted.get("limit", ["25"])[0])
        more = len(found) > start + limit
        return {"incidents": found[start : start + limit], "more": more, "offset": start, "limit": limit}

    def _take(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if len(body) > LARGEST:
            return 413, {"status": "payload too large"}
        try:
            event = json.loads(body)
        except ValueError:
            return 400, _invalid("body is not JSON")
        if problem := _problem(event, path):
            return 400, _invalid(problem)
        if event["routing_key"] != self.routing_key:
            return 400, _invalid("Invalid routing key")
        moment = self.now()
        while self._times and self._times[0] <= moment - 60:
            self._times.popleft()
        if len(self._times) >= PER_MINUTE:
            return 429, {"status": "throttle exceeded"}
        self._times.append(moment)
        if path == "/v2/change/enqueue":
            self.changes.append(event)
            return 202, {"status": "success", "message": "Change event processed"}
        return 202, self._accept(event)

    def _accept(self, event: dict[str, Any]) -> dict[str, Any]:
        key = event.get("dedup_key") or f"random-{len(self.incidents)}"
        current = next((i for i in self.incidents if i.key == key and i.status != "resolved"), None)
        if event["event_action"] == "trigger":
            if current is None and not self.opens_nothing:
                current = Opened(key)
                self.incidents.append(current)
            if current is not None:
                current.events.append(event)
        elif current is not None and not (self.swallows_resolves and event["event_action"] == "resolve"):
            current.events.append(event)
            current.status = "resolved" if event["event_action"] == "resolve" else "acknowledged"
        return {"status": "success", "message": "Event processed", "dedup_key": key}


def _invalid(problem: str) -> dict[str, Any]:
    return {"status": "invalid event", "message": "Event object is invalid", "errors": [problem]}


def _problem(event: Any, path: str) -> str:
    """The first thing that the real API would refuse, or nothing."""
    if not isinstance(event, dict):
        return "event is not an object"
    key = event.get("routing_key")
    if not isinstance(key, str) or len(key) != 32:
        return "'routing_key' must have length 32"
    if path == "/v2/change/enqueue":
        return _payload_problem(event.get("payload"), is_change=True)
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        return "'event_action' is missing or not one of trigger, acknowledge, resolve"
    dedup = event.get("dedup_key")
    if dedup is not None and (not isinstance(dedup, str) or len(dedup) > 255):
        return "'dedup_key' exceeds 255 characters"
    if event["event_action"] != "trigger":
        return "" if dedup else "'dedup_key' is required"
    for name in ("links", "images"):
        entries = event.get(name, [])
        wanted = "href" if name == "links" else "src"
        if not isinstance(entries, list) or not all(isinstance(e, dict) and e.get(wanted) for e in entries):
            return f"'{name}' is not a list of objects with '{wanted}'"
    return _payload_problem(event.get("payload"), is_change=False)


def _payload_problem(payload: Any, *, is_change: bool) -> str:
    if not isinstance(payload, dict):
        return "'payload' is missing"
    summary = payload.get("summary")
    if not isinstance(summary, str) or not 1 <= len(summary) <= 1024:
        return "'payload.summary' is missing or exceeds 1024 characters"
    if "timestamp" in payload:
        try:
            datetime.fromisoformat(payload["timestamp"].replace("Z", "+00:00"))
        except (ValueError, AttributeError):
            return "'payload.timestamp' is not ISO 8601"
    if is_change:
        return ""
    if not isinstance(payload.get("source"), str) or not payload["source"]:
        return "'payload.source' is missing"
    if payload.get("severity") not in SEVERITIES:
        return f"'payload.severity' is not one of {', '.join(SEVERITIES)}"
    return ""


class _Handler(BaseHTTPRequestHandler):
    stand_in: PagerDutyStandIn
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        fault = self.stand_in.next_fault()
        if fault is None or fault.after:
            answer = self.stand_in.take(self.path, body)
        if fault is None:
            self.reply(*answer)
        else:
            self.fail(fault)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if self.headers.get("Authorization") != f"Token token={self.stand_in.api_token}":
            self.reply(401, {"error": {"message": "Unauthorized"}})
        elif parts.path != "/incidents":
            self.reply(404, {})
        else:
            self.reply(200, self.stand_in.listing(parts.query))

    def fail(self, fault: Fault) -> None:
        if fault.hang:
            self.stand_in.hang()
        if fault.hang or fault.cut:
            self.close_connection = True
            self.connection.close()
            return
        self.reply(fault.status, {"status": fault.body}, fault.headers)

    def reply(self, status: int, answer: dict[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""
