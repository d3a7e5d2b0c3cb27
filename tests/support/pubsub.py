"""Pub/Sub's REST API: Google's emulator where it is installed, and a strict stand-in of the calls that are used."""

import base64
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from tests.support import http
from tests.support.ports import free_port
from tests.support.waiting import until

JAR = Path("/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar")
SHORTEST_LEASE = 10
"""Seconds, in the real API and the emulator."""
_LEASE = 2.0
"""Seconds, in the stand-in."""
_CALL = re.compile(r"/v1/(projects/[^/]+/(?:topics|subscriptions)/[^/:]+)(?::(\w+))?")


@dataclass
class PubSubServer:
    """A server, spoken to as a publisher does."""

    address: str
    lease: int = SHORTEST_LEASE
    number: int = 0

    def create(self) -> str:
        """A new topic with one subscription; the subscription's name."""
        self.number += 1
        topic, name = f"projects/p/topics/topic{self.number}", f"projects/p/subscriptions/from{self.number}"
        self._put(topic, {})
        self._put(name, {"topic": topic, "ackDeadlineSeconds": self.lease})
        return name

    def send(self, name: str, bodies: Sequence[bytes], **attributes: str) -> None:
        """Publish to the topic of a subscription."""
        messages = [{"data": base64.b64encode(body).decode(), "attributes": attributes} for body in bodies]
        topic = name.replace("/subscriptions/from", "/topics/topic")
        answer = http.post(f"{self.address}/v1/{topic}:publish", json={"messages": messages}, timeout=300)
        assert answer.status_code == 200, answer.text

    def _put(self, name: str, body: dict[str, Any]) -> None:
        with http.client() as client:
            answer = client.put(f"{self.address}/v1/{name}", json=body)
        assert answer.status_code == 200, answer.text


@contextmanager
def emulator(folder: Path) -> Iterator[PubSubServer]:
    """Google's emulator on a free port."""
    port = free_port()
    command = ["java", "-Xmx256m", "-jar", str(JAR), "--host=127.0.0.1", f"--port={port}"]
    with (folder / "pubsub.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)

    def answers() -> bool:
        try:
            return http.get(f"http://127.0.0.1:{port}/", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    try:
        until(answers, "the emulator answers")
        yield PubSubServer(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=300)


@dataclass
class _Message:
    content: dict[str, Any]
    leased_until: float = 0.0
    lease: str = ""


@dataclass
class _Topics:
    """Messages per subscription. A call that the real API would refuse is refused."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    subscriptions: dict[str, tuple[str, list[_Message]]] = field(default_factory=dict)
    topics: set[str] = field(default_factory=set)
    count: int = 0

    def answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        match = _CALL.fullmatch(path)
        if match is None:
            return 404, _error(f"no such path: {path}")
        name, verb = match.groups()
        with self.lock:
            if method == "PUT":
                return 200, self._create(name, body)
            if verb == "publish" and name in self.topics:
                return 200, self._publish(name, body["messages"])
            if name not in self.subscriptions:
                return 404, _error(f"Resource not found (resource={name.rpartition('/')[2]}).")
            topic, messages = self.subscriptions[name]
            if method == "GET" and verb is None:
                return 200, {"name": name, "topic": topic, "pushConfig": {}}
            if method == "POST" and verb == "pull":
                return 200, self._pull(messages, body)
            if method == "POST" and verb in ("acknowledge", "modifyAckDeadline"):
                return 200, self._settle(messages, verb, body)
        return 404, _error(f"no such call: {method} {path}")

    def _create(self, name: str, body: Any) -> dict[str, Any]:
        if "/topics/" in name:
            self.topics.add(name)
        else:
            self.subscriptions[name] = (body["topic"], [])
        return {"name": name}

    def _publish(self, topic: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
        identifiers = []
        for message in messages:
            self.count += 1
            identifiers.append(str(self.count))
            sent = {"messageId": str(self.count), "publishTime": datetime.now(UTC).isoformat(), **message}
            for of, waiting in self.subscriptions.values():
                if of == topic:
                    waiting.append(_Message(sent))
        return {"messageIds": identifiers}

    def _pull(self, messages: list[_Message], body: Any) -> dict[str, Any]:
        assert body["returnImmediately"] is True
        assert body["maxMessages"] > 0
        free = [one for one in messages if one.leased_until <= time.monotonic()][: body["maxMessages"]]
        for one in free:
            self.count += 1
            one.leased_until, one.lease = time.monotonic() + _LEASE, f"lease-{self.count}"
        found = [{"ackId": one.lease, "message": one.content} for one in free]
        return {"receivedMessages": found} if found else {}

    def _settle(self, messages: list[_Message], verb: str, body: Any) -> dict[str, Any]:
        named = set(body["ackIds"])
        assert 0 < len(named) <= 2500
        if verb == "acknowledge":
            messages[:] = [one for one in messages if one.lease not in named]
        for one in messages:
            if one.lease in named:
                one.leased_until = time.monotonic() + body["ackDeadlineSeconds"]
        return {}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}


@contextmanager
def stand_in() -> Iterator[PubSubServer]:
    """A strict stand-in on a free port."""
    topics = _Topics()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, answer = topics.answer(self.command, self.path, json.loads(content or b"null"))
            except (AssertionError, KeyError, TypeError, ValueError) as error:
                status, answer = 400, _error(f"Invalid argument: {error!r}")
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield PubSubServer(f"http://127.0.0.1:{server.server_port}", int(_LEASE))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
