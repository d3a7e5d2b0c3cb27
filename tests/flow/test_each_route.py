"""Whatever is asked of any route is answered in time, and never with an error of ours.

Routes are those of the application's own table; names of query parameters and form fields are those that its pages
link to and its handlers declare. The daemon holds a model with an open alert, so that pages have something to show.
"""

import contextlib
import gzip
import http.client
import json
import logging
import random
import re
import socket
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from litestar.routes import HTTPRoute

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Stream
from monitor.store import alerts, api_keys, approvals
from monitor.store.approvals import Approval
from tests.support.kept_to_itself import check_kept_to_itself
from tests.support.log import NOW, send
from tests.support.server import running
from tests.support.thorough import THOROUGH

SECONDS = 30.0
"""Until an answer begins. Most take milliseconds; a slow machine may need longer."""
CONFIG = """\
store: {{url: "sqlite:///{folder}/watchkeeper.db"}}
web:
  listen: "127.0.0.1:0"
  public_url: "https://watch.example.org"
  requests_per_minute: 10000000
  oidc: {{issuer: "http://127.0.0.1:9", client_id: w, client_secret: s, roles: {{a: operator}}}}
clients:
  acme: {{name: Acme, contact: a@b.example, models: {{fraud: {{title: Fraud, releases: {{approval: client}}}}}}}}
notify:
  console: false
  pagerduty: {{routing_key: {key}, events_url: "https://127.0.0.1:9", webhook_secrets: [{key}]}}
"""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "X" * 300)
VALUES = (
    "%00",
    "%ED%A0%80",
    "%FF%FE",
    "%",
    "%zz",
    "a" * 10_000,
    "%E2%80%AE%D7%A9%D7%9C%D7%95%D7%9D",
    "%0D%0AX-Injected:%20yes",
    "%E2%80%A8",
    "..%2F..%2Fetc%2Fpasswd",
    "..",
    "%27%20OR%201=1--",
    "%3Cscript%3E",
    "%7B%7B7*7%7D%7D",
    "1e999",
    "-1",
    "9" * 400,
    "NaN",
    "Infinity",
    "%F0%9F%92%A5",
    "",
    "%20",
    "+",
    "null",
    "true",
    "2026-13-45T99:99:99Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "0",
    "a/b/c",
)
DEEP = b"[" * 100_000
BODIES = (
    b"",
    b"{",
    b"[]",
    b"{}",
    b"null",
    b"1e999",
    b'"text"',
    b"\x00\xff\xfe",
    b'{"a": "\\ud800"}',
    b'{"id": {"a": 1}, "client": ["acme"], "model": 7, "metadata": null, "event": "x", "name": [], "phase": {}}',
    b'{"name": "fraud", "namespace": "acme", "phase": "x", "metadata": {"client": 1, "model": {}, "window": "1e9"}}',
    DEEP,
    b"a=%00&b=%ED%A0%80&=&csrf=" + b"x" * 10_000,
    b"for=1e999h&comment=%00&csrf=&kind=staff&client=%00&days=9999999999",
    b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n\x00\r\n--b--\r\n',
    b"\x81\xa1a\xc1",
    b"ARROW1\x00\x00" + b"\xff" * 64,
    gzip.compress(b"[]")[:-6],
    b"\x28\xb5\x2f\xfd\x00\xff\xff\xff",
    zlib.compress(b"x" * 1_000_000),
)
FORM = "application/x-www-form-urlencoded"
KINDS = (
    "",
    "application/json",
    "application/x-ndjson",
    "application/json; charset=utf-7",
    "application/json; charset=no-such",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-16",
    "multipart/form-data",
    "multipart/form-data; boundary=b",
    'multipart/form-data; boundary="\xff"',
    "application/vnd.apache.arrow.stream",
    "application/msgpack",
    "text/plain",
    "/",
    "x" * 5000,
)
ENCODINGS = ("", "gzip", "zstd", "deflate", "br", "identity, gzip", "\xff")
LANGUAGES = ("", "de", "x" * 4000, "\xff;q=NaN")


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """A running daemon, its routes, and the names that its pages use."""

    app: App
    port: int
    keys: tuple[str, ...]
    staff: str
    routes: dict[str, set[str]]
    fingerprint: str
    approval: str
    names: list[str] = field(default_factory=list)

    def ask(self, asked: Asked) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.putrequest(asked.method, asked.target, skip_accept_encoding=True)
            for name, value in asked.headers.items():
                connection.putheader(name, value.encode("latin-1"))
            connection.putheader("Content-Length", str(len(asked.body)))
            connection.endheaders()
            with contextlib.suppress(OSError):  # refused before it was read
                connection.send(asked.body)
            answer = connection.getresponse()
            check_kept_to_itself(answer, asked.method, asked.target)
            is_stream = "event-stream" in answer.headers.get("content-type", "")
            return answer.status, b"" if is_stream else answer.read(1 << 20)
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("routes")
    text = CONFIG.format(folder=folder, key="R" * 32)
    (folder / "watchkeeper.yaml").write_text(text, encoding="utf-8")
    app = App(load(folder / "watchkeeper.yaml"), ManualClock(NOW))
    app.log.start()
    for _ in range(3):
        send(app.log, RecordKind.PREDICTIONS, [_row(app, number) for number in range(60)])
        app.tick()
        app.clock.advance(5)  # type: ignore[attr-defined]
    with app.store.write() as connection:
        kinds = api_keys.KeyKind
        made = {
            kind: api_keys.create(connection, kind, "" if kind is kinds.STAFF else "acme", NOW, name="t")[1]
            for kind in kinds
        }
    approval = Approval(Stream("acme", "fraud"), "8", approvals.TEAM, True, "ann", NOW)
    with app.store.write() as connection:
        approvals.add(connection, approval)
    with app.store.read() as connection:
        fingerprint = next(iter(alerts.load_open(connection))).fingerprint
    routes = {
        route.path: set(route.methods) for route in app.application.routes if isinstance(route, HTTPRoute)
    }
    with running(app.server) as url:
        found = Site(
            app,
            urlsplit(url).port or 0,
            ("", *made.values()),
            made[kinds.STAFF],
            routes,
            fingerprint,
            approval.id,
        )
        found.names.extend(sorted(_names(found)))
        yield found
    app.log.stop()
    app.store.close()


def _row(app: App, number: int) -> dict[str, object]:
    now = app.clock.now()
    fails = {"error": "timeout"} if number % 2 else {"prediction": "ok", "confidence": 0.9}
    features = {"amount": number / 7, "country": "DE"}
    return {
        "client": "acme",
        "model": "fraud",
        "timestamp": now,
        "features": features,
        "id": f"{now}/{number}",
    } | fails


def _names(site: Site) -> set[str]:
    """Names of query parameters and form fields: those that handlers declare, and those that pages use."""
    names = set()
    for route in site.app.application.routes:
        for handler, _ in getattr(route, "route_handler_map", {}).values():
            names |= handler.parsed_fn_signature.parameters.keys()
    for path in site.routes:
        status, body = site.ask(Asked("GET", _valid(path, site), headers=_headers(site, 0, staff=True)))
        if status == 200:
            page = unescape(body.decode(errors="replace"))
            names.update(re.findall(r'name="([^"]+)"', page))
            for link in re.findall(r'href="([^"]*)"', page):
                names.update(name for name, _ in parse_qsl(urlsplit(link).query))
    return names - {"request", "scope"}


def _headers(site: Site, number: int, *, staff: bool = False) -> dict[str, str]:
    key = site.staff if staff else site.keys[number % len(site.keys)]
    return {"Authorization": f"Bearer {key}"} if key else {}


GOOD = {
    "client": "acme",
    "key": "acme",
    "model": "fraud",
    "environment": "production",
    "metric": "error_rate",
}
GOOD |= {"left": "staging", "right": "production"}
GOOD |= {"alert": "HighErrorRate", "feature": "amount", "name": "style.css", "carried": "x"}


WANTED = "?client=acme&model=fraud&version=7&name=HighErrorRate"
"""What lists must be asked with."""


def _good(site: Site) -> dict[str, str]:
    return {**GOOD, "fingerprint": site.fingerprint, "identity": site.approval}


def _valid(path: str, site: Site) -> str:
    good = _good(site)
    return re.sub(r"\{(\w+):\w+\}", lambda found: quote(good.get(found[1], "1")), path)


def _spoiled(path: str, site: Site, chance: random.Random) -> str:
    """The path with some of its parameters malformed."""
    good = _good(site)
    return re.sub(
        r"\{(\w+):\w+\}",
        lambda found: chance.choice(VALUES) if chance.random() < 0.6 else quote(good.get(found[1], "1")),
        path,
    )


def _query(site: Site, chance: random.Random) -> str:
    if chance.random() < 0.3:
        return ""
    names = [chance.choice((*site.names, *VALUES[:4])) for _ in range(chance.randint(1, 5))]
    return "?" + "&".join(f"{name}={chance.choice(VALUES)}" for name in names)


def _asked(path: str, site: Site, chance: random.Random) -> Asked:
    methods = [*sorted(site.routes[path]), *METHODS] if path in site.routes else METHODS
    method = chance.choice([*sorted(site.routes.get(path, {"POST"})), chance.choice(methods)])
    headers = _headers(site, chance.randrange(len(site.keys)), staff=chance.random() < 0.6)
    for name, values in (
        ("Content-Type", KINDS),
        ("Content-Encoding", ENCODINGS),
        ("Accept", KINDS),
        ("Accept-Language", LANGUAGES),
        ("Cookie", ("", "session=\xff; =;;", f"session={'x' * 5000}")),
        ("Idempotency-Key", ("", "\xff", "k" * 6000)),
        ("Origin", ("", "null", "http://[")),
        ("X-PagerDuty-Signature", ("", "v1=zz", "\xff" * 99)),
        ("X-Forwarded-For", ("", "\xff", "1.2.3.4, [::")),
    ):
        value = chance.choice(values)
        if value and chance.random() < 0.5:
            headers[name] = value
    body = chance.choice(BODIES) if method not in ("GET", "HEAD") or chance.random() < 0.1 else b""
    target = _spoiled(path, site, chance) if chance.random() < 0.7 else _valid(path, site)
    return Asked(method, (target or "/") + _query(site, chance), body, headers)


def test_there_is_something_to_ask(site: Site) -> None:
    assert len(site.routes) > 40
    assert {"of", "window", "csrf", "comment", "sort"} <= set(site.names)
    wrong = {}
    for path, methods in site.routes.items():
        if "GET" in methods and not re.search(
            r"callback|sign-in|enter|subscribe/|changes|report|static", path
        ):
            target = _valid(path, site) + (WANTED if path.startswith("/api/v1/") else "")
            status, _ = site.ask(Asked("GET", target, headers=_headers(site, 0, staff=True)))
            if status != 200:
                wrong[path] = status
    unknown = {"/", *(f"/v1/rollouts/{{client:str}}/{{model:str}}/{name}" for name in ("verdict", "step"))}
    unknown.add("/staff/m/{client:str}/{model:str}/{environment:str}/features/{feature:str}")
    missing = ("rollouts/view", "releases/manifests", "rollbacks/decisions/{identity:str}", "baselines")
    unknown |= {f"/api/v1/{name}" for name in missing}
    assert wrong.keys() <= unknown, "each page is shown, so that what follows is asked of something"


def test_law_every_route_answers_whatever_is_asked(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    paths = [*site.routes, "/v1/predictions", "/v1/outcomes", "/no/such/page"]
    for path in paths:
        for number in range(600 if THOROUGH else 30):
            chance = random.Random(f"{path} {number}")
            asked = _asked(path, site, chance)
            status, body = site.ask(asked)
            told = f"{path} {number}: {asked}"[:3000]
            is_unreachable = status == 503 and "sign-in" in path  # the provider, which is not there
            assert status < 500 or is_unreachable, f"{status} {body[:300]!r} {told}"
            assert b"Traceback" not in body, told
            assert caplog.records == [], told
    still, _ = site.ask(Asked("GET", "/staff", headers=_headers(site, 0, staff=True)))
    assert still == 200, "the key with which all was asked is still one"


def test_law_no_request_makes_the_daemon_call_an_address(site: Site) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/called"
        usual = {
            "client": "acme",
            "model": "fraud",
            "version": "8",
            "comment": "c",
            "for": "1h",
            "kind": "page",
        }
        for path, methods in site.routes.items():
            for number in range(4):
                chance = random.Random(f"{path} {number}")
                fields = usual | {
                    name: url for name in site.names if chance.random() < (1.0, 0.5, 0.2, 0.1)[number]
                }
                headers = _headers(site, 0, staff=True) | {
                    "Referer": url,
                    "X-Callback": url,
                    "X-Original-URL": url,
                }
                target = f"{_valid(path, site)}?{urlencode(fields)}"
                if "GET" in methods:
                    site.ask(Asked("GET", target, headers=headers))
                if "POST" in methods:
                    kind, body = (
                        ("application/json", json.dumps(fields))
                        if "/api/" in path
                        else (FORM, urlencode(fields))
                    )
                    site.ask(Asked("POST", target, body.encode(), headers | {"Content-Type": kind}))
        with pytest.raises(BlockingIOError):
            listener.accept()
