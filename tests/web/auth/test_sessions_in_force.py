"""What a session is worth later: when its key, the configuration, the clock or the visitor's address has changed."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from litestar.routes import HTTPRoute
from playwright.sync_api import Browser, BrowserContext

from monitor.store import api_keys, audit, sessions
from monitor.store.api_keys import KeyKind, bounds
from monitor.store.sessions import CLOCK_SKEW, MOST_OPEN, Session
from monitor.web.app import create
from monitor.web.settings import OidcSettings, WebSettings
from tests.support import clients
from tests.support.browser import browser
from tests.support.clients import NOW, Shop
from tests.support.server import services, serving

ISSUER = "https://login.example.org"
ROLES: dict[str, Any] = {"ops": "operator", "all": "viewer"}
ADA = Session(
    "ada", "operator", "", "", NOW, NOW + 28800, issuer=ISSUER, subject="ada", groups=("all", "ops")
)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = clients.opened(tmp_path, hours=1)
    with made.store.write() as connection:
        api_keys.create(connection, KeyKind.INGEST, "acme", NOW)  # without any key, this machine needs none
    return made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def made(shop: Shop, kind: KeyKind, client: str = "", **limits: Any) -> tuple[str, str]:
    """The id of a key, and the key."""
    bound = bounds(kind, limits.get("role", ""), (), limits.get("addresses", ()))
    with shop.store.write() as connection:
        key, token = api_keys.create(connection, kind, client, NOW, bound=bound)
    return key.id, token


def opened(shop: Shop, session: Session) -> dict[str, str]:
    """The header of a browser in which a session is open."""
    with shop.store.write() as connection:
        return {"Cookie": f"watchkeeper_session={sessions.open_session(connection, session)}"}


def oidc(**changed: Any) -> WebSettings:
    usual: dict[str, Any] = {"issuer": ISSUER, "client_id": "w", "roles": ROLES}
    return WebSettings(oidc=OidcSettings(**(usual | changed)), requests_per_minute=100_000)


@pytest.mark.parametrize(
    ("changed", "role"),
    [
        ({}, "operator"),
        ({"roles": {"all": "viewer"}}, "viewer"),
        ({"roles": {"ops": "viewer", "all": "admin"}}, "admin"),
        ({"roles": {"others": "operator"}}, ""),
        ({"roles": {}}, ""),
        ({"issuer": "https://another.example.org"}, ""),
        ({"issuer": ""}, ""),
    ],
)
def test_a_person_s_session_is_worth_what_the_configuration_gives_today(
    shop: Shop, changed: dict[str, Any], role: str
) -> None:
    """The daemon was started with other roles, or another provider, while somebody was signed in."""
    cookie = opened(shop, ADA)
    with serving(shop, settings=oidc(**changed)) as web:
        page = web.get("/staff/", headers=cookie)
        assert page.status_code == (200 if role else 404)
        assert f"ada ({role})" in re.sub(r"\s+", " ", page.text) or not role
        assert web.get("/staff/keys", headers=cookie).status_code == {"": 404, "admin": 200}.get(role, 403)


@pytest.mark.parametrize("stored", ["", "{", "null", '["ops"', '{"ops": 1}', "[1, null]", "[" * 9000])
def test_groups_that_cannot_be_read_give_no_role(shop: Shop, stored: str) -> None:
    cookie = opened(shop, ADA)
    with shop.store.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET groups = ?", (stored,))
    with serving(shop, settings=oidc()) as web:
        assert web.get("/staff/", headers=cookie).status_code == 404


def test_a_session_has_the_role_and_the_client_of_its_key(shop: Shop) -> None:
    """Those of today: an admin may have them changed in the database."""
    key, token = made(shop, KeyKind.STAFF, role="admin")
    proxy = WebSettings(allowed_proxies=("127.0.0.1",), requests_per_minute=100_000)
    with serving(shop, settings=proxy) as web:
        web.post("/enter", data={"key": token, "next": ""}, headers={"X-Forwarded-For": "10.0.0.8"})
        assert web.get("/staff/keys").status_code == 200
        assert web.get("/c/acme/").status_code == 200
        with shop.store.write() as connection:
            connection.exec_driver_sql("UPDATE api_keys SET role = 'viewer' WHERE id = ?", (key,))
        assert web.get("/staff/keys").status_code == 403
        with shop.store.write() as connection:
            connection.exec_driver_sql("UPDATE api_keys SET client = 'globex' WHERE id = ?", (key,))
        assert web.get("/c/acme/").status_code == 404
        assert web.get("/c/globex/").status_code == 200


def test_the_session_of_a_key_that_is_bound_to_addresses_is_bound_to_them(shop: Shop) -> None:
    """A cookie that was stolen is of no use elsewhere."""
    _, token = made(shop, KeyKind.PAGE, "acme", addresses=("10.0.0.0/24",))
    proxy = WebSettings(allowed_proxies=("127.0.0.1",), requests_per_minute=100_000)
    with serving(shop, settings=proxy) as web:
        inside, outside = {"X-Forwarded-For": "10.0.0.8"}, {"X-Forwarded-For": "192.0.2.1"}
        assert web.post("/enter", data={"key": token, "next": ""}, headers=outside).status_code == 404
        assert web.post("/enter", data={"key": token, "next": ""}, headers=inside).status_code == 303
        assert web.get("/c/acme/", headers=inside).status_code == 200
        for path in ("/c/acme/", "/c/acme/m/fraud", "/c/acme/events", "/c/acme/sessions"):
            assert web.get(path, headers=outside).status_code == 404, path


def test_a_clock_that_was_wrong_leaves_no_session_that_lasts_for_years(shop: Shop) -> None:
    year = 365 * 86400.0
    key, _ = made(shop, KeyKind.PAGE, "acme")
    ahead = opened(shop, Session("A", "", "acme", key, NOW + year, NOW + year + 28800))
    hour = opened(shop, Session("D", "", "acme", key, NOW + 1800, NOW + 1800 + 28800))
    skewed = opened(shop, Session("B", "", "acme", key, NOW + CLOCK_SKEW, NOW + 28800))
    seen = opened(shop, Session("C", "", "acme", key, NOW - 60, NOW + 28800))
    with shop.store.write() as connection:  # used while the clock was ahead
        connection.exec_driver_sql("UPDATE sessions SET seen_at = ? WHERE who = 'C'", (NOW + year,))
    with serving(shop) as web:
        assert web.get("/c/acme/", headers=ahead).status_code == 404
        assert web.get("/c/acme/", headers=hour).status_code == 404
        assert web.get("/c/acme/", headers=skewed).status_code == 200, "another daemon's clock"
        assert web.get("/c/acme/", headers=seen).status_code == 404, "it would never be idle"
        shop.clock.advance(3601)
        assert web.get("/c/acme/", headers=skewed).status_code == 404, "nobody used it for an hour"
    with shop.store.read() as connection:
        assert sessions.open_sessions(connection, NOW, 3600.0) == [
            one for one in sessions.open_sessions(connection, NOW, float("inf")) if one.who == "B"
        ]


def test_sessions_outlast_a_restart_and_end_in_every_daemon(shop: Shop) -> None:
    _, token = made(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        web.post("/enter", data={"key": token, "next": ""})
        cookies = dict(web.cookies)
    with serving(shop) as first, serving(shop) as second:
        for web in (first, second):
            web.cookies.update(cookies)
            assert web.get("/c/acme/").status_code == 200
        csrf = re.findall(r'name="csrf" value="(\w+)"', first.get("/c/acme/").text)[0]
        assert first.post("/leave", data={"csrf": csrf}).status_code == 303
        assert second.get("/c/acme/").status_code == 404


def test_a_key_has_a_thousand_sessions_at_most_and_takes_none_from_others(shop: Shop) -> None:
    key, _ = made(shop, KeyKind.PAGE, "acme")
    other, _ = made(shop, KeyKind.PAGE, "acme")
    with shop.store.write() as connection:
        theirs = sessions.open_session(connection, Session("B", "", "acme", other, NOW - 9, NOW + 999))
        person = sessions.open_session(connection, ADA)
        bob = sessions.open_session(connection, replace(ADA, subject="bob"))
        own = [
            sessions.open_session(connection, Session("A", "", "acme", key, NOW + n / 100, NOW + 999))
            for n in range(MOST_OPEN + 3)
        ]
        found = [sessions.find(connection, one, NOW + 99) is not None for one in own]
        assert found == [False] * 3 + [True] * MOST_OPEN
        assert sessions.find(connection, theirs, NOW) is not None
        assert sessions.find(connection, person, NOW) is not None
        for _ in range(MOST_OPEN + 1):
            sessions.open_session(connection, ADA)
        people = [one for one in sessions.open_sessions(connection, NOW, 1e9) if one.subject == "ada"]
        assert sessions.find(connection, bob, NOW) is not None
    assert len(people) == MOST_OPEN


def test_all_sessions_of_a_person_or_key_are_ended_at_once(shop: Shop) -> None:
    """By an admin, or by themselves. Those of others stay."""
    _, token = made(shop, KeyKind.STAFF, role="admin")
    key, _ = made(shop, KeyKind.PAGE, "acme")
    admin = {"Authorization": f"Bearer {token}"}
    ada = [opened(shop, ADA) for _ in range(3)]
    bob = opened(shop, replace(ADA, subject="bob", who="ada"))
    reader = [opened(shop, Session("A", "", "acme", key, NOW, NOW + 999)) for _ in range(2)]
    with serving(shop, settings=oidc()) as web:

        def end(subject: str, headers: dict[str, str], csrf: str = "") -> int:
            with shop.store.read() as connection:
                found = sessions.open_sessions(connection, NOW, 3600.0)
            one = next(one for one in found if subject in (one.subject, one.key_id))
            form = {"csrf": csrf, "all": "yes"}
            return web.post(f"/staff/sessions/{one.id}/end", data=form, headers=headers).status_code

        def open_ones() -> list[int]:
            staff = [web.get("/staff/", headers=one).status_code for one in (*ada, bob)]
            return staff + [web.get("/c/acme/", headers=one).status_code for one in reader]

        csrf = re.findall(r'name="csrf" value="(\w+)"', web.get("/staff/", headers=bob).text)[0]
        assert end("ada", bob, csrf) == 404, "somebody with the same name"
        assert open_ones() == [200] * 6
        assert web.get("/staff/sessions", headers=admin).text.count('name="all"') == 5
        assert end("ada", admin) == 303
        assert open_ones() == [404] * 3 + [200] * 3
        assert end(key, admin) == 303
        assert open_ones() == [404] * 3 + [200] + [404] * 2
    with shop.store.read() as connection:
        noted = [one.target for one in audit.latest(connection) if "of the same" in one.target]
    assert [re.sub(r" \w{16} ", " ID ", one) for one in noted] == [
        "end session ID of A and 1 other of the same",
        "end session ID of ada and 2 others of the same",
    ]


FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}


@pytest.mark.parametrize("path", ["/enter/link", "/staff/sign-in"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_other_site_signs_anybody_in_without_a_click(shop: Shop, path: str, site: str) -> None:
    _, token = made(shop, KeyKind.PAGE, "acme")
    with serving(shop, settings=oidc(issuer="http://127.0.0.1:9")) as web:
        query = {"key": token, "next": "/staff/alerts"}
        answer = web.get(path, params=query, headers=FROM_ELSEWHERE | {"Sec-Fetch-Site": site})
        assert answer.status_code == 200
        assert "Another site opened this page" in answer.text
        assert "set-cookie" not in answer.headers
        clicked = web.get(path, params=query, headers=FROM_ELSEWHERE | {"Sec-Fetch-User": "?1"})
        assert clicked.status_code == (303 if path == "/enter/link" else 503), (
            "the provider, which is not there"
        )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": "null"}, 303),
        ({"Origin": "http://{host}"}, 303),
        ({"Origin": "https://watch.example.org"}, 303),
        ({"Origin": "https://evil.example"}, 404),
        ({"Origin": "http://127.0.0.1:9"}, 404),
        ({"Origin": "http://watch.example.org.evil.example"}, 404),
        ({"Origin": "https://"}, 404),
        ({"Origin": "http://[::1"}, 404),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 404),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://{host}"}, 404),
        ({"Sec-Fetch-Site": ""}, 404),
    ],
)
def test_a_form_of_another_site_signs_nobody_in(shop: Shop, headers: dict[str, str], status: int) -> None:
    """Over plain HTTP, browsers say by `Origin` alone where a form stands."""
    _, token = made(shop, KeyKind.PAGE, "acme")
    settings = WebSettings(hosts=("watch.example.org",), requests_per_minute=100_000)
    with serving(shop, settings=settings) as web:
        sent = {name: value.format(host=web.base_url.netloc.decode()) for name, value in headers.items()}
        answer = web.post("/enter", data={"key": token, "next": ""}, headers=sent)
        assert (answer.status_code, "set-cookie" in answer.headers) == (status, status == 303)


PREFIXES = {"https://watch.example.org": "__Host-", "https://example.org/ml/watch/": "__Secure-", "": ""}


@pytest.mark.parametrize("public", PREFIXES)
def test_law_every_cookie_of_every_address_is_of_this_host_or_path_alone(shop: Shop, public: str) -> None:
    """Those of all addresses of the application, and of each way to sign in and out."""
    _, token = made(shop, KeyKind.STAFF, role="admin")
    settings = oidc(issuer="http://127.0.0.1:9").model_copy(update={"public_url": public})
    path = settings.public_path
    kept: list[str] = []
    with serving(shop, settings=settings) as web:
        from monitor.web.auth.oidc import Provider

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Provider, "_read", lambda *_: {"authorization_endpoint": "https://login/"})
            for route in create(services(shop, settings=settings)).routes:
                if not isinstance(route, HTTPRoute):
                    continue
                address = re.sub(r"\{\w+:str\}", "acme", route.path)
                for method in sorted(route.methods & {"GET", "POST"}):
                    if address.endswith("/events"):
                        continue
                    web.cookies.clear()
                    sent: dict[str, Any] = {"params": {"key": token, "next": ""}}
                    if method == "POST":
                        sent = {"data": {"key": token, "next": "", "csrf": ""}}
                    kept += web.request(method, f"{path}{address}", **sent).headers.get_list("set-cookie")
    names = {one.partition("=")[0] for one in kept}
    prefix = PREFIXES[public]
    assert names == {f"{prefix}watchkeeper_session", f"{prefix}watchkeeper_attempt"}
    assert len(kept) >= 4, "by form, by link, signing out, and on the way to the provider"
    for one in kept:
        parts = [part.strip().lower() for part in one.split(";")[1:]]
        assert "httponly" in parts, one
        assert "samesite=lax" in parts, one
        assert f"path={path}/" in parts, one
        assert ("secure" in parts) == bool(public), one
        assert not [part for part in parts if part.startswith("domain")], one


@pytest.mark.parametrize("public", [one for one in PREFIXES if one])
def test_a_browser_keeps_the_cookie_whatever_the_public_url(
    shop: Shop, chromium: Browser, public: str
) -> None:
    """A cookie with the prefix `__Host-` and a path is none for a browser, so nobody could sign in."""
    _, token = made(shop, KeyKind.PAGE, "acme")
    settings = WebSettings(public_url=public, requests_per_minute=100_000)
    with serving(shop, settings=settings) as web:
        context = chromium.new_context()
        here = str(web.base_url).replace("127.0.0.1", "localhost").rstrip("/") + settings.public_path
        page = entered(context, here, token)
        assert page.title().endswith("· Acme")
        assert [one["name"] for one in context.cookies()] == [f"{PREFIXES[public]}watchkeeper_session"]
        context.close()


def entered(context: BrowserContext, here: str, token: str) -> Any:
    """A page of a client on which somebody has signed in."""
    page = context.new_page()
    page.goto(f"{here}/c/acme/")
    page.fill("#key", token)
    page.click("button")
    page.wait_for_selector('form[action$="/leave"]')
    page.wait_for_selector("h1")
    return page


def test_what_a_page_shows_goes_away_when_somebody_signs_out_in_another_window(
    shop: Shop, chromium: Browser
) -> None:
    _, token = made(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        here = str(web.base_url).rstrip("/")
        context, elsewhere = chromium.new_context(), chromium.new_context()
        first, other = entered(context, here, token), entered(elsewhere, here, token)
        second = context.new_page()
        second.goto(f"{here}/c/acme/sessions")
        second.click('form[action="/leave"] button')
        first.wait_for_selector("main[data-signed-out]", timeout=300_000)
        assert "Fraud check" not in first.content()
        assert other.title().endswith("· Acme"), "another browser's sign-in is its own"
        context.close()
        elsewhere.close()


def test_what_a_page_shows_goes_away_when_its_key_is_revoked(
    shop: Shop, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.web.pages.events.ACCESS_SECONDS", 0.2)
    key, token = made(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        context = chromium.new_context()
        page = entered(context, str(web.base_url).rstrip("/"), token)
        assert "Fraud check" in page.content()
        with shop.store.write() as connection:
            api_keys.revoke(connection, key, NOW)
        page.wait_for_selector("main[data-signed-out]", timeout=300_000)
        assert "Fraud check" not in page.content()
        context.close()


def test_a_cookie_that_is_there_twice_opens_one_session_at_most(shop: Shop) -> None:
    """Which of both counts is the browser's order; neither adds to the other."""
    _, acme = made(shop, KeyKind.PAGE, "acme")
    _, globex = made(shop, KeyKind.PAGE, "globex")
    with serving(shop) as web:
        secrets = []
        for token in (acme, globex):
            web.cookies.clear()
            web.post("/enter", data={"key": token, "next": ""})
            secrets.append(web.cookies["watchkeeper_session"])
        web.cookies.clear()
        for first, last in (secrets, secrets[::-1]):
            both = {"Cookie": f"watchkeeper_session={first}; watchkeeper_session={last}"}
            codes = [web.get(f"/c/{client}/", headers=both).status_code for client in ("acme", "globex")]
            assert sorted(codes) == [200, 404]
        twice = httpx2.Headers([("Cookie", f"watchkeeper_session={one}") for one in secrets])
        codes = [web.get(f"/c/{client}/", headers=twice).status_code for client in ("acme", "globex")]
        assert codes.count(200) <= 1
