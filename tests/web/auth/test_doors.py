"""Who gets in: before the first key, by which names, and with which limits."""

import json
import os
import socket
from pathlib import Path

import httpx2
import pytest
from litestar import get
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import parse_options_header

from monitor.clock import ManualClock
from monitor.errors import AccessError, InputError
from monitor.records import Silence
from monitor.store import api_keys, audit, silences
from monitor.store.api_keys import KeyKind, bounds
from monitor.store.db import Store
from monitor.web import host_names
from monitor.web.auth import socket_owner
from monitor.web.auth.audit import AuditLog
from monitor.web.auth.authentication import Access, is_local
from monitor.web.auth.socket_owner import diagnosed, is_same_user, owner_of
from monitor.web.connections import Connection, Connections, Limits
from monitor.web.pages.assets import ASSETS
from monitor.web.pages.rendering import attachment
from monitor.web.settings import WebSettings
from tests.support import clients, schema
from tests.support.clients import NOW, Shop
from tests.support.nginx import publishing
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


# Before the first key


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Uri", "X-Real-IP", "CDN-Loop",
        "X-Client-IP", "Fastly-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Envoy-External-Address",
        "X-Original-URL", "X-ProxyUser-Ip", "X-Forwarded", "X-Scheme", "Proxy-Connection", "X-Azure-ClientIP",
        "X-Appengine-User-Ip", "X-Amzn-Trace-Id", "X-Varnish", "Tailscale-User-Login", "Remote-User", "X-Host",
        "X-Url-Scheme", "Front-End-Https",
    ],
)  # fmt: skip
def test_whatever_a_proxy_adds_is_not_from_this_machine(header: str) -> None:
    assert is_local(HERE, "127.0.0.1", "1.1")
    assert not is_local({}, "127.0.0.1", "1.1"), "without a Host header"
    assert not is_local({**HERE, header.lower(): "1"}, "127.0.0.1", "1.1")


def test_a_program_of_another_user_is_not_the_user_of_the_daemon(keys: Access) -> None:
    assert keys.who(KeyKind.PAGE, HERE, "127.0.0.1", "1.1", lambda: True)
    with pytest.raises(AccessError, match="only the user who runs the daemon"):
        keys.who(KeyKind.PAGE, HERE, "127.0.0.1", "1.1", lambda: False)


def test_the_kernel_is_asked_once_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for owner, expected in ((os.geteuid(), True), (os.geteuid() + 1, False), (None, True)):
        monkeypatch.setattr(socket_owner, "diagnosed", lambda *_: None)
        monkeypatch.setattr(socket_owner, "owner_of", lambda *ends, owner=owner: asked.append(ends) or owner)
        connection = Connection(Connections(Limits(), lambda: None), {})
        connection.ends = ("127.0.0.1", 50_000), ("127.0.0.1", 8080)
        for _ in range(3):
            assert is_same_user({"state": {"connection": connection}})() is expected  # type: ignore[typeddict-item]
    assert len(asked) == 3


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_kernel_tells_whose_socket_is_at_the_other_end(family: socket.AddressFamily) -> None:
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.socket(family) as server:
        server.bind((host, 0))
        server.listen()
        with socket.create_connection(server.getsockname()[:2]) as here:
            own = here.getsockname()[:2], server.getsockname()[:2]
            assert owner_of(*own) == os.geteuid()
            assert owner_of(("127.0.0.9", 9), own[1]) is None
            assert diagnosed(*own) in (os.geteuid(), None)  # None where the kernel has no diagnosis
            assert diagnosed(("127.0.0.9", 9), own[1]) is None
            assert diagnosed(("nowhere", 9), own[1]) is None


def test_both_ways_to_ask_the_kernel_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        server.listen()
        port = server.getsockname()[1]
        for host, mapped in (("127.0.0.1", "::ffff:127.0.0.1"), ("::1", "::1")):
            with socket.create_connection((host, port)) as here:
                peer, own = (mapped, here.getsockname()[1]), (mapped, port)
                assert owner_of(peer, own) == os.geteuid()
                assert diagnosed(peer, own) in (os.geteuid(), None)
    monkeypatch.setattr(socket_owner, "_SOCK_DIAG", 31)  # a protocol that the kernel does not have
    assert diagnosed(peer, own) is None


def test_ipv4_within_ipv6_and_other_users_are_read_from_the_kernel_s_table(tmp_path: Path) -> None:
    table = tmp_path / "tcp6"
    line = (
        "0: 0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:1F90 01 0:0 0:0 0 33 0 1"
    )
    table.write_text(f"head\n{line}\ndamaged\n")
    ends = ("127.0.0.1", 50000), ("127.0.0.1", 8080)
    assert owner_of(*ends, (tmp_path / "none", table)) == 33
    assert owner_of(("::ffff:127.0.0.1", 50000), ends[1], (table,)) == 33
    assert owner_of(ends[1], ends[0], (table,)) is None


def test_nginx_on_this_machine_gives_a_stranger_nothing(shop: Shop, tmp_path: Path) -> None:
    """With the defaults of nginx since 1.29.7, HTTP/1.1 and no header that tells of it."""
    if os.geteuid() != 0:
        pytest.skip("only root can start nginx as another user")
    with serving(shop) as web:
        assert web.get("/staff/").status_code == 200
        with publishing(tmp_path, str(web.base_url), "", strips=False, tells=False) as address:
            for path in ("/staff/", "/staff/keys", "/api/v1/clients", "/metrics", "/c/acme/"):
                assert httpx2.get(f"{address}{path}", timeout=300).status_code in (401, 404), path
            for form in ({}, {"key": ""}, {"key": " "}):
                assert httpx2.post(f"{address}/enter", data=form, timeout=300).status_code == 404
                assert httpx2.get(f"{address}/enter/link", params=form, timeout=300).status_code == 404
            form = {"kind": "staff", "client": "", "name": "x"}
            assert httpx2.post(f"{address}/staff/keys/new", data=form, timeout=300).status_code == 404


@pytest.mark.parametrize("key", ["", " ", "wk_", "wk_x"])
def test_no_key_is_no_sign_in(shop: Shop, key: str) -> None:
    with serving(shop) as web:
        for answer in (web.post("/enter", data={"key": key}), web.get("/enter/link", params={"key": key})):
            assert answer.status_code == 404
            assert "set-cookie" not in answer.headers


def test_any_key_closes_everything(shop: Shop) -> None:
    paths = ("/staff/", "/c/acme/", "/metrics", "/api/v1/clients")
    with serving(shop) as web:
        assert [web.get(path).status_code for path in paths] == [200] * 4
        made(shop, KeyKind.INGEST, "acme")
        shop.clock.advance(6)
        assert [web.get(path).status_code for path in paths] == [404, 404, 401, 404]


def test_the_link_of_the_start_signs_in_once_and_until_a_key_is_made(shop: Shop) -> None:
    access = Access(shop.store, shop.clock, needs_token=True)
    token = access.first_token()
    with serving(shop, access=access) as web:
        assert web.get("/staff/").status_code == 404
        assert web.get("/metrics").status_code == 401
        assert web.get("/enter/link", params={"key": token}).headers["location"] == "/staff/keys"
        assert web.get("/staff/keys").status_code == 200
        cookies = dict(web.cookies)
        web.cookies.clear()
        assert web.get("/enter/link", params={"key": token}).status_code == 404
        made(shop, KeyKind.STAFF)
        shop.clock.advance(6)
        web.cookies.update(cookies)
        assert web.get("/staff/keys").status_code == 404


# Names of the host


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8080", True), ("[::1]:8080", True), ("localhost", True), ("a.localhost", True), ("10.0.0.8", True),
        ("watch.example.org", True), ("WATCH.example.org.:443", True), ("other.example.org:8080", True),
        ("monitoring", True), ("evil.example", False), ("watch.example.org.evil.example", False), ("", False),
        ("127.0.0.1.evil.example", False), ("[::1", False), ("1.2.3", False), ("evil.example:127.0.0.1", False),
    ],
)  # fmt: skip
def test_only_our_own_host_names_are_served(host: str, is_ours: bool) -> None:
    settings = WebSettings(public_url="https://watch.example.org/x/", hosts=("other.example.org",))
    assert host_names.is_expected(host, host_names.names_of(settings)) == (is_ours or host == "")


def test_a_name_that_leads_here_by_rebinding_reads_nothing(shop: Shop) -> None:
    with serving(shop) as web:
        answer = web.get("/c/acme/", headers={"Host": "evil.example:8080"})
        assert answer.status_code == 421
        assert "web.hosts" in answer.json()["hint"]
        page = web.get("/staff/", headers={"Host": "evil.example", "Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert web.get("/healthz", headers={"Host": "evil.example"}).status_code == 200
        token = made(shop, KeyKind.PAGE, "acme")
        shop.clock.advance(6)
        named = {"Host": "watchkeeper.monitoring.example", **bearer(token)}
        assert web.get("/c/acme/", headers=named).status_code == 200


# Limits of keys


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((KeyKind.PAGE, "viewer", (), ()), "cannot have the role"),
        ((KeyKind.STAFF, "owner", (), ()), "cannot have the role"),
        ((KeyKind.PAGE, "", ("fraud",), ()), "cannot be bound to models"),
        ((KeyKind.INGEST, "", ("a/b",), ()), "contains a slash"),
        ((KeyKind.INGEST, "", (), ("10.0.0.300",)), "not an IP address"),
    ],
)
def test_limits_that_mean_nothing_are_refused(arguments: tuple[object, ...], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        bounds(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("peer", "may"),
    [("10.0.0.8", True), ("::ffff:10.0.0.9", True), ("2001:db8::1", True), ("10.0.1.1", False), ("", True)],
)  # fmt: skip
def test_a_key_may_be_bound_to_addresses(shop: Shop, peer: str, may: bool) -> None:
    token = made(shop, KeyKind.INGEST, "acme", addresses=("10.0.0.0/24", "2001:db8::/32"))
    who = Access(shop.store, shop.clock).who
    if may:
        assert who(KeyKind.INGEST, {"authorization": f"Bearer {token}"}, peer).client == "acme"
    else:
        with pytest.raises(AccessError, match="may not be used from"):
            who(KeyKind.INGEST, {"authorization": f"Bearer {token}"}, peer)


def test_staff_keys_have_roles(shop: Shop) -> None:
    tokens = {role: made(shop, KeyKind.STAFF, role=role) for role in ("viewer", "operator", "admin")}
    form = {"kind": "metrics", "client": "", "csrf": ""}
    with serving(shop) as web:
        for role, token in tokens.items():
            assert web.get("/staff/", headers=bearer(token)).status_code == 200
            expected = 200 if role == "admin" else 403
            assert web.get("/staff/keys", headers=bearer(token)).status_code == expected
            assert web.post("/staff/keys/new", data=form, headers=bearer(token)).status_code == expected
            web.post("/enter", data={"key": token, "next": ""})
            assert web.get("/staff/keys").status_code == expected
            web.cookies.clear()
    with pytest.raises(AccessError, match="read-only key"):
        Access(shop.store, shop.clock).who(
            KeyKind.INGEST, {"authorization": f"Bearer {tokens['viewer']}"}, "10.0.0.1"
        )


def test_staff_of_one_client_see_and_end_its_silences_only(shop: Shop) -> None:
    with shop.store.write() as connection:
        for client in ("acme", "globex"):
            silence = Silence(client, (f'client="{client}"',), NOW - 1, NOW + 999, "ann", f"about {client}")
            silences.add(connection, silence)
    token = made(shop, KeyKind.STAFF, "acme")
    with serving(shop) as web:
        page = web.get("/staff/", headers=bearer(token)).text
        assert "about acme" in page
        assert "about globex" not in page
        ends = {one: f"/staff/silences/{one}/expire" for one in ("acme", "globex")}
        form = {"csrf": ""}
        assert web.post(ends["globex"], data=form, headers=bearer(token)).status_code == 404
        assert web.post(ends["acme"], data=form, headers=bearer(token)).status_code == 303


# What strangers leave behind


def test_strangers_are_counted_and_not_listed(shop: Shop) -> None:
    shop.clock.advance(0.5)
    made(shop, KeyKind.STAFF)
    with serving(shop) as web:
        for number in range(300):
            assert web.get(f"/c/client{number}/").status_code == 404
            assert web.get(f"/staff/m/a/b{number}/c").status_code == 404
    with shop.store.read() as connection:
        rows = [one for one in audit.latest(connection) if one.who == "stranger"]
    assert sum(one.times for one in rows) == 600
    assert len(rows) == 2
    assert {one.client for one in rows} == {""}
    assert {one.target for one in rows} == {
        "/c/{key}",
        "/staff/m/{client}/{model}/{environment}",
    }


def test_many_strangers_are_few_rows(shop: Shop) -> None:
    log = AuditLog(shop.store)
    for number in range(5000):
        log.count_stranger(
            audit.AuditEntry(NOW, "stranger", f"10.0.{number % 250}.{number % 7}", "read", "", "/c/", 404)
        )
    assert log.flush(NOW + 1) == 0, "a minute is counted first"
    assert log.flush(NOW + 61) == 21
    with shop.store.read() as connection:
        assert sum(one.times for one in audit.latest(connection)) == 5000


def test_the_command_line_makes_keys_with_limits(tmp_path: Path) -> None:
    from tests.support.fork_server import watchkeeper

    (tmp_path / "w.yaml").write_text(
        f'store: {{url: "sqlite:///{tmp_path}/w.db"}}\nclients: {{acme: {{name: Acme}}}}\n'
    )
    config = ("--config", str(tmp_path / "w.yaml"))
    limits = ("--model", "fraud", "--model", "churn", "--address", "10.0.0.0/24")
    first = watchkeeper("key", "create", "ingest", "--client", "acme", *limits, *config)
    assert "from now on everything requires a key" in first.stderr
    assert watchkeeper("key", "create", "staff", "--role", "viewer", *config).returncode == 0
    assert (
        watchkeeper("key", "create", "page", "--client", "acme", "--role", "viewer", *config).returncode == 2
    )
    listed = json.loads(watchkeeper("key", "list", "--json", *config).stdout)
    assert [one["limits"] for one in listed] == ["fraud, churn, 10.0.0.0/24", "viewer"]


@pytest.mark.parametrize(
    "name", ["acme-fraud.csv", "acme-модель.csv", 'a"b; x.csv', "a\u2028b%.csv", "名前.csv"]
)
def test_any_name_of_a_model_is_a_file_name(name: str) -> None:
    header = attachment(name)
    header.encode("latin-1")
    assert header.isprintable()
    _, parameters = parse_options_header(header)
    assert parameters["filename"] == name


def test_no_file_is_served_but_those_of_the_list(shop: Shop) -> None:
    others = (
        "style.css",
        "",
        ".",
        "..%2fassets.py",
        "%2e%2e/assets.py",
        "..%2f" * 4 + "pyproject.toml",
        ".git%2fHEAD",
    )
    with serving(shop) as web:
        for served in ASSETS.values():
            assert web.get(f"/static/{served}").status_code == 200
        for path in (*(f"/static/{name}" for name in others), "/.git/HEAD", "/pyproject.toml"):
            assert web.get(path).status_code == 404, path


@pytest.mark.parametrize(("kind", "status"), [(RuntimeError, 500), (SQLAlchemyError, 503)])
def test_an_error_that_nobody_foresaw_says_nothing_of_the_inside(
    shop: Shop, caplog: pytest.LogCaptureFixture, kind: type[Exception], status: int
) -> None:
    @get("/broken", sync_to_thread=False)
    def broken() -> str:
        raise kind("of the inside")

    with serving(shop, routes=[broken]) as web:
        for accept in ("application/json", "text/html"):
            answer = web.get("/broken", headers={"Accept": accept})
            assert answer.status_code == status
            assert "of the inside" not in answer.text
            assert "Traceback" not in answer.text
            assert kind.__name__ not in answer.text
    assert caplog.text.count("GET /broken failed") == 2
    assert "of the inside" in caplog.text
