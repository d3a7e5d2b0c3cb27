"""A web server whose ingest endpoint echoes the body, and clients of it on raw connections."""

import asyncio
import socket
from contextlib import contextmanager

from litestar import Litestar, Response, get
from litestar import post as accepts
from litestar.params import JSONBody

from monitor.errors import TooSlowError
from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.web.ingest import reply
from monitor.web.ingest.front import Front
from monitor.web.ingest.incoming_body import DisconnectedError
from monitor.web.server import Server
from monitor.web.settings import WebSettings
from tests.support.ports import free_port
from tests.support.server import running as under_way

SECONDS = 20


@get("/page", sync_to_thread=False)
def page() -> str:
    return "a page"


@accepts("/form", status_code=200)
async def form(data: JSONBody[dict[str, int]]) -> str:
    return str(data["a"])


def late(_request, _error):
    return Response({}, status_code=408)


class Echo:
    """Answers with the body, at once or when told to; says what it saw."""

    def __init__(self, limit=1000):
        self.limit, self.is_holding = limit, False
        self.held, self.left, self.seen = [], 0, []

    async def answer(self, scope, receive):
        headers = dict(scope["headers"])
        self.seen.append((scope["method"], headers, scope["client"][0]))
        if scope["method"] != "POST":
            return reply.of_json(405, {"error": "no"})
        if headers.get(b"x-refuse"):
            return reply.of_json(401, {})
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                raise DisconnectedError
            body += message["body"]
            if len(body) > self.limit:
                return reply.of_json(413, {}, ("connection", "close"))
            if not message["more_body"]:
                break
        if body == b"break":
            raise ZeroDivisionError("nobody foresaw this")
        if self.is_holding:
            self.held.append(asyncio.Event())
            self.loop = asyncio.get_running_loop()
            await self.held[-1].wait()
        return reply.Reply(202, [(b"content-length", b"%d" % len(body))], body)

    def let_go(self):
        self.loop.call_soon_threadsafe(self.held.pop().set)


class Running:
    """A server in a thread, and its counts."""

    def __init__(self, echo, sender_of=lambda _scope: "", **settings):
        self.echo, self.meters = echo, DaemonMeters()
        self.settings = WebSettings(listen=f"127.0.0.1:{free_port()}", **settings)
        application = Litestar(
            [page, form], exception_handlers={TooSlowError: late}, logging_config=None, openapi_config=None
        )
        front = Front(
            application,
            {"/v1/hot": echo},
            self.meters,
            sender_of,
            strict_transport="max-age=31536000; includeSubDomains",
            body_within=self.settings.body_within,
        )
        self.server = Server(front, self.settings)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.settings.port), timeout=SECONDS)

    def counted(self, code):
        labels = {"handler": "/v1/hot", "code": code}
        return self.meters.registry.get_sample_value("watchkeeper_http_requests_total", labels) or 0


@contextmanager
def running(echo=None, sender_of=lambda _scope: "", **settings):
    found = Running(echo or Echo(), sender_of, **settings)
    with under_way(found.server):
        yield found


def post(body, path="/v1/hot", version="1.1", method="POST", length=True, **headers):
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    size = f"content-length: {len(body)}\r\n" if length else ""
    return f"{method} {path} HTTP/{version}\r\nhost: x\r\n{size}{named}\r\n".encode() + body


def answers(connection, count, bodiless=False):
    """So many answers of a connection as (status, headers, body); and nothing is left over."""
    data, found = b"", []
    while len(found) < count:
        head, end, rest = data.partition(b"\r\n\r\n")
        if end:
            first, *lines = head.split(b"\r\n")
            headers = {name.lower(): value for name, value in (line.split(b": ", 1) for line in lines)}
            size = 0 if bodiless else int(headers.get(b"content-length", 0))
            if len(rest) >= size:
                found.append((int(first.split()[1]), headers, rest[:size]))
                data = rest[size:]
                continue
        more = connection.recv(65_536)
        assert more, f"closed after {data!r}"
        data += more
    assert not data
    return found


def asked(server, data, count=1, **options):
    with server.connect() as connection:
        connection.sendall(data)
        return answers(connection, count, **options)


def bodies(found):
    return [body for _, _, body in found]


def closed(connection):
    """All that comes until the other side closes."""
    found = b""
    try:
        while data := connection.recv(65_536):
            found += data
    except ConnectionResetError:
        pass
    return found
