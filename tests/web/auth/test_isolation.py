"""Every route with every kind of key: who gets in, and nobody reads of another client.

The routes are those of the application's own table and of the ingest. A route that no policy covers fails.
"""

import contextlib
import http.client
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from litestar.routes import HTTPRoute

from monitor import web, wiring
from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Stream
from monitor.store import alerts, api_keys
from monitor.store.api_keys import KeyKind, bounds
from tests.support import versioned
from tests.support.log import NOW, send
from tests.support.postgresql import postgresql
from tests.support.server import running

MARK = b"ACME-SECRET"
"""In all texts of the client that others must not read."""
CONFIG = """\
store: {{url: "{url}"}}
web: {{listen: "127.0.0.1:0", requests_per_minute: 10000000}}
clients:
  acme: {{name: ACME-SECRET Ltd, contact: a@ACME-SECRET.example, models: {{fraud: {{title: ACME-SECRET model}}}}}}
  globex: {{name: Globex, models: {{price: {{title: Price}}}}}}
notify:
  console: false
  pagerduty: {{routing_key: {key}, events_url: "https://127.0.0.1:9", webhook_secrets: [{key}]}}
releases: {{mlflow: {{webhook_secrets: [{key}]}}}}
sites: {{plant: {{client: acme, key: "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}}
sources: {{pushed: {{kind: http, format: kserve, client: acme, model: fraud}}}}
"""
DENIED = frozenset({401, 403, 404})


@dataclass(frozen=True)
class Bearer:
    """A key: its kind, client and role; `is_valid` is false for those that are expired, revoked or made up."""

    kind: str
    client: str = ""
    role: str = ""
    is_valid: bool = True

    @property
    def is_staff(self) -> bool:
        return self.kind == "staff"

    def may_see(self, client: str = "acme") -> bool:
        return self.client in ("", client)

    def has(self, role: str) -> bool:
        return self.is_staff and ["viewer", "operator", "admin"].index(self.role) >= [
            "viewer", "operator", "admin",
        ].index(role)  # fmt: skip


BEARERS = (
    Bearer("none", is_valid=False),
    Bearer("unknown", is_valid=False),
    Bearer("expired", is_valid=False),
    Bearer("revoked", is_valid=False),
    *(Bearer(kind, client) for kind in ("ingest", "page", "site") for client in ("acme", "globex")),
    *(Bearer("metrics", client) for client in ("", "acme", "globex")),
    *(Bearer("staff", "", role) for role in ("viewer", "operator", "admin")),
    *(Bearer("staff", client, "admin") for client in ("acme", "globex")),
)
_STAFF_POST_ROLES = {"/staff/keys": "admin", "/staff/sessions": "viewer", "/staff/reports": "viewer"}


def _reads_page(who: Bearer, _method: str, _path: str) -> bool:
    return who.kind in ("page", "staff") and who.may_see()


def _reads_lists(who: Bearer, _method: str, path: str) -> bool:
    """Keys of one client get its own; that nothing of another is in them is what the marker shows."""
    return who.is_staff and ("?" not in path or who.may_see())


def _reads_all(who: Bearer, _method: str, _path: str) -> bool:
    return who.is_staff and not who.client


def _is_any_reader(who: Bearer, _method: str, _path: str) -> bool:
    return who.kind in ("page", "staff")


def _scrapes(who: Bearer, _method: str, path: str) -> bool:
    is_right_kind = who.kind in ("metrics", "staff")
    return is_right_kind and (who.may_see() if path.startswith("/c/") else not who.client)


def _works_here(who: Bearer, method: str, path: str) -> bool:
    role = next((one for start, one in _STAFF_POST_ROLES.items() if path.startswith(start)), "operator")
    is_of_one_client = "{client" in path or "{fingerprint" in path
    return who.has(role if method == "POST" else "viewer") and (not is_of_one_client or who.may_see())


def _administers(who: Bearer, _method: str, _path: str) -> bool:
    return who.has("admin") and not who.client


def _operates(who: Bearer, _method: str, _path: str) -> bool:
    return who.has("operator")


def _operates_model(who: Bearer, method: str, path: str) -> bool:
    """Of bodies that name acme; where only an id is given, it is not found."""
    if method == "GET":
        return _reads_lists(who, method, path)
    return _operates(who, method, path) and ("{identity" in path or who.may_see())


def _asks_leave(who: Bearer, _method: str, _path: str) -> bool:
    return who.is_staff and who.may_see()


def _sends(who: Bearer, _method: str, _path: str) -> bool:
    return who.kind == "ingest" or who.has("operator")


def _sends_bundles(who: Bearer, _method: str, _path: str) -> bool:
    return (who.kind == "site" or who.has("operator")) and who.may_see()


def _never(_who: Bearer, _method: str, _path: str) -> bool:
    return False


PUBLIC = None
"""Open to all, and without data of a client: what signs in, what a signed link opens, and what is the same for all."""
POLICIES: tuple[tuple[str, Callable[[Bearer, str, str], bool] | None], ...] = (
    (r"/|/healthz|/readyz|/static/.*|/enter.*|/leave|/staff/(sign-in|callback|backchannel-logout)", PUBLIC),
    (r"/changes/.*|/subscribe/.*|/unsubscribe/.*|/api/v1/openapi.json|/runbooks/.*", PUBLIC),
    (r"/metrics|/c/\{key:str\}/metrics", _scrapes),
    (r"/c/\{key:str\}.*", _reads_page),
    (r"/api/v1/clients", _is_any_reader),
    (r"/api/v1/keys.*", _administers),
    (r"/api/v1/commands", _asks_leave),
    (r"/api/v1/(rollouts|rollbacks|baselines|prompts|canaries|approvals).*", _operates_model),
    (r"/api/v1/(incidents/notes|silences/).*", _operates),
    (
        r"/api/v1/silences",
        lambda who, method, path: (_operates if method == "POST" else _reads_lists)(who, method, path),
    ),
    (
        r"/api/v1/(status|alerts|incidents|quarantine|explanations|releases.*|gauges|digests|service-reports)",
        _reads_lists,
    ),
    (r"/api/v1/(sources|exporters|sites)", _reads_all),
    (r"/api/v1/audit", _administers),
    (r"/api/v1/clients/.*", _reads_page),
    (r"/staff/keys.*|/staff/audit", _administers),
    (r"/staff/subscribers.*", _operates),
    (r"/staff.*", _works_here),
    (r"/v1/rollouts/.*|/v1/flagger/.*", _reads_page),
    (r"/v1/sources/pushed", lambda who, method, path: _sends(who, method, path) and who.may_see()),
    (r"/v1/sites/.*", _sends_bundles),
    (r"/v1/releases", lambda who, method, path: _sends(who, method, path) and who.may_see()),
    (r"/v1/(predictions|outcomes|traces|logs|metrics)/?", _sends),
    (r"/v1/(pagerduty|mlflow)", _never),  # signed, not by a key
)
BODIES = {
    "/v1/predictions": [{"id": "1", "client": "acme", "model": "fraud", "prediction": "ok"}],
    "/v1/outcomes": [{"id": "1", "client": "acme", "model": "fraud", "truth": "ok"}],
    "/v1/releases": {"client": "acme", "model": "fraud", "version": "8", "artifact": {"sha256": "a" * 64}},
    "/api/v1/commands": {"words": "watchkeeper quarantine acme", "client": "acme"},
    "/api/v1/approvals": {"client": "acme", "model": "fraud", "version": "8", "note": "ACME-SECRET"},
    "/api/v1/rollouts": {"client": "acme", "model": "fraud", "canary": "8", "stable": "7"},
    "/api/v1/rollbacks": {"client": "acme", "model": "fraud"},
    "/api/v1/baselines": {"client": "acme", "model": "fraud", "since": NOW - 3600},
    "/api/v1/prompts": {"client": "acme", "model": "fraud", "version": "8", "words": 9, "hashes": [1, 2]},
    "/api/v1/canaries": {"client": "acme", "digest": "ab" * 32},
    "/v1/flagger": {"name": "f", "metadata": {"client": "acme", "model": "fraud", "canary": "2"}}
    | {"namespace": "n"},
}


@dataclass
class Site:
    """A running daemon, its routes, and the keys."""

    connection: http.client.HTTPConnection
    routes: list[tuple[str, str]]
    tokens: dict[Bearer, str]
    fingerprint: str

    def ask(self, method: str, path: str, who: Bearer) -> tuple[int, bytes]:
        """The status, and the body with the headers after it: no text of another client is in either."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if self.tokens[who] else {}
        body = next((json.dumps(one) for start, one in BODIES.items() if path.startswith(start)), "")
        headers["Content-Type"] = "application/json" if body else "application/x-www-form-urlencoded"
        self.connection.request(
            method, self._valid(path), body or (b"csrf=" if method == "POST" else None), headers
        )
        answer = self.connection.getresponse()
        head = str(answer.headers).encode()
        if "event-stream" in answer.headers.get("content-type", ""):
            self.connection.close()
            return answer.status, head
        return answer.status, answer.read() + b"\n" + head

    def _valid(self, path: str) -> str:
        good = {"client": "acme", "key": "acme", "model": "fraud", "environment": "production"}
        good |= {
            "metric": "error_rate",
            "fingerprint": self.fingerprint,
            "name": "plant" if "/sites/" in path else "style.css",
            "left": "staging",
            "right": "production",
            "identity": versioned.DECISION if "decisions" in path else "1",
            "alert": "HighErrorRate",
        }
        return re.sub(r"\{(\w+):\w+\}", lambda found: quote(good.get(found[1], "1")), path) or "/"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "postgresql":
        with postgresql() as server:
            yield server.url
    else:
        yield f"sqlite:///{tmp_path_factory.mktemp('isolation')}/watchkeeper.db"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("isolation")
    (folder / "watchkeeper.yaml").write_text(CONFIG.format(url=url, key="R" * 32), encoding="utf-8")
    app = App(load(folder / "watchkeeper.yaml"), ManualClock(NOW))
    app.log.start()
    app.sources.start()
    rows = [_row("acme", "fraud", n) for n in range(60)] + [_row("globex", "price", n) for n in range(60)]
    send(app.log, RecordKind.PREDICTIONS, [*rows, _row("acme", "fraud", 60) | {"timestamp": "ACME-SECRET"}])
    app.tick()
    with app.store.write() as connection:
        versioned.put(connection, Stream("acme", "fraud"), NOW, "ACME-SECRET")
    with app.store.read() as connection:
        fired = next(one for one in alerts.load_open(connection) if one.stream.client == "acme")
    tokens = _tokens(app)
    hot = wiring.ingest(
        app.config, app.log, app.access, app.sources, app.gauges, app.waiting_calls, app.waiting_runs
    )
    found = [
        (method, route.path)
        for route in app.application.routes
        if isinstance(route, HTTPRoute)
        for method in sorted(set(route.methods) - {"OPTIONS"})
    ]
    with running(app.server) as url:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=300)
        with contextlib.closing(connection):
            yield Site(connection, [*found, *(("POST", path) for path in hot)], tokens, fired.fingerprint)
    app.sources.stop()
    app.log.stop()
    app.store.close()


def _row(client: str, model: str, number: int) -> dict[str, object]:
    fails = {"error": "timeout"} if number % 2 else {"prediction": "ok", "confidence": 0.9}
    marked = {"features": {"ACME-SECRET input": number}} if client == "acme" else {}
    return {"client": client, "model": model, "timestamp": NOW, "id": str(number)} | fails | marked


def _tokens(app: App) -> dict[Bearer, str]:
    tokens = {}
    with app.store.write() as connection:
        for who in BEARERS:
            if who.kind in ("none", "unknown"):
                tokens[who] = "" if who.kind == "none" else "wk_guess"
                continue
            kind = KeyKind(who.kind) if who.is_valid else KeyKind.STAFF
            ends = NOW - 1 if who.kind == "expired" else None
            key, tokens[who] = api_keys.create(
                connection, kind, who.client, NOW - 9, expires_at=ends, bound=bounds(kind, who.role, (), ())
            )
            if who.kind == "revoked":
                api_keys.revoke(connection, key.id, NOW)
    return tokens


def _policy(path: str) -> Callable[[Bearer, str, str], bool] | None:
    for pattern, policy in POLICIES:
        if re.fullmatch(pattern, path.partition("?")[0]):
            return policy
    raise AssertionError(f"no policy says who may open {path}: add one")


def test_every_route_has_a_policy(site: Site) -> None:
    assert len(site.routes) > 70
    for _, path in site.routes:
        _policy(path)


def test_every_route_that_a_configuration_may_add_is_here(site: Site) -> None:
    written = {
        path
        for file in Path(web.__path__[0]).rglob("*.py")
        for path in re.findall(r'@(?:route|get|post|put|delete)\(\s*f?"(/v1/[^"]*)"', file.read_text())
    }
    assert len(written) >= 6
    assert written <= {path for _, path in site.routes}
    assert any(path.startswith("/v1/sources/") for _, path in site.routes)


def test_each_key_opens_what_it_is_for_and_nothing_else(site: Site) -> None:
    wrong = []
    for method, path in site.routes:
        policy = _policy(path)
        for who in BEARERS:
            status, body = site.ask(method, path, who)
            cell = f"{method} {path} {who}: {status} {body[:80]!r}"
            if status >= 500 or (MARK in body and not (who.is_valid and who.may_see())):
                wrong.append(cell)
            elif policy is not PUBLIC and not (who.is_valid and policy(who, method, path)):
                # Records of another client are refused one by one.
                is_refused = status in DENIED or (status == 422 and path.startswith("/v1/"))
                wrong += [] if is_refused else [cell]
            elif (method == "GET" and policy is not PUBLIC and status not in (200, 303, 400, 404, 422)) or (
                method == "POST"
                and policy is not PUBLIC
                and status in (401, 403)
                and policy is not _reads_page
            ):
                wrong.append(cell)
    assert wrong == [], "\n".join(wrong)


OF_ACME = (
    "?client=acme&model=fraud&environment=production&version=8&canary=8&name=acme/fraud/HighErrorRate"
    "&period=2026-10&most=5"
)


def test_lists_of_staff_that_name_a_client_are_for_those_who_may_see_it(site: Site) -> None:
    wrong, lists = [], [
        path
        for method, path in site.routes
        if method == "GET" and _policy(path) not in (PUBLIC, _is_any_reader, _reads_page, _scrapes, _works_here)
        and path.startswith("/api/v1/")
    ]  # fmt: skip
    assert len(lists) >= 18
    for path in lists:
        asked = path + OF_ACME
        policy = _policy(asked)
        assert policy is not None
        for who in BEARERS:
            status, body = site.ask("GET", asked, who)
            may = who.is_valid and policy(who, "GET", asked)
            if status != 200 if may else status not in DENIED or MARK in body:
                wrong.append(f"{asked} {who}: {status} {body[:80]!r}")
    assert wrong == [], "\n".join(wrong)


def test_the_marker_is_on_the_pages_of_its_client(site: Site) -> None:
    admin = Bearer("staff", "", "admin")
    for path in (
        "/c/acme",
        "/api/v1/clients",
        "/c/acme/m/fraud",
        "/api/v1/quarantine",
        "/api/v1/silences",
        f"/api/v1/rollouts{OF_ACME}",
        "/api/v1/rollbacks",
        f"/api/v1/rollbacks/decisions/{versioned.DECISION}",
        *(
            f"/api/v1/{name}{OF_ACME}"
            for name in ("releases", "releases/manifests", "rollbacks/drills", "baselines")
        ),
        "/api/v1/prompts",
        "/api/v1/canaries",
        f"/api/v1/digests{OF_ACME}",
        "/staff/audit",
    ):
        status, body = site.ask("GET", path, admin)
        assert status == 200, path
        assert (MARK in body) == ("audit" not in path), path


def test_records_of_another_client_are_refused(site: Site) -> None:
    for path in ("/v1/predictions", "/v1/outcomes"):
        assert site.ask("POST", path, Bearer("ingest", "acme"))[0] == 202
        status, body = site.ask("POST", path, Bearer("ingest", "globex"))
        assert status == 422
        assert b"this key is for client" in body
