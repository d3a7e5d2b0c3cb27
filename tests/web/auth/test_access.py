"""Clients are strangers to each other, staff sign in, and what anybody looked at is written down."""

import ast
import re
from html import unescape
from pathlib import Path

import httpx2
import pytest

from monitor.clock import ManualClock
from monitor.errors import AccessError
from monitor.store import alerts, api_keys, audit, sessions, silences
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.web.auth.authentication import Access
from monitor.web.settings import WebSettings
from tests.support import clients
from tests.support.clients import NOW, Shop, fire
from tests.support.server import serving
from tests.support.waiting import until

ACME = ("/c/acme/", "/c/acme/m/fraud", "/c/acme/days.csv", "/c/acme/m/fraud/figures.csv", "/c/acme/events")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return clients.opened(tmp_path, hours=2)


def key(shop: Shop, kind: KeyKind, client: str = "", **fields: float) -> str:
    with shop.store.write() as connection:
        return api_keys.create(connection, kind, client, NOW, **fields)[1]  # type: ignore[arg-type]


def signed_in(web: httpx2.Client, token: str) -> httpx2.Response:
    return web.post("/enter", data={"key": token, "next": ""})


def entries(shop: Shop) -> list[audit.AuditEntry]:
    with shop.store.read() as connection:
        return audit.latest(connection)


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", ACME)
def test_a_page_key_opens_its_client_and_no_other(shop: Shop, path: str) -> None:
    other = key(shop, KeyKind.PAGE, "globex")
    with serving(shop) as web:
        bearer = {"Authorization": f"Bearer {other}"}
        assert web.get(path, headers=bearer).status_code == 404
        assert web.get(path).status_code == 404
    with serving(shop) as web:
        signed_in(web, other)
        assert web.get("/c/globex/").status_code == 200
        assert web.get(path).status_code == 404


def test_a_client_that_exists_looks_like_one_that_does_not(shop: Shop) -> None:
    token = key(shop, KeyKind.PAGE, "globex")
    with serving(shop) as web:
        signed_in(web, token)
        html = {"Accept": "text/html"}
        known, unknown = web.get("/c/acme/", headers=html), web.get("/c/nobody/", headers=html)
    assert known.status_code == unknown.status_code == 404
    assert known.text.replace("/c/acme", "") == unknown.text.replace("/c/nobody", "")


def test_a_link_with_a_key_signs_in_and_leaves_the_address_bar(shop: Shop) -> None:
    token = key(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        answer = web.get("/enter/link", params={"key": token, "next": "/c/acme/m/fraud"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/c/acme/m/fraud")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert web.get("/c/acme/m/fraud").status_code == 200
        until(lambda: any(one.target == "/c/acme/m/fraud" for one in entries(shop)), "it is written down")
    assert not [one for one in entries(shop) if token in f"{one}"]


@pytest.mark.parametrize(
    "next_page", ["https://evil.example/", "//evil.example/", "/c/acme/\\evil", "javascript:x"]
)
def test_a_sign_in_leads_to_our_own_pages_only(shop: Shop, next_page: str) -> None:
    token = key(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        answer = web.get("/enter/link", params={"key": token, "next": next_page})
    assert answer.headers["location"] == "/c/acme/"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("/c/acme/m/модель\u2028", "/c/acme/m/%D0%BC%D0%BE%D0%B4%D0%B5%D0%BB%D1%8C%E2%80%A8"),
        ("/c/acme/m/50%25?span=7d", "/c/acme/m/50%25?span=7d"),
        ("/c/acme/\r\nX-Injected: yes", "/c/acme/"),
        ("/c/acme/\tx", "/c/acme/"),
        ("/c/acme/\x00", "/c/acme/"),
    ],
)
def test_any_text_as_the_next_page_is_a_header_of_one_line(shop: Shop, asked: str, expected: str) -> None:
    token = key(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        answer = web.post("/enter", data={"key": token, "next": asked})
    assert (answer.status_code, answer.headers["location"]) == (303, expected)
    assert "x-injected" not in answer.headers


def test_the_page_that_a_stranger_asked_for_is_opened_after_the_sign_in(shop: Shop) -> None:
    token = key(shop, KeyKind.PAGE, "acme")
    page = "/c/acme/m/%D0%BC%3F%25"
    with serving(shop) as web:
        door = web.get(page, headers={"Accept": "text/html"}).text
        asked = unescape(door.partition('name="next" value="')[2].partition('"')[0])
        assert web.post("/enter", data={"key": token, "next": asked}).headers["location"] == page


def test_a_revoked_key_ends_its_sessions(shop: Shop) -> None:
    token = key(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        signed_in(web, token)
        assert web.get("/c/acme/").status_code == 200
        with shop.store.write() as connection:
            api_keys.revoke(connection, api_keys.keys(connection)[0].id, NOW)
        assert web.get("/c/acme/").status_code == 404


def test_a_session_ends_when_its_time_is_over(shop: Shop) -> None:
    token = key(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        signed_in(web, token)
        for _ in range(9):  # somebody uses it all the time
            shop.clock.advance(3000)
            assert web.get("/c/acme/").status_code == 200
        shop.clock.advance(8 * 3600 - 9 * 3000)
        assert web.get("/c/acme/").status_code == 404
    with shop.store.write() as connection:
        assert sessions.delete_expired(connection, shop.clock.now()) == 1


def test_a_session_ends_with_the_time_of_its_key(shop: Shop) -> None:
    token = key(shop, KeyKind.PAGE, "acme", expires_at=NOW + 600)
    with serving(shop) as web:
        signed_in(web, token)
        assert web.get("/c/acme/").status_code == 200
        shop.clock.advance(601)
        assert web.get("/c/acme/").status_code == 404


def test_law_no_script_reads_a_cookie_that_we_set() -> None:
    made = [
        ast.unparse(node)
        for path in Path("monitor/web").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Cookie"))
        or (isinstance(node, ast.JoinedStr) and "Max-Age=" in ast.unparse(node))
    ]
    assert len(made) >= 3
    assert all("httponly=true" in one.lower() or "; httponly;" in one.lower() for one in made), made


def test_law_no_script_of_ours_makes_markup_or_code_of_a_text() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in Path("monitor/web").rglob("*.js")}
    assert scripts
    makes = re.compile(r"(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc")
    assert {name: makes.findall(text) for name, text in scripts.items() if makes.search(text)} == {}


def test_law_no_script_of_ours_hears_other_sites_or_reads_what_windows_say() -> None:
    """Windows of our own origin tell each other that somebody signed out; whoever hears it asks the daemon again."""
    scripts = {path.name: path.read_text(encoding="utf-8") for path in Path("monitor/web").rglob("*.js")}
    assert "session.js" in scripts
    hears = re.compile(
        r"(window|self|top|parent|opener)\.(addEventListener\(.message|onmessage|postMessage)|\.data\b"
    )
    assert {name: hears.findall(text) for name, text in scripts.items() if hears.search(text)} == {}


def test_an_expired_key_opens_nothing(shop: Shop) -> None:
    token = key(shop, KeyKind.PAGE, "acme", expires_at=NOW + 60)
    shop.clock.advance(120)
    with serving(shop) as web:
        assert signed_in(web, token).status_code == 404


def test_a_reader_of_a_page_is_no_staff(shop: Shop) -> None:
    token = key(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        signed_in(web, token)
        assert web.get("/staff/").status_code == 404
        assert web.get("/staff/keys").status_code == 404
        assert web.get("/staff/m/acme/fraud/production").status_code == 404


def test_the_bare_address_leads_to_the_overview_or_its_door(shop: Shop) -> None:
    with serving(shop) as web:
        assert web.get("/", follow_redirects=True).url.path == "/staff/"
        key(shop, KeyKind.STAFF)
        shop.clock.advance(60)
        answer = web.get("/", headers={"Accept": "text/html"}, follow_redirects=True)
    assert answer.status_code == 404
    assert "Access key" in answer.text


def test_staff_see_every_client_and_every_measurement(shop: Shop) -> None:
    fire(shop)
    token = key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        signed_in(web, token)
        page = web.get("/staff/").text
        assert "acme/fraud/production" in page
        assert "globex/price/production" in page
        model = web.get("/staff/m/acme/fraud/production").text
    assert "latency_p50" in model
    assert "LowAccuracy" in model


def test_staff_of_one_client_see_that_client_only(shop: Shop) -> None:
    token = key(shop, KeyKind.STAFF, "acme")
    with serving(shop) as web:
        signed_in(web, token)
        assert "globex" not in web.get("/staff/").text
        assert web.get("/staff/m/globex/price/production").status_code == 404
        assert web.get("/staff/keys").status_code == 404
        assert web.get("/c/globex/").status_code == 404


def test_once_staff_have_keys_being_at_the_machine_is_not_enough(shop: Shop) -> None:
    with serving(shop) as web:
        assert web.get("/staff/").status_code == 200
    key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        assert web.get("/staff/").status_code == 404
        assert web.get("/c/acme/").status_code == 404


def test_a_form_without_its_token_changes_nothing(shop: Shop) -> None:
    alert = fire(shop)
    token = key(shop, KeyKind.STAFF)
    path = f"/staff/alerts/{alert.fingerprint}/acknowledge"
    with serving(shop) as web:
        signed_in(web, token)
        assert web.post(path, data={"csrf": "0" * 64}).status_code == 403
        right = {"csrf": csrf(web.get("/staff/").text)}
        assert web.post(path, data=right, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        with shop.store.read() as connection:
            assert alerts.get(connection, alert.fingerprint).acknowledged_at is None  # type: ignore[union-attr]
        assert web.post(path, data=right).status_code == 303
    with shop.store.read() as connection:
        taken = alerts.get(connection, alert.fingerprint)
    assert taken is not None
    assert taken.acknowledged_at == NOW


def test_clients_read_that_somebody_took_it_up(shop: Shop) -> None:
    alert = fire(shop)
    with serving(shop) as web:
        web.post(f"/staff/alerts/{alert.fingerprint}/acknowledge", data={"csrf": ""})
        assert "Our team is working on it." in web.get("/c/acme/").text


def test_a_silence_needs_a_reason_and_an_end(shop: Shop) -> None:
    alert = fire(shop)
    path = f"/staff/alerts/{alert.fingerprint}/silence"
    with serving(shop) as web:
        assert web.post(path, data={"for": "2h", "comment": ""}).status_code == 400
        assert web.post(path, data={"for": "400d", "comment": "x"}).status_code == 400
        assert web.post(path, data={"for": "2 hours", "comment": "x"}).status_code == 400
        assert web.post(path, data={"for": "2h", "comment": "new source"}).status_code == 303
    with shop.store.read() as connection:
        [silence] = silences.load(connection, NOW)
    assert 'model="fraud"' in silence.matchers
    assert silence.ends_at == NOW + 7200


def test_a_new_key_is_shown_once_and_works(shop: Shop) -> None:
    staff = key(shop, KeyKind.STAFF)
    with serving(shop) as web:
        signed_in(web, staff)
        form = {"csrf": csrf(web.get("/staff/keys").text), "kind": "page", "client": "acme", "days": "30"}
        token = re.search(r"<code>(wk_[\w-]+)</code>", web.post("/staff/keys/new", data=form).text)
        assert token is not None
        assert token[1] not in web.get("/staff/keys").text
        assert web.post("/staff/keys/new", data={**form, "client": " "}).status_code == 400
        shop.clock.advance(10)
        web.cookies.clear()
        assert web.get("/c/acme/", headers={"Authorization": f"Bearer {token[1]}"}).status_code == 200


def test_the_first_key_is_one_for_staff_so_that_nobody_locks_themselves_out(shop: Shop) -> None:
    with serving(shop) as web:
        assert web.post("/staff/keys/new", data={"kind": "page", "client": "acme"}).status_code == 400
        assert web.post("/staff/keys/new", data={"kind": "staff", "client": ""}).status_code == 200


def test_each_look_and_each_change_is_written_down(shop: Shop) -> None:
    alert = fire(shop)
    with serving(shop) as web:
        for _ in range(3):
            web.get("/c/acme/")
        web.get("/c/globex/m/nothing")
        web.post(f"/staff/alerts/{alert.fingerprint}/acknowledge", data={"csrf": ""})

        def entries() -> list[audit.AuditEntry]:
            with shop.store.read() as connection:
                return audit.latest(connection)

        until(lambda: any(e.target == "/c/acme" for e in entries()), "the audit log is written")
    found = entries()
    [look] = [entry for entry in found if entry.target == "/c/acme"]
    assert (look.who, look.client, look.times, look.outcome) == ("this machine", "acme", 3, 200)
    assert any(entry.action == "change" and "acknowledge acme/fraud" in entry.target for entry in found)
    assert any(entry.client == "globex" and entry.outcome == 404 for entry in found)


def test_a_field_of_a_form_may_be_there_once(shop: Shop) -> None:
    token = key(shop, KeyKind.PAGE, "acme")
    with serving(shop) as web:
        for keys in ([token, token], ["x", token], [token, ""]):
            answer = web.post("/enter", data={"key": keys, "next": ""})
            assert (answer.status_code, "set-cookie" in answer.headers) == (400, False)
        assert "set-cookie" in web.post("/enter", data={"key": [token], "next": ""}).headers


def test_an_address_that_asks_too_often_is_told_to_wait(shop: Shop) -> None:
    with serving(shop, settings=WebSettings(requests_per_minute=5)) as web:
        codes = [web.get("/c/acme/").status_code for _ in range(7)]
        refused = web.get("/c/acme/")
        assert web.get("/healthz").status_code == 200
    assert codes == [200] * 5 + [429] * 2
    assert int(refused.headers["retry-after"]) > 0


def test_every_answer_is_kept_to_itself(shop: Shop) -> None:
    with serving(shop) as web:
        paths = (
            "/c/acme/",
            "/metrics",
            "/healthz",
            "/nowhere",
            "/staff/",
            "/api/v1/alerts",
            "/v1/predictions",
        )
        answers = [web.get(path, headers={"Origin": "https://evil.example"}) for path in paths]
        asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        answers += [web.options(path, headers=asking) for path in paths]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "strict-transport-security" not in answer.headers
    with serving(shop, settings=WebSettings(public_url="https://watch.example.org")) as web:
        for path in ("/c/acme/", "/metrics", "/healthz", "/nowhere", "/staff/"):
            assert (
                web.get(path).headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
            ), path


def test_errors_have_one_shape_and_keep_secrets(shop: Shop) -> None:
    with serving(shop) as web:
        body = web.get("/nowhere").json()
        assert "/v1/predictions" in body["hint"]
        assert web.get("/c/nobody/").json() == web.get("/v1/prediction").json() == body
    assert set(body) == {"error", "hint"}


def test_a_refused_key_is_logged_with_its_id_and_address_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(f"sqlite:///{tmp_path}/keys.db")
    migrate(store)
    clock = ManualClock(1_795_420_800.0)
    with store.write() as connection:
        key, token = api_keys.create(connection, KeyKind.PAGE, "acme", clock.now())
    access = Access(store, clock)
    for sent in (token, token, "wk_nobody", "wk_else"):
        with pytest.raises(AccessError):
            access.who(KeyKind.INGEST, {"authorization": f"Bearer {sent}"}, "10.0.0.8")
    clock.advance(61)
    with pytest.raises(AccessError):
        access.who(KeyKind.INGEST, {"authorization": f"Bearer {token}"}, "10.0.0.8")
    logged = [(one.key, one.address) for one in caplog.records if one.message == "a key was refused"]  # type: ignore[attr-defined]
    assert logged == [(key.id, "10.0.0.8"), ("unknown", "10.0.0.8"), (key.id, "10.0.0.8")]
    assert token not in caplog.text
    store.close()
