"""What gives access, takes it from others, or decides what models do needs a sign-in of the last minutes."""

import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest
from litestar.routes import HTTPRoute

from monitor.store import api_keys, sessions
from monitor.store.api_keys import KeyKind, bounds
from monitor.store.sessions import CLOCK_SKEW, Session
from monitor.web import app as web_app
from monitor.web.auth.authentication import Access
from monitor.web.settings import OidcSettings, WebSettings
from tests.support import clients
from tests.support.audited import state
from tests.support.clients import NOW, Shop, fire
from tests.support.server import services, serving
from tests.web.auth.test_provider import Desk, running

AGAIN = "Sign in again"
RECENT = 900.0
NEEDED = {
    "/staff/keys/new",
    "/staff/keys/{identity:str}/revoke",
    "/staff/sessions/{identity:str}/end",
    "/staff/m/{client:str}/{model:str}/{environment:str}/approval/decide",
    "/staff/m/{client:str}/{model:str}/{environment:str}/rollback/resume",
    "/c/{key:str}/approvals/{identity:str}/decide",
}
NOT_NEEDED = {
    "/enter": "it is the sign-in",
    "/staff/backchannel-logout": "the provider's token is the proof, and no session",
    "/leave": "it takes the visitor's own access away",
    "/c/{key:str}/sessions/{identity:str}/end": "one's own sign-ins only, in a hurry when a cookie was stolen",
    "/staff/alerts/{fingerprint:str}/acknowledge": "at night, from the page; changes no alert",
    "/staff/alerts/{fingerprint:str}/silence": "at night, from the page; ends by itself, and everybody sees it",
    "/staff/silences/{identity:str}/expire": "alerts are sent again",
    "/staff/incidents/{client:str}/{identity:str}/note": "during an incident; is withdrawn with a click",
    "/staff/incidents/{client:str}/notes/{identity:str}/withdraw": "during an incident",
    "/staff/m/{client:str}/{model:str}/{environment:str}/rollout/stop": "a stop cannot wait",
    "/staff/m/{client:str}/{model:str}/{environment:str}/rollback/stop": "a stop cannot wait",
    "/staff/reports/{fingerprint:str}/make": "changes nothing",
    "/staff/subscribers/remove": "takes mails away; who wants them subscribes again",
    "/c/{key:str}/changes": "asks an address whether it wants mails",
    "/changes/{purpose:str}/{carried:str}": "the link in the mail is the proof",
    "/subscribe/{carried:str}": "the link in the mail is the proof",
    "/unsubscribe/{carried:str}": "the link in the mail is the proof",
}
"""What a session may do however old it is, and why."""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = clients.opened(tmp_path, hours=1)
    fire(made)
    with made.store.write() as connection:
        api_keys.create(connection, KeyKind.INGEST, "acme", NOW)
    return made


def opened(shop: Shop, authenticated_at: float, kind: KeyKind = KeyKind.STAFF) -> tuple[dict[str, str], str]:
    """The header of a browser in which a session is open, and the token of its forms."""
    role, client = ("admin", "") if kind is KeyKind.STAFF else ("", "acme")
    with shop.store.write() as connection:
        key, _ = api_keys.create(connection, kind, client, NOW, bound=bounds(kind, role, (), ()))
        made = Session("Ann", role, client, key.id, NOW - 60, NOW + 9999, authenticated_at=authenticated_at)
        secret = sessions.open_session(connection, made)
    csrf = hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()
    return {"Cookie": f"watchkeeper_session={secret}", "Accept": "text/html"}, csrf


def forms(shop: Shop) -> list[str]:
    """The paths of all forms of the application. Changes of the API take a key, and no session."""
    routes = web_app.create(services(shop)).routes
    posts = [one.path for one in routes if isinstance(one, HTTPRoute) and "POST" in one.methods]
    return [path for path in posts if not path.startswith(("/api/", "/v1/"))]


def test_every_form_needs_a_recent_sign_in_or_says_why_not(shop: Shop) -> None:
    assert set(forms(shop)) == NEEDED | set(NOT_NEEDED)
    opened(shop, NOW)
    with shop.store.read() as connection:
        [other] = [one.id for one in sessions.open_sessions(connection, NOW, 1e9)]
    old = {kind: opened(shop, NOW - RECENT - 1, kind) for kind in (KeyKind.STAFF, KeyKind.PAGE)}
    new = {kind: opened(shop, NOW - RECENT + 1, kind) for kind in (KeyKind.STAFF, KeyKind.PAGE)}
    database, told = Path(str(shop.store.url.database)), {}
    names = {
        "client": "acme",
        "key": "acme",
        "model": "fraud",
        "environment": "production",
        "identity": other,
    }
    with serving(shop) as web:
        for path in sorted(NEEDED):
            kind = KeyKind.PAGE if path.startswith("/c/") else KeyKind.STAFF
            address = re.sub(r"\{(\w+):str\}", lambda found: names[found[1]], path)
            form = {"kind": "staff", "name": "Ann", "decision": "approve", "note": "n", "version": "8"}
            kept = state(database)[0]
            answer = web.post(address, data=form | {"csrf": old[kind][1]}, headers=old[kind][0])
            told[path] = (answer.status_code, AGAIN in answer.text, state(database)[0] == kept)
            answer = web.post(address, data=form | {"csrf": new[kind][1]}, headers=new[kind][0])
            told[path] += (AGAIN in answer.text,)
    assert told == dict.fromkeys(sorted(NEEDED), (403, True, True, False))


def test_no_other_form_asks(shop: Shop) -> None:
    names = {"client": "acme", "key": "acme", "model": "fraud", "environment": "production", "identity": "1"}
    names |= {"fingerprint": "LowAccuracyfraud", "carried": "1", "purpose": "confirm"}
    headers, csrf = opened(shop, 0.0)
    with serving(shop) as web:
        for path in sorted(NOT_NEEDED.keys() - {"/leave"}):
            address = re.sub(r"\{(\w+):str\}", lambda found: names[found[1]], path)
            form = {"csrf": csrf, "comment": "c", "for": "1h", "text": "t", "address": "a@example.org"}
            answer = web.post(address, data=form, headers=headers)
            assert AGAIN not in answer.text, path


@pytest.mark.parametrize(
    ("at", "may"),
    [
        (NOW, True), (NOW - RECENT + 0.5, True), (NOW - RECENT, False), (0.0, False),
        (NOW + CLOCK_SKEW, True), (NOW + CLOCK_SKEW + 1, False),
    ],
)  # fmt: skip
def test_the_page_of_keys_has_its_forms_while_the_sign_in_is_recent(shop: Shop, at: float, may: bool) -> None:
    headers, csrf = opened(shop, at)
    with serving(shop) as web:
        page = web.get("/staff/keys", headers=headers).text
        assert ('action="/staff/keys/new"' in page, "/revoke" in page, AGAIN in page) == (may, may, not may)
        sent = web.post("/staff/keys/new", data={"csrf": csrf, "kind": "staff"}, headers=headers)
        assert sent.status_code == (200 if may else 403)
        told = web.post(
            "/staff/keys/new", data={"csrf": csrf, "kind": "staff"}, headers={**headers, "Accept": "*/*"}
        )
        assert may or "sign in again: this needs a sign-in of the last 15 minutes" in told.json()["error"]


def test_the_key_once_more_leads_back_and_then_the_change_is_made(shop: Shop) -> None:
    with shop.store.write() as connection:
        _, token = api_keys.create(connection, KeyKind.STAFF, "", NOW, expires_at=NOW + 9 * 3600)
    html = {"Accept": "text/html"}
    with serving(shop) as web:
        web.post("/enter", data={"key": token})
        shop.clock.advance(RECENT)
        refused = web.post("/staff/keys/new", data={"kind": "staff", "csrf": csrf_of(web)}, headers=html)
        assert (refused.status_code, "Nothing was changed" in refused.text) == (403, True)
        [back] = re.findall(r'name="next" value="([^"]+)"', refused.text)
        assert web.post("/enter", data={"key": "wk_guess", "next": back}).status_code == 404
        assert AGAIN in web.get("/staff/keys").text, "a wrong key proves nothing"
        answer = web.post("/enter", data={"key": token, "next": back})
        assert (answer.status_code, answer.headers["location"]) == (303, "/staff/keys")
        made = web.post("/staff/keys/new", data={"kind": "staff", "csrf": csrf_of(web)}, headers=html)
        assert "shown only once" in made.text


def csrf_of(web: httpx2.Client) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', web.get("/staff/").text)
    assert found is not None
    return found[1]


def test_a_key_that_is_sent_with_the_request_is_never_asked_again(shop: Shop) -> None:
    with shop.store.write() as connection:
        _, token = api_keys.create(connection, KeyKind.STAFF, "", NOW - 90 * 86400)
    headers = {"Authorization": f"Bearer {token}"}
    with serving(shop) as web:
        assert 'action="/staff/keys/new"' in web.get("/staff/keys", headers=headers).text
        assert web.post("/staff/keys/new", data={"kind": "staff"}, headers=headers).status_code == 200
        assert web.post("/api/v1/keys", json={"kind": "staff"}, headers=headers).status_code == 200


def test_own_sign_ins_are_ended_however_old_the_sign_in_is(shop: Shop) -> None:
    headers, csrf = opened(shop, 0.0)
    with shop.store.read() as connection:
        [own] = [one.id for one in sessions.open_sessions(connection, NOW, 1e9) if one.role == "admin"]
    with serving(shop) as web:
        ended = web.post(f"/staff/sessions/{own}/end", data={"csrf": csrf}, headers=headers)
        assert (ended.status_code, web.get("/staff/", headers=headers).status_code) == (303, 404)


def test_sessions_are_listed_with_the_role_that_they_have_today(shop: Shop) -> None:
    """Not with that of the sign-in: keys are changed, revoked, and groups lose their roles."""
    oidc: dict[str, Any] = {"issuer": "https://login.example.org", "roles": {"ops": "viewer"}}
    with shop.store.write() as connection:
        admin, _ = api_keys.create(connection, KeyKind.STAFF, "", NOW)
        gone, _ = api_keys.create(connection, KeyKind.STAFF, "", NOW)
        page, _ = api_keys.create(
            connection, KeyKind.PAGE, "acme", NOW, bound=bounds(KeyKind.PAGE, "", (), ["10.0.0.1"])
        )
        secret = sessions.open_session(connection, Session("Ann", "admin", "", admin.id, NOW, NOW + 999))
        sessions.open_session(connection, Session("Gone", "admin", "", gone.id, NOW, NOW + 999))
        sessions.open_session(connection, Session("Reader", "", "acme", page.id, NOW, NOW + 999))
        for name, groups in (("Ada", ("ops",)), ("Eve", ("sales",))):
            person = Session(
                name, "admin", "", "", NOW, NOW + 999, issuer=oidc["issuer"], subject=name, groups=groups
            )
            sessions.open_session(connection, person)
        api_keys.revoke(connection, gone.id, NOW)
    with serving(shop, settings=WebSettings(oidc=OidcSettings(**oidc), requests_per_minute=100_000)) as web:
        shown = web.get("/staff/sessions", headers={"Cookie": f"watchkeeper_session={secret}"}).text
    rows = dict(re.findall(r'<tr><th scope="row">([^<]*)</th><td>([^<]*)</td>', shown))
    none = "none any more"
    assert rows == {"Ann": "admin", "Gone": none, "Reader": "reader", "Ada": "viewer", "Eve": none}


def test_whoever_came_by_the_link_of_the_start_makes_the_first_key_whenever(tmp_path: Path) -> None:
    """The link works once, so there is no way to sign in again with it."""
    made = clients.opened(tmp_path, hours=1)
    access = Access(made.store, made.clock, needs_token=True)
    with serving(made, access=access) as web:
        web.get("/enter/link", params={"key": access.first_token()})
        made.clock.advance(3 * RECENT)
        answer = web.post(
            "/staff/keys/new", data={"kind": "staff", "csrf": csrf_of(web)}, headers={"Accept": "text/html"}
        )
    assert "shown only once" in answer.text


class Person:
    """Somebody who signs in at a provider that tells what `desk.claims` holds."""

    def __init__(self, web: httpx2.Client, desk: Desk) -> None:
        self.web, self.desk = web, desk

    def signs_in(self, auth_time: object = None, **query: str) -> httpx2.Response:
        away = self.web.get("/staff/sign-in", params=query)
        self.asked = parse_qs(urlsplit(away.headers["location"]).query)
        self.desk.nonce = self.asked["nonce"][0]
        self.desk.claims = {} if auth_time is None else {"auth_time": auth_time}
        return self.web.get("/staff/callback", params={"code": "c", "state": self.asked["state"][0]})

    @property
    def may(self) -> bool:
        """Whether the page has the form of a new key."""
        return 'action="/staff/keys/new"' in self.web.get("/staff/keys").text


@pytest.fixture
def person(shop: Shop) -> Iterator[Person]:
    desk = Desk(shop.clock.now)
    desk.groups = ["admins"]
    with running(desk):
        roles: Any = {"admins": "admin"}
        oidc = OidcSettings(issuer=desk.issuer, client_id="w", roles=roles)
        with serving(shop, settings=WebSettings(oidc=oidc, requests_per_minute=100_000)) as web:
            yield Person(web, desk)


@pytest.mark.parametrize(
    ("auth_time", "may"),
    [
        (None, False), (NOW - RECENT - 1, False), (NOW - 30, True), (int(NOW), True), (True, False), ("now", False),
        (NOW + 59, True), (NOW + 3600, False), (-1, False), (1e300, False), ([], False),
    ],
)  # fmt: skip
def test_a_usual_sign_in_at_the_provider_counts_from_when_it_asked_for_the_proof(
    person: Person, auth_time: object, may: bool
) -> None:
    """It may have asked hours ago, and signs in by itself since then. What it does not tell is not believed."""
    answer = person.signs_in(auth_time)
    assert answer.status_code == 303 or not isinstance(auth_time, (int, float, type(None)))
    assert "prompt" not in person.asked
    assert person.may is may


def test_the_provider_is_told_to_ask_again_and_leads_back(person: Person) -> None:
    person.signs_in()
    page = person.web.get("/staff/keys").text
    [link] = re.findall(r'href="(/staff/sign-in\?again=[^"]+)"', page)
    assert link == f"/staff/sign-in?again=yes&amp;next={quote('/staff/keys')}"
    answer = person.signs_in(int(NOW), again="yes", next="/staff/keys")
    assert (person.asked["prompt"], person.asked["max_age"]) == (["login"], ["0"])
    assert (answer.status_code, answer.headers["location"], person.may) == (303, "/staff/keys", True)


@pytest.mark.parametrize("auth_time", [None, int(NOW) - 3600, int(NOW) - 61, 0, -5, False])
def test_a_provider_that_did_not_ask_again_renews_nothing(person: Person, auth_time: object) -> None:
    """Nor one that was led past the question: the browser's owner can leave parameters out."""
    person.signs_in()
    answer = person.signs_in(auth_time, again="yes", next="/staff/keys")
    assert answer.status_code == 401
    assert "did not ask you to sign in again" in answer.json()["error"]
    assert not person.may
    assert person.web.get("/staff/").status_code == 200, "the sign-in from before is what it was"
