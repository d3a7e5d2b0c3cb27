"""How long a sign-in lasts, who ends it, and what open pages hear."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.clock import ManualClock
from monitor.health.settings import ClientSettings
from monitor.store import api_keys, audit, sessions
from monitor.store.api_keys import KeyKind, bounds
from monitor.store.db import Store
from monitor.store.sessions import Session
from monitor.web.auth.authentication import Access
from monitor.web.pages import events
from monitor.web.pages.events import PageListeners
from monitor.web.settings import WebSettings
from tests.support import clients, schema
from tests.support.clients import NOW, Shop
from tests.support.server import serving

HERE = {"host": "127.0.0.1:8080"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return clients.opened(tmp_path, hours=2)


@pytest.fixture
def keys(tmp_path: Path) -> Access:
    store = Store(f"sqlite:///{tmp_path}/keys.db")
    schema.create(store)
    return Access(store, ManualClock(NOW))


def made(shop: Shop, kind: KeyKind, client: str = "", role: str = "", **limits: tuple[str, ...]) -> str:
    bound = bounds(kind, role, limits.get("models", ()), limits.get("addresses", ()))
    with shop.store.write() as connection:
        return api_keys.create(connection, kind, client, NOW, bound=bound)[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_session_ends_when_nobody_uses_it(shop: Shop) -> None:
    token = made(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        web.post("/enter", data={"key": token, "next": ""})
        for _ in range(3):
            shop.clock.advance(3000)
            assert web.get("/c/acme/").status_code == 200
        shop.clock.advance(3601)
        assert web.get("/c/acme/").status_code == 404


def test_no_session_is_stored_only_its_hash(shop: Shop) -> None:
    with shop.store.write() as connection:
        key, _ = api_keys.create(connection, KeyKind.PAGE, "acme", NOW)
        opened = Session("Ann", "", "acme", key.id, NOW, NOW + 60)
        secrets = {sessions.open_session(connection, opened) for _ in range(20)}
    content = b"".join(
        path.read_bytes() for path in Path(str(shop.store.url.database)).parent.glob("clients.db*")
    )
    assert len({len(one) for one in secrets}) == 1
    assert len(secrets) == 20
    assert all(len(one) >= 43 for one in secrets), "32 random bytes"
    assert not [one for one in secrets if one.encode() in content]
    with shop.store.read() as connection:
        assert all(sessions.find(connection, one, NOW) for one in secrets)
        assert sessions.find(connection, "x" * 43, NOW) is None


def test_sessions_are_listed_and_each_can_be_ended(shop: Shop) -> None:
    admin, viewer = made(shop, KeyKind.STAFF), made(shop, KeyKind.STAFF, role="viewer")
    with serving(shop) as web:
        web.post("/enter", data={"key": viewer, "next": ""})
        cookies = dict(web.cookies)
        assert web.get("/staff/sessions").text.count("/end") == 1, "its own only"
        stored = Path(str(shop.store.url.database))
        files = b"".join(one.read_bytes() for one in stored.parent.glob(f"{stored.name}*"))
        secret = cookies["watchkeeper_session"]
        assert len(secret) >= 43
        assert secret.encode() not in files
        assert sessions.digest(secret) in files
        with shop.store.read() as connection:
            one = sessions.open_sessions(connection, NOW, 3600.0)[0]
        web.cookies.clear()
        end = f"/staff/sessions/{one.id}/end"
        assert one.address == "127.0.0.1"
        assert (
            web.post(end, data={"csrf": ""}, headers=bearer(made(shop, KeyKind.STAFF, "acme"))).status_code
            == 404
        )
        assert web.post(end, data={"csrf": ""}, headers=bearer(admin)).status_code == 303
        web.cookies.update(cookies)
        assert web.get("/staff/").status_code == 404
    with shop.store.read() as connection:
        assert any(f"end session {one.id}" in entry.target for entry in audit.latest(connection))


def test_a_link_does_not_replace_a_session_without_asking(shop: Shop) -> None:
    own, other = made(shop, KeyKind.STAFF), made(shop, KeyKind.PAGE, "globex")
    with serving(shop) as web:
        web.post("/enter", data={"key": own, "next": ""})
        answer = web.get("/enter/link", params={"key": other}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert "Sign in with another key?" in answer.text
        assert web.get("/staff/").status_code == 200
        assert web.get("/enter/link", params={"key": own}).status_code == 303, "its own key is no other"
        assert web.post("/enter", data={"key": other, "next": ""}).headers["location"] == "/c/globex/"


def test_with_tls_cookies_are_of_this_host_alone(shop: Shop) -> None:
    token = made(shop, KeyKind.STAFF)
    settings = WebSettings(public_url="https://watch.example.org", requests_per_minute=100_000)
    with serving(shop, settings=settings) as web:
        cookie = web.post("/enter", data={"key": token, "next": ""}).headers["set-cookie"]
    assert cookie.startswith("__Host-watchkeeper_session=")
    assert "Secure" in cookie
    assert "Path=/;" in f"{cookie};"
    assert "domain" not in cookie.lower()


def test_an_open_page_hears_nothing_once_its_key_is_revoked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "ACCESS_SECONDS", 0.5)
    token = made(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web, web.stream("GET", "/c/acme/events", headers=bearer(token)) as stream:
        lines = stream.iter_lines()
        assert "hello" in next(lines)
        with shop.store.write() as connection:
            api_keys.revoke(connection, api_keys.keys(connection)[0].id, NOW)
        shop.clock.advance(6)
        begun = time.monotonic()
        for line in lines:
            assert "change" not in line
            assert time.monotonic() - begun < 300, "the stream ends by itself"


def test_open_pages_of_one_client_take_none_from_another() -> None:
    listeners = PageListeners(most=6, most_per_client=5)
    pages = [object() for _ in range(5)]
    for page in pages:
        assert not listeners.is_full("acme")
        listeners.add(page, "acme")
    assert listeners.is_full("acme")
    late = object()
    listeners.add(late, "acme")  # it asked at the same time as the last one
    assert not listeners.is_listening(late)
    listeners.remove(late)
    assert listeners.open == {"acme": 5}
    for number in range(3):
        assert not listeners.is_full("globex"), number
        listeners.add(object(), "globex")
    assert listeners.open == {"acme": 3, "globex": 3}
    assert [listeners.is_listening(page) for page in pages] == [False, False, True, True, True]
    assert listeners.is_full("globex")
    listeners.remove(pages[0])
    listeners.remove(pages[2])
    assert listeners.open["acme"] == 2


def test_a_hundred_open_pages_of_a_client_ask_a_thread_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CHECK_SECONDS", 1e6)
    listeners, asked, in_thread = PageListeners(), list[str](), PageListeners.in_thread

    async def counting(self: PageListeners, what: Callable[..., str], *arguments: object) -> str:
        asked.append(what.__name__)
        return await in_thread(self, what, *arguments)

    async def all_pages() -> set[str]:
        return {await listeners.state_in_thread(shop.store, "acme") for _ in range(100)}

    monkeypatch.setattr(PageListeners, "in_thread", counting)
    assert len(asyncio.run(all_pages())) == 1
    assert asked == ["state"]


def test_a_sign_in_is_written_down_with_its_name_and_ends_the_one_before(shop: Shop) -> None:
    first, second = made(shop, KeyKind.STAFF), made(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        web.post("/enter", data={"key": first, "next": ""})
        old = dict(web.cookies)
        web.post("/enter", data={"key": second, "next": ""})
        web.cookies.update(old)
        assert web.get("/staff/").status_code == 404
    with shop.store.read() as connection:
        entries = [entry for entry in audit.latest(connection) if entry.target == "/enter"]
    assert {(one.client, one.who.startswith("key "), one.outcome) for one in entries} == {
        ("", True, 303),
        ("acme", True, 303),
    }


def test_a_cookie_that_somebody_planted_opens_nothing_after_the_sign_in(shop: Shop) -> None:
    staff, reader = made(shop, KeyKind.STAFF), made(shop, KeyKind.PAGE, "globex")
    with serving(shop) as web:
        web.post("/enter", data={"key": reader, "next": ""})
        [name], [of_attacker] = list(web.cookies), web.cookies.values()
        for planted in ("x" * 43, of_attacker):
            web.cookies.clear()
            old = {"cookie": f"{name}={planted}"}
            web.post("/enter", data={"key": staff, "next": ""}, headers=old)
            assert list(web.cookies.values()) != [planted]
            assert web.get("/staff/").status_code == 200
            web.cookies.clear()
            assert web.get("/staff/", headers=old).status_code == 404
            assert web.get("/c/globex/", headers=old).status_code == 404, "the session before is over"


READER_PAGES = (
    "/c/acme/", "/c/acme/m/fraud", "/c/acme/reports", "/c/acme/reports/2026-W43", "/c/acme/sessions",
)  # fmt: skip


def test_a_reader_signs_out_on_every_page_and_ends_what_is_open_elsewhere(shop: Shop) -> None:
    token, other = made(shop, KeyKind.PAGE, "acme"), made(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        cookies = []
        for key in (token, token, other):
            web.cookies.clear()
            web.post("/enter", data={"key": key, "next": ""})
            cookies.append(dict(web.cookies))
        web.cookies.clear()
        web.cookies.update(cookies[0])
        for page in READER_PAGES:
            shown = web.get(page)
            assert shown.status_code == 200, page
            assert shown.text.count('action="/leave"') == 1, page
        listed = web.get("/c/acme/sessions").text
        ends = re.findall(r'action="(/c/acme/sessions/\w+/end)"', listed)
        assert len(ends) == 2, "the two of its key, not that of another key of the client"
        csrf = {"csrf": re.findall(r'name="csrf" value="(\w+)"', listed)[0]}
        elsewhere = next(one for one in ends if f'this one <form method="post" action="{one}"' not in listed)
        with shop.store.read() as connection:
            strange = next(
                one for one in sessions.open_sessions(connection, NOW, 3600.0) if one.id not in listed
            )
        assert web.post(f"/c/acme/sessions/{strange.id}/end", data=csrf).status_code == 404
        assert web.post(elsewhere, data={"csrf": "x"}).status_code == 403
        assert web.post(elsewhere, data=csrf).status_code == 303
        left = web.post("/leave", data=csrf).headers
        assert (left["location"], left["clear-site-data"]) == ("/c/acme/", '"cache", "storage"')
        for place, status in enumerate((404, 404, 200)):
            web.cookies.clear()
            web.cookies.update(cookies[place])
            assert web.get("/c/acme/").status_code == status, place
    with shop.store.read() as connection:
        told = [one.target for one in audit.latest(connection, "acme") if one.who.startswith("key ")]
    assert [sum(text.startswith(word) for text in told) for word in ("sign in", "end session", "sign out")] == [
        3, 1, 1,
    ]  # fmt: skip


def test_a_frame_keeps_no_cookie_of_a_reader_who_signed_out(shop: Shop) -> None:
    token = made(shop, KeyKind.PAGE, "acme")
    site = ClientSettings(frame_ancestors=("https://portal.example.org",))
    settings = WebSettings(public_url="https://watch.example.org", requests_per_minute=100_000)
    with serving(shop, settings=settings, clients={"acme": site}) as web:
        answer = web.post("/enter", data={"key": token, "next": ""})
        assert "Partitioned" in answer.headers["set-cookie"]
        secret = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
        cookie = {"Cookie": f"__Host-watchkeeper_session={secret}"}
        csrf = re.findall(r'name="csrf" value="(\w+)"', web.get("/c/acme/", headers=cookie).text)[0]
        gone = web.post("/leave", data={"csrf": csrf}, headers=cookie).headers["set-cookie"]
    assert gone.startswith("__Host-watchkeeper_session=;")
    assert "Max-Age=0" in gone
    assert "Partitioned" in gone


@pytest.mark.parametrize("role", ["", "viewer"])
def test_a_sign_in_that_cannot_be_written_down_is_none(shop: Shop, role: str) -> None:
    token = made(shop, KeyKind.STAFF, role=role) if role else made(shop, KeyKind.PAGE, "acme")
    with shop.store.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER f BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with serving(shop) as web:
        answer = web.post("/enter", data={"key": token, "next": ""})
        assert answer.status_code == 503
        assert "set-cookie" not in answer.headers
    with shop.store.read() as connection:
        assert sessions.open_sessions(connection, NOW, 3600.0) == []
