"""An identity provider that is wrong, or somebody else: nobody is signed in, and the next genuine sign-in works."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import ValidationError

from monitor.errors import WatchkeeperError
from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from monitor.web.auth.oidc import Provider
from monitor.web.settings import OidcSettings, WebSettings
from tests.support import clients
from tests.support.clients import NOW, Shop
from tests.support.server import serving

Answer = tuple[int, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}
METADATA, TOKEN, KEYS = "/.well-known/openid-configuration", "/token", "/keys"


@cache
def usual_key() -> Any:
    """The key of a provider that does not rotate it: making one takes as long as a whole test."""
    return RSAKey.generate_key(2048, {"kid": "k"})


@dataclass
class Desk:
    """A provider whose answers may be replaced by path, with the paths that were asked for."""

    now: Callable[[], float]
    issuer: str = ""
    nonce: str = ""
    key: Any = field(default_factory=usual_key)
    told: dict[str, Answer] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    beside: list[Any] = field(default_factory=list)
    groups: list[str] = field(default_factory=lambda: ["ops"])
    claims: dict[str, Any] = field(default_factory=dict)
    rotates: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> Answer:
        self.asked.append(path)
        if path in self.told:
            return self.told[path]
        if path == METADATA:
            usual = {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize"}
            usual |= {"token_endpoint": f"{self.issuer}{TOKEN}", "jwks_uri": f"{self.issuer}{KEYS}"}
            return 200, JSON, json.dumps(usual | self.metadata).encode()
        if path == TOKEN:
            if self.rotates:
                self.key = RSAKey.generate_key(2048, {"kid": f"k{len(self.asked)}"})
            token = {"access_token": "a", "token_type": "Bearer", "id_token": self.token()}
            return 200, JSON, json.dumps(token).encode()
        assert path == KEYS
        published = {"keys": [*self.beside, self.key.as_dict(private=False)]}
        return 200, JSON, json.dumps(published).encode()

    def token(self) -> str:
        now = int(self.now())
        claims = {"iss": self.issuer, "sub": "ada", "aud": "w", "exp": now + 60, "iat": now}
        header = {"alg": "RS256", "kid": self.key.kid}
        return jwt.encode(
            header, claims | {"nonce": self.nonce, "groups": self.groups} | self.claims, self.key
        )


@contextmanager
def running(desk: Desk) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = desk.answer(urlsplit(self.path).path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    desk.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Site:
    """The daemon, and its provider."""

    web: httpx2.Client
    desk: Desk
    shop: Shop

    def signed_in(self, **changed: str | None) -> httpx2.Response:
        """The answer to whoever comes back from the provider, with parameters changed or left out."""
        self.web.cookies.clear()
        away = self.web.get("/staff/sign-in")
        if away.status_code != 303:
            return away
        asked = parse_qs(urlsplit(away.headers["location"]).query)
        self.desk.nonce = asked["nonce"][0]
        back = {"code": "c", "state": asked["state"][0]} | changed
        return self.web.get(
            "/staff/callback", params={name: one for name, one in back.items() if one is not None}
        )

    def is_outside(self, answer: httpx2.Response) -> bool:
        cookies = answer.headers.get_list("set-cookie")
        has_session = any(one.startswith("watchkeeper_session=") for one in cookies)
        return not has_session and self.web.get("/staff/").status_code == 404


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    shop = clients.opened(tmp_path, hours=1)
    with shop.store.write() as connection:
        api_keys.create(connection, KeyKind.INGEST, "acme", NOW)
    desk = Desk(shop.clock.now)
    with running(desk):
        roles: Any = {"ops": "operator"}
        oidc = OidcSettings(issuer=desk.issuer, client_id="w", client_secret="s", roles=roles)  # type: ignore[arg-type]
        settings = WebSettings(oidc=oidc, requests_per_minute=100_000)
        with serving(shop, settings=settings) as web:
            yield Site(web, desk, shop)


HTML = (200, {"Content-Type": "text/html"}, b"<!doctype html><title>Sign in</title>")
LARGE = (200, JSON, b'{"keys": [' + b"1," * 5_000_000 + b"1]}")
BROKEN: dict[str, Answer] = {
    "html": HTML,
    "10 MB": LARGE,
    "500": (500, {}, b"Traceback"),
    "404": (404, JSON, b'{"error": "no"}'),
    "redirect": (302, {"Location": "http://169.254.169.254/latest/meta-data/"}, b""),
    "empty": (200, JSON, b""),
    "list": (200, JSON, b"[]"),
    "null": (200, JSON, b"null"),
    "deep": (200, JSON, b"[" * 200_000),
    "no UTF-8": (200, JSON, b'{"issuer": "\xff"}'),
    "NaN": (200, JSON, b'{"issuer": NaN, "keys": NaN, "id_token": NaN}'),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("path", [METADATA, TOKEN, KEYS])
def test_a_broken_answer_signs_nobody_in_and_is_not_remembered(site: Site, path: str, what: str) -> None:
    site.desk.told[path] = BROKEN[what]
    answer = site.signed_in()
    assert answer.status_code in (401, 403, 502, 503), answer.text
    assert site.is_outside(answer)
    assert len(answer.text) < 2000
    assert "Traceback" not in answer.text
    site.desk.told.clear()
    assert site.signed_in().status_code == 303
    assert site.web.get("/staff/").status_code == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"issuer": ["x"]},
        {"authorization_endpoint": None},
        {"authorization_endpoint": ["https://evil.example"]},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "/authorize"},
        {"token_endpoint": None},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"jwks_uri": "ftp://evil.example/"},
    ],
    ids=str,
)
def test_metadata_that_cannot_be_are_not_used(site: Site, metadata: dict[str, Any]) -> None:
    site.desk.metadata = metadata
    answer = site.signed_in()
    assert answer.status_code in (401, 503), answer.text
    assert site.is_outside(answer)


def test_keys_that_change_at_every_sign_in_are_read_each_time(site: Site) -> None:
    site.desk.rotates = True
    for _ in range(3):
        assert site.signed_in().status_code == 303
    assert site.desk.asked.count(METADATA) == 1
    assert site.desk.asked.count(KEYS) == 3


def test_endpoints_that_moved_are_found_within_the_hour(site: Site) -> None:
    assert site.signed_in().status_code == 303
    site.desk.metadata = {"token_endpoint": f"{site.desk.issuer}/moved"}
    site.desk.told["/moved"] = (200, JSON, b"{}")
    site.shop.clock.advance(3601)
    assert site.signed_in().status_code == 401
    assert "/moved" in site.desk.asked


@pytest.mark.parametrize(
    "beside",
    [
        {"kty": "EC", "kid": "e", "crv": "brainpoolP256r1", "x": "AA", "y": "AA"},
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AA"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "oct", "kid": "o", "k": "AA"},
        {"kid": "without a kind"},
        {},
        None,
        "k",
        7,
    ],
    ids=str,
)
def test_a_key_of_a_kind_that_is_not_known_keeps_nobody_out(site: Site, beside: Any) -> None:
    site.desk.beside = [beside]
    assert site.signed_in().status_code == 303


@pytest.mark.parametrize(
    ("is_told", "issuer", "status"),
    [
        (False, None, 303), (False, "own", 303), (True, "own", 303), (False, "https://evil.example", 401),
        (True, None, 401), (True, "", 401), (True, "https://evil.example", 401),
    ],
)  # fmt: skip
def test_a_response_of_another_provider_is_refused(
    site: Site, is_told: bool, issuer: str | None, status: int
) -> None:
    """RFC 9207. Before the code is sent to anybody."""
    site.desk.metadata = {"authorization_response_iss_parameter_supported": is_told}
    answer = site.signed_in(iss=site.desk.issuer if issuer == "own" else issuer)
    assert answer.status_code == status
    assert (TOKEN in site.desk.asked) == (status == 303)
    assert site.is_outside(answer) == (status != 303)


@pytest.mark.parametrize(
    "changed",
    [
        {"code": None},
        {"code": ""},
        {"error": "access_denied"},
        {"code": None, "error": "<b>x</b>\u202e" * 999},
    ],
    ids=lambda changed: str(changed)[:40],
)
def test_a_refusal_of_the_provider_is_told_and_no_code_is_sent(
    site: Site, changed: Mapping[str, str | None]
) -> None:
    answer = site.signed_in(**changed)
    assert answer.status_code == 401
    assert "the identity provider rejected the sign-in" in answer.json()["error"]
    assert len(answer.text) < 400
    assert TOKEN not in site.desk.asked
    assert site.is_outside(answer)


def test_a_code_comes_back_once_to_the_browser_that_asked(site: Site) -> None:
    """Two browsers: the address with the code and the state of one is of no use to the other, nor a second time."""
    first = site.web.get("/staff/sign-in")
    asked = parse_qs(urlsplit(first.headers["location"]).query)
    site.desk.nonce = asked["nonce"][0]
    back = {"code": "c", "state": asked["state"][0]}
    own = dict(site.web.cookies)
    site.web.cookies.clear()
    assert site.web.get("/staff/callback", params=back).status_code == 401
    site.web.get("/staff/sign-in")  # it has an attempt of its own
    assert site.web.get("/staff/callback", params=back).status_code == 401
    assert TOKEN not in site.desk.asked
    site.web.cookies.clear()
    site.web.cookies.update(own)
    answer = site.web.get("/staff/callback", params=back)
    assert answer.status_code == 303
    [ended] = [one for one in answer.headers.get_list("set-cookie") if one.startswith("watchkeeper_attempt=")]
    assert "max-age=0" in ended.lower(), "the attempt is over"


OUTSIDE = (
    "https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
    "/staff/\\..\\evil", "/staff//evil.example", "/c/\r\nLocation: https://evil.example", " https://evil.example",
    "/staff", "/enter/link?key=wk_x", "/leave", "https:/staff/", "\t//evil.example", "/.//evil.example", "evil.example",
)  # fmt: skip


@pytest.mark.parametrize("next_page", OUTSIDE)
def test_a_sign_in_at_the_provider_leads_to_our_own_pages_only(site: Site, next_page: str) -> None:
    """What the browser brings back is signed; a page to go to that was signed by mistake is looked at again."""
    away = site.web.get("/staff/sign-in", params={"next": next_page})
    asked = parse_qs(urlsplit(away.headers["location"]).query)
    site.desk.nonce = asked["nonce"][0]
    answer = site.web.get("/staff/callback", params={"code": "c", "state": asked["state"][0]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/staff/")


@pytest.mark.parametrize("next_page", OUTSIDE)
def test_a_page_outside_in_a_signed_attempt_is_not_gone_to(
    site: Site, next_page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Provider.begin
    monkeypatch.setattr(
        Provider,
        "begin",
        lambda self, redirect, _, now, **more: begin(self, redirect, next_page, now, **more),
    )
    answer = site.signed_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/staff/")


def test_a_sign_in_that_is_refused_is_logged_with_its_reason_and_address_once_a_minute(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the provider says no, the browser has no attempt, or the person is in none of our groups."""
    site.signed_in(error="access_denied")
    site.signed_in(error="access_denied")
    site.web.cookies.clear()
    site.web.get("/staff/callback", params={"code": "c", "state": "s"})
    site.desk.groups = ["others"]
    site.signed_in()
    logged = [
        (one.address, one.reason)  # type: ignore[attr-defined]
        for one in caplog.records
        if one.message == "a sign-in was refused"
    ]
    assert logged == [
        ("127.0.0.1", "the identity provider rejected the sign-in: access_denied"),
        ("127.0.0.1", "your sign-in has expired"),
        ("127.0.0.1", "ada is not in a group that may sign in"),
    ]
    site.shop.clock.advance(61)
    site.signed_in(error="access_denied")
    assert caplog.text.count("a sign-in was refused") == 4


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_an_endpoint_without_tls_is_not_used(name: str) -> None:
    issuer = "https://login.example.org"
    endpoints = {one: f"{issuer}/{one}" for one in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    told = {"issuer": issuer} | endpoints | {name: "http://login.example.org/x"}

    class Told(Provider):
        def _get(self, client: Any, address: str, budget: object = None) -> Mapping[str, Any]:
            assert address == f"{issuer}/.well-known/openid-configuration"
            return told

    provider = Told(OidcSettings(issuer=issuer))
    for one in endpoints:
        if one == name:
            with pytest.raises(WatchkeeperError, match="without TLS"):
                provider._find(one, None, NOW)
        else:
            assert provider._find(one, None, NOW) == endpoints[one]


@pytest.mark.parametrize(
    ("issuer", "may"),
    [
        ("", True), ("https://login.example.org/realms/x", True), ("http://localhost:8080", True),
        ("http://[::1]:8080/x", True), ("http://login.example.org", False), ("http://10.0.0.8", False),
        ("login.example.org", False), ("ftp://localhost", False), ("http://localhost.evil.example", False),
        ("https://" + "x" * 600, False),
    ],
)  # fmt: skip
def test_a_provider_is_reached_by_tls(issuer: str, may: bool) -> None:
    if may:
        assert OidcSettings(issuer=issuer).issuer == issuer
    else:
        with pytest.raises(ValidationError, match=r"https|characters"):
            OidcSettings(issuer=issuer)
