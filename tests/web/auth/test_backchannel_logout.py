"""The identity provider signs somebody out here, too; nobody else can, and no token does it twice."""

import hmac
import json
import threading
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from monitor.store import api_keys, audit, sessions
from monitor.store.api_keys import KeyKind
from monitor.store.sessions import Session
from monitor.web.auth.logout_token import EVENT, LARGEST, VALID_FOR
from monitor.web.pages import events
from monitor.web.settings import OidcSettings, WebSettings
from tests.support import clients
from tests.support.clients import NOW, Shop
from tests.support.server import serving
from tests.web.auth.test_provider import TOKEN, Desk, Site, running

PATH = "/staff/backchannel-logout"
AT = int(NOW)
NONE = urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
GONE = object()
"""In place of a claim that is left out."""


def signed(header: dict[str, Any], content: dict[str, Any], key: Any) -> str:
    """A token, whatever its header says: the library would not sign each of these."""
    parts = [json.dumps(part).encode() for part in (header, content)]
    text = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    if header["alg"] == "HS256":
        signature = hmac.digest(key, text.encode(), "sha256")
    else:
        signature = key.private_key.sign(text.encode(), PKCS1v15(), SHA256())
    return f"{text}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


@dataclass
class Provider:
    """The provider's desk, the daemon that it tells, and people who are signed in."""

    site: Site
    settings: WebSettings

    def token(self, header: dict[str, Any] | None = None, key: Any = None, **changed: Any) -> str:
        """A logout token; claims are changed, or left out where they are GONE."""
        desk = self.site.desk
        told: dict[str, Any] = {
            "iss": desk.issuer,
            "aud": "w",
            "iat": AT,
            "exp": AT + 120,
            "jti": "1",
            "sub": "ada",
        }
        told |= {"events": {EVENT: {}}} | changed
        content = {name: value for name, value in told.items() if value is not GONE}
        named = {"alg": "RS256", "typ": "logout+jwt", "kid": desk.key.kid} | (header or {})
        given = {name: value for name, value in named.items() if value is not GONE}
        return signed(given, content, key or desk.key)

    def sends(self, token: str | None = None, **changed: Any) -> httpx2.Response:
        """What the provider is told when it sends a token, on a connection without cookies."""
        self.site.web.cookies.clear()
        return self.site.web.post(PATH, data={"logout_token": token or self.token(**changed)})

    def opened(self, subject: str = "ada", sid: str = "", issuer: str = "") -> str:
        """Somebody is signed in; what their browser holds."""
        issuer = issuer or self.site.desk.issuer
        made = Session(
            subject,
            "operator",
            "",
            "",
            NOW,
            NOW + 9999,
            issuer=issuer,
            subject=subject,
            groups=("ops",),
            sid=sid,
        )
        with self.site.shop.store.write() as connection:
            return sessions.open_session(connection, made)

    def is_in(self, secret: str) -> bool:
        headers = {"Cookie": f"watchkeeper_session={secret}"}
        return self.site.web.get("/staff/", headers=headers).status_code == 200


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    shop = clients.opened(tmp_path, hours=1)
    with shop.store.write() as connection:
        api_keys.create(connection, KeyKind.INGEST, "acme", NOW)
    desk = Desk(shop.clock.now)
    with running(desk):
        roles: Any = {"ops": "operator"}
        made = OidcSettings(issuer=desk.issuer, client_id="w", roles=roles)
        settings = WebSettings(oidc=made, requests_per_minute=100_000)
        with serving(shop, settings=settings) as web:
            yield Provider(Site(web, desk, shop), settings)


def entries(shop: Shop) -> list[tuple[str, str]]:
    with shop.store.read() as connection:
        listed = audit.latest(connection, "", 1000)
    return [(one.who, one.target) for one in listed if one.target.startswith("sign out")]


@pytest.mark.parametrize(
    ("said", "ended"),
    [
        ({}, {"ada 1", "ada 2", "ada"}),
        ({"sid": "1"}, {"ada 1", "ada"}),
        ({"sid": "1", "sub": GONE}, {"ada 1"}),
        ({"sid": "3"}, {"ada"}),
        ({"sid": "3", "sub": GONE}, {"eve 3"}),
        ({"sub": "nobody"}, set()),
        (
            {"aud": ["another", "w"], "exp": AT + 9e9, "events": {EVENT: {"x": 1}, "other": 1}},
            {"ada 1", "ada 2", "ada"},
        ),
    ],
)
def test_the_sessions_of_the_subject_or_of_its_session_there_end_and_no_others(
    provider: Provider, said: dict[str, Any], ended: set[str]
) -> None:
    """A session of whom the provider named none ends with each of them: rather one too many."""
    opened = {f"{name} {sid}".strip(): provider.opened(name, sid) for name, sid in (
        ("ada", "1"), ("ada", "2"), ("ada", ""), ("eve", "3"), ("eve", ""),
    )}  # fmt: skip
    with provider.site.shop.store.write() as connection:
        key, _ = api_keys.create(connection, KeyKind.STAFF, "", NOW)
        opened["key"] = sessions.open_session(connection, Session("ada", "admin", "", key.id, NOW, NOW + 999))
    elsewhere = provider.opened("ada", "1", "https://another.example.org")
    assert all(provider.is_in(secret) for secret in opened.values())
    answer = provider.sends(**said)
    assert (answer.status_code, answer.text, answer.headers["cache-control"]) == (200, "", "no-store")
    assert {name for name, secret in opened.items() if not provider.is_in(secret)} == ended
    with provider.site.shop.store.read() as connection:
        assert sessions.find(connection, elsewhere, NOW) is not None
    told = {f"person {name.split()[0]}" for name in ended}
    assert {who for who, _ in entries(provider.site.shop)} == told


FORGED_CLAIMS: dict[str, dict[str, Any]] = {
    "of another issuer": {"iss": "https://evil.example"},
    "without issuer": {"iss": GONE},
    "for another client": {"aud": "x"},
    "for several others": {"aud": ["x", "y"]},
    "for nobody": {"aud": GONE},
    "for an object": {"aud": {"w": 1}},
    "without time": {"iat": GONE},
    "too old": {"iat": AT - VALID_FOR},
    "from the future": {"iat": AT + 61},
    "with a time that is none": {"iat": str(AT)},
    "with a time that is true": {"iat": True, "exp": AT + 9},
    "expired": {"exp": AT - 60},
    "without end": {"exp": GONE},
    "with an end that is none": {"exp": "never"},
    "not valid yet": {"nbf": AT + 61},
    "with a beginning that is no time": {"nbf": True},
    "without id": {"jti": GONE},
    "with an empty id": {"jti": ""},
    "with an id that is a number": {"jti": 7},
    "with a long id": {"jti": "x" * 256},
    "without event": {"events": GONE},
    "of another event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "with a list of events": {"events": [EVENT]},
    "with an event that is no object": {"events": {EVENT: True}},
    "with a nonce": {"nonce": "n"},
    "with an empty nonce": {"nonce": None},
    "of nobody": {"sub": GONE},
    "of an empty subject": {"sub": ""},
    "of an empty session": {"sub": GONE, "sid": ""},
    "of a subject that is a list": {"sub": ["ada"]},
    "of a subject with controls": {"sub": "ada\x00"},
    "of a session that is an object": {"sid": {"1": 1}},
    "for access": {"header": {"typ": "at+jwt"}},
    "for signing in": {"header": {"typ": "id+jwt"}},
    "of a kind that is no text": {"header": {"typ": 7}},
    "with a critical header that nobody knows": {"header": {"crit": ["x"], "x": 1}},
}


@pytest.mark.parametrize("what", FORGED_CLAIMS)
def test_a_token_of_the_provider_that_is_not_for_this_ends_nothing(provider: Provider, what: str) -> None:
    secret = provider.opened()
    token = provider.token(**FORGED_CLAIMS[what])
    answer = provider.sends(token)
    assert answer.status_code == 400, answer.text
    assert provider.is_in(secret)
    assert entries(provider.site.shop) == []
    assert provider.sends().status_code == 200, "the genuine one counts"
    assert not provider.is_in(secret)


@pytest.mark.parametrize("typ", [GONE, "JWT", "logout+jwt", "application/logout+jwt", "LOGOUT+JWT"])
def test_what_providers_call_their_logout_tokens_is_known(provider: Provider, typ: object) -> None:
    assert provider.sends(header={"typ": typ}).status_code == 200


def forged(provider: Provider) -> dict[str, str]:
    """Tokens that are not signed by the provider."""
    good, desk = provider.token(), provider.site.desk
    head, body, signature = good.split(".")
    public = desk.key.as_pem(private=False)
    return {
        "nothing": " ",
        "no token": "x",
        "dots": "..",
        "many dots": "." * 9000,
        "without signature": f"{head}.{body}.",
        "that says it needs none": f"{NONE}.{body}.",
        "another signature": f"{head}.{body}.{signature[:-8]}AAAAAAAA",
        "another body": f"{head}.{provider.token(sub='eve').split('.')[1]}.{signature}",
        "of another key": provider.token(key=RSAKey.generate_key(2048, {"kid": "k"})),
        "of an unknown key": provider.token({"kid": "q"}, RSAKey.generate_key(2048, {"kid": "q"})),
        "of a curve's key": jwt.encode(
            {"alg": "ES256", "kid": "k"}, {"sub": "ada"}, ECKey.generate_key("P-256")
        ),
        "of the public key as a secret": provider.token({"alg": "HS256"}, public),
        "a sign-in": desk.token(),
        "too long": provider.token(pad="x" * LARGEST),
        "no text": "\x00\ufffd",
        "deep": "W1" * 2000 + ".W1.W1",
    }


def test_what_the_provider_has_not_signed_ends_nothing(provider: Provider) -> None:
    secret = provider.opened()
    told = {}
    for what, token in forged(provider).items():
        answer = provider.sends(token)
        told[what] = (answer.status_code, provider.is_in(secret), len(answer.text) < 400)
    assert told == dict.fromkeys(told, (400, True, True))
    for sent in ({}, {"logout_token": ""}, {"token": provider.token()}):
        assert provider.site.web.post(PATH, data=sent).status_code == 400
    twice = provider.site.web.post(PATH, content=f"logout_token={provider.token()}&logout_token=x".encode(),
                                   headers={"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
    assert twice.status_code == 400
    assert provider.site.web.post(f"{PATH}?logout_token={provider.token()}").status_code == 400
    assert provider.site.web.get(PATH).status_code == 405
    assert provider.is_in(secret)
    large = provider.site.web.post(PATH, data={"logout_token": "x" * 40_000})
    assert large.status_code in (400, 413)


def test_a_token_counts_once_in_all_daemons_and_after_a_restart(provider: Provider) -> None:
    token = provider.token()
    assert provider.sends(token).status_code == 200
    secret = provider.opened()
    for _ in range(2):
        again = provider.sends(token)
        assert (again.status_code, again.json()["error"]) == (400, "the logout token was sent before")
    with serving(provider.site.shop, settings=provider.settings) as another:
        assert another.post(PATH, data={"logout_token": token}).status_code == 400
    assert provider.is_in(secret)
    assert provider.sends(jti="2").status_code == 200
    assert not provider.is_in(secret)


def test_without_an_entry_nobody_is_signed_out_and_the_token_may_come_again(provider: Provider) -> None:
    secret, store = provider.opened(), provider.site.shop.store
    with store.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    assert provider.sends().status_code == 503
    assert provider.is_in(secret)
    with store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER broken")
    assert provider.sends().status_code == 200
    assert not provider.is_in(secret)


def test_of_equal_tokens_at_the_same_moment_one_counts(provider: Provider) -> None:
    provider.opened()
    token, meet = provider.token(), threading.Barrier(6)

    def send(_: int) -> int:
        meet.wait(300)
        return provider.site.web.post(PATH, data={"logout_token": token}).status_code

    with ThreadPoolExecutor(6) as threads:
        assert Counter(threads.map(send, range(6))) == {200: 1, 400: 5}
    assert len(entries(provider.site.shop)) == 1


def test_an_open_page_hears_nothing_more(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "ACCESS_SECONDS", 0.0)
    headers = {"Cookie": f"watchkeeper_session={provider.opened(sid='7')}"}
    with provider.site.web.stream("GET", "/c/acme/events", headers=headers) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("event: hello")
        assert provider.sends(sid="7").status_code == 200
        list(lines)  # ends, as the daemon closes it; else the test does not


def test_whoever_signed_out_on_the_way_here_does_not_come_in(provider: Provider) -> None:
    """The code was made before the provider signed them out, and is redeemed after."""
    provider.site.desk.claims = {"sid": "9"}
    assert provider.sends(sid="9").status_code == 200
    answer = provider.site.signed_in()
    assert answer.status_code == 401
    assert "you have signed out" in answer.json()["error"]
    assert provider.site.is_outside(answer)
    provider.site.desk.claims = {"sid": "10"}
    assert provider.site.signed_in().status_code == 303
    assert provider.sends(sid="10", sub=GONE, jti="2").status_code == 200, (
        "the session has what the sign-in told"
    )
    assert provider.site.web.get("/staff/").status_code == 404


@pytest.mark.parametrize("sid", [7, "", ["1"], "x" * 300, "a\x00", None])
def test_a_session_that_the_provider_does_not_name_well_ends_with_its_subject(
    provider: Provider, sid: object
) -> None:
    provider.site.desk.claims = {"sid": sid}
    assert provider.site.signed_in().status_code == 303
    kept = provider.site.web.cookies["watchkeeper_session"]
    assert provider.is_in(kept)
    assert provider.sends(sid="5").status_code == 200
    assert not provider.is_in(kept)


def test_without_a_provider_there_is_no_such_page(tmp_path: Path) -> None:
    with serving(clients.opened(tmp_path, hours=1)) as web:
        assert web.post(PATH, data={"logout_token": "x"}).status_code == 404


def test_refused_tokens_are_logged_with_reason_and_address(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.sends(aud="x")
    provider.sends(aud="x")
    assert [
        (one.address, one.reason) for one in caplog.records if one.message == "a sign-in was refused"
    ] == [  # type: ignore[attr-defined]
        ("127.0.0.1", "the logout token is not valid: it is for another client")
    ]
    assert TOKEN not in provider.site.desk.asked
