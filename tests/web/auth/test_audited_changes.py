"""Every route that changes something leaves an entry in the audit log in the same transaction, or changes nothing.

The routes are those of the application; one that is neither tried here nor known to change nothing fails.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from litestar.routes import HTTPRoute

from monitor.config.sections import Secret
from monitor.digest.changes import subscriptions
from monitor.health import client_state
from monitor.records import Silence
from monitor.rollback.executors.command import CommandSettings
from monitor.rollback.settings import RollbackSettings
from monitor.store import (
    api_keys,
    change_subscriptions,
    digests,
    incidents,
    model_versions,
    sessions,
    silences,
)
from monitor.store.api_keys import KeyKind
from monitor.store.incidents import Incident
from monitor.store.model_versions import Version
from monitor.web import app as web_app
from monitor.web.api.pagerduty import routes as pagerduty_routes
from monitor.web.api.release_records import routes as release_routes
from monitor.web.auth.authentication import Access
from monitor.web.settings import WebSettings
from tests.support import clients, schema
from tests.support.audited import state
from tests.support.clients import FRAUD, NOW, Shop, fire
from tests.support.server import services, serving

SECRET = "P" * 32
ELSEWHERE = {
    "/api/v1/keys/list": "changes nothing",
    "/api/v1/baselines/accept": "no reference was learned here: tests/drift/test_learning.py",
    "/staff/reports/{fingerprint:str}/make": "no reports are configured here: it stores nothing",
    "/c/{key:str}/approvals/{identity:str}/decide": "no version waits here: tests/web/pages/test_approvals.py",
    "/staff/m/{client:str}/{model:str}/{environment:str}/rollout/stop": "as /api/v1/rollouts/stop",
    "/staff/backchannel-logout": "no provider is configured here: tests/web/auth/test_backchannel_logout.py",
    "/enter": "below",
    "/leave": "below",
    "/staff/sessions/{identity:str}/end": "below",
    "/c/{key:str}/sessions/{identity:str}/end": "below",
}
OF_FRAUD = {"client": "acme", "model": "fraud"}
PROMPT = OF_FRAUD | {"version": "8"}
STAFF = "/staff/m/acme/fraud/production"
OF_MODEL = "/staff/m/{client:str}/{model:str}/{environment:str}"
Case = tuple[str, str, dict[str, Any]]
"""A route, the path of a request, and what it sends."""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = clients.opened(tmp_path, hours=1)
    schema.create(made.store)
    fire(made)
    with made.store.write() as connection:
        for name in ("first", "second"):
            api_keys.create(connection, KeyKind.METRICS, "acme", NOW, name=name)
        for number in range(2):
            silences.add(
                connection, Silence(f"s{number}", ('client="acme"',), NOW - 1, NOW + 999, "ann", "c")
            )
        one = change_subscriptions.ask(connection, "acme", "ann@example.org", NOW, 1.0)
        assert one is not None
        incidents.put(connection, [Incident("pagerduty", "k", "single", "g", "critical", NOW - 60)])
        versions = [Version(FRAUD, name, NOW - 900 + 60 * place, NOW) for place, name in enumerate("78")]
        model_versions.put(connection, versions)
    return made


def of_the_api(shop: Shop) -> Iterator[Case]:
    """Each request finds what it changes; the generator goes on when the one before it was answered."""
    first, _ = key_ids(shop)
    for path, body in (
        ("keys", {"kind": "metrics"}),
        ("keys/{identity:str}/revoke", first),
        ("incidents/notes", {"incident": "acme/fraud/LowAccuracy", "text": "Soon."}),
        ("approvals", PROMPT | {"note": "seen"}),
        ("silences", {"matchers": ["alert=A"], "seconds": 60, "comment": "c"}),
        ("silences/{identity:str}/expire", "s0"),
        ("commands", {"words": "watchkeeper load", "change": True}),
        ("rollouts", OF_FRAUD | {"canary": "8", "stable": "7"}),
        ("rollouts/stop", OF_FRAUD),
        ("rollbacks", OF_FRAUD),
        ("rollbacks/stop", OF_FRAUD),
        ("rollbacks/resume", OF_FRAUD),
        ("prompts", PROMPT | {"words": 9, "hashes": [1, 2]}),
        ("prompts/remove", PROMPT),
        ("canaries", {"client": "acme", "digest": "ab" * 32}),
        ("canaries/{identity:str}/remove", "ab" * 6),
    ):
        named = path.replace("{identity:str}", body) if isinstance(body, str) else path
        yield f"/api/v1/{path}", f"/api/v1/{named}", {"json": body if isinstance(body, dict) else {}}
    path = "/api/v1/incidents/notes/{identity:str}/withdraw"
    yield path, path.replace("{identity:str}", note_id(shop)), {"json": {}}
    yield "/v1/releases", "", {"json": PROMPT | {"artifact": {"sha256": "a" * 64}}}
    event = {"id": "e", "event_type": "incident.acknowledged", "occurred_at": "2026-11-23T11:59:00Z"}
    body = json.dumps({"event": event | {"data": {"incident_key": "k"}}}).encode()
    signature = "v1=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    yield "/v1/pagerduty", "", {"content": body, "headers": {"X-PagerDuty-Signature": signature}}


def of_the_pages(shop: Shop) -> Iterator[Case]:
    with shop.store.read() as connection:
        [fired] = connection.exec_driver_sql("SELECT DISTINCT fingerprint FROM alerts").scalars()
        one = change_subscriptions.by_token(
            connection, str(connection.exec_driver_sql("SELECT token FROM change_subscriptions").scalar())
        )
    _, second = key_ids(shop)
    assert one is not None
    alert = "/staff/alerts/{fingerprint:str}/"
    for route, form in (
        ("/staff/keys/new", {"kind": "metrics", "client": "acme"}),
        ("/staff/keys/{identity:str}/revoke", second),
        (alert + "acknowledge", fired),
        ("/staff/silences/{identity:str}/expire", "s1"),
        (f"{OF_MODEL}/rollback/stop", {}),
        (f"{OF_MODEL}/rollback/resume", {}),
        (f"{OF_MODEL}/approval/decide", {"version": "7", "decision": "decline", "note": "n", "digest": ""}),
        ("/c/{key:str}/changes", {"address": "bo@example.org"}),
        ("/staff/subscribers/remove", {"client": "acme", "address": "bo@example.org"}),
    ):
        path = route.replace(OF_MODEL, STAFF).replace("{key:str}", "acme")
        if isinstance(form, str):
            path = path.replace("{identity:str}", form).replace("{fingerprint:str}", form)
        yield route, path, {"data": form if isinstance(form, dict) else {}}
    yield alert + "silence", f"/staff/alerts/{fired}/silence", {"data": {"for": "2h", "comment": "c"}}
    with shop.store.write() as connection:
        token = digests.token(connection, "acme", "ann@example.org")
    yield "/unsubscribe/{carried:str}", f"/unsubscribe/{token}", {}
    yield "/subscribe/{carried:str}", f"/subscribe/{token}", {}
    yield "/changes/{purpose:str}/{carried:str}", subscriptions.link(one, "confirm", ""), {}
    noted = "/staff/incidents/{client:str}/{identity:str}/note"
    yield noted, f"/staff/incidents/acme/{incident_id(shop)}/note", {"data": {"text": "Now."}}
    withdrawn = "/staff/incidents/{client:str}/notes/{identity:str}/withdraw"
    yield withdrawn, f"/staff/incidents/acme/notes/{note_id(shop)}/withdraw", {"data": {}}


@pytest.fixture
def web(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx2.Client]:
    monkeypatch.setattr(web_app, "AUDIT_EVERY", 1e6)  # only what a change writes itself is seen
    executor = CommandSettings(argv=("/bin/true",))
    fields: dict[str, Any] = {
        "settings": WebSettings(requests_per_minute=100_000, public_url="http://watch"),
        "channels": ("email",),
        "rollback": lambda _stream: RollbackSettings(executor=executor),
    }
    routes = [
        *pagerduty_routes(shop.store, [Secret(SECRET)], shop.clock),
        *release_routes(shop.store, Access(shop.store, shop.clock), shop.clock, ()),
    ]
    with shop.store.write() as connection:
        _, token = api_keys.create(connection, KeyKind.STAFF, "", NOW)
    with serving(shop, routes=routes, **fields) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        client.headers["X-Token"] = token
        yield client


def test_a_change_without_an_entry_is_not_made(shop: Shop, web: httpx2.Client) -> None:
    tried = set(ELSEWHERE)
    for cases in (of_the_api, of_the_pages):
        for route, path, sent in cases(shop):
            check(shop, web, route, path or route, sent)
            tried.add(route)
    application = web_app.create(services(shop))
    posted = {
        route.path
        for route in application.routes
        if isinstance(route, HTTPRoute) and "POST" in route.methods and not route.path.startswith("/v1/")
    }
    assert posted == {route for route in tried if not route.startswith("/v1/")}


def test_signing_in_and_out_without_an_entry_is_not_done(shop: Shop, web: httpx2.Client) -> None:
    token = web.headers.pop("X-Token")
    del web.headers["Authorization"]
    with shop.store.write() as connection:
        _, reader = api_keys.create(connection, KeyKind.PAGE, "acme", NOW)
    for key, path in ((token, "/staff/sessions/{}/end"), (reader, "/c/acme/sessions/{}/end")):
        for leave in (path, "/leave"):
            check(shop, web, "/enter", "/enter", {"data": {"key": key}})
            with shop.store.read() as connection:
                one = sessions.open_sessions(connection, NOW, 1e9)[0]
            page = web.get(path.removesuffix("/{}/end")).text
            csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
            check(shop, web, leave, leave.format(one.id), {"data": {"csrf": csrf}})


def check(shop: Shop, web: httpx2.Client, route: str, path: str, sent: dict[str, Any]) -> None:
    shop.clock.advance(1)
    before = state(database(shop))
    with shop.store.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER f BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    failed = web.post(path, **sent)
    with shop.store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER f")
    assert failed.status_code == 503, (route, failed.status_code, failed.text[:300])
    assert state(database(shop)) == before, route
    done = web.post(path, **sent)
    assert done.status_code < 400, (route, done.status_code, done.text[:300])
    rows, entries = state(database(shop))
    assert entries > before[1], route
    assert rows != before[0] or route == "/api/v1/commands", route


def database(shop: Shop) -> Path:
    return Path(str(shop.store.url.database))


def key_ids(shop: Shop) -> tuple[str, str]:
    with shop.store.read() as connection:
        named = {key.name: key.id for key in api_keys.keys(connection)}
    return named["first"], named["second"]


def note_id(shop: Shop) -> str:
    with shop.store.read() as connection:
        listed = client_state.incidents(connection, "acme", shop.clients["acme"], NOW)
    return next(note.id for one in listed for note in one.notes)


def incident_id(shop: Shop) -> str:
    with shop.store.read() as connection:
        return client_state.incidents(connection, "acme", shop.clients["acme"], NOW)[0].id
