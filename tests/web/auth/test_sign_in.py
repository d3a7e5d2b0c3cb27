"""Staff sign in through a real OpenID Connect provider that runs on this machine."""

import hashlib
import re
import threading
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import httpx2
import pytest
import werkzeug.serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from oidc_provider_mock import User
    from oidc_provider_mock import app as provider_app

from monitor.clock import SystemClock
from monitor.errors import AccessError, WatchkeeperError
from monitor.store import audit, sessions
from monitor.web.auth import oidc
from monitor.web.auth.authentication import Access
from monitor.web.auth.oidc import Attempt, Provider, Returned
from monitor.web.settings import OidcSettings, WebSettings
from tests.support import clients, http
from tests.support.clients import Shop
from tests.support.nginx import publishing
from tests.support.ports import free_port
from tests.support.server import serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:authlib.jose")
ROLES = {"ml-ops": "operator", "ml-admins": "admin", "readers": "viewer", "4711": "viewer"}
FORMS: list[tuple[dict[str, object], str, str]] = [
    ({"realm_access": {"roles": ["offline_access", "ml-ops"]}}, "realm_access.roles", "operator"),  # Keycloak
    ({"resource_access": {"my.app": {"roles": ["readers"]}}}, "resource_access.my.app.roles", "viewer"),
    ({"https://example.com/roles": ["ml-admins"]}, "https://example.com/roles", "admin"),  # Auth0
    ({"https://example.com/app": {"roles": ["ml-admins"]}}, "https://example.com/app.roles", "admin"),
    ({"a.b": {"c": "ml-ops"}, "a": {"b": {"d": "ml-admins"}}}, "a.b.c", "operator"),
    ({"a.b": {"c": "ml-ops"}, "a": {"b": {"d": "ml-admins"}}}, "a.b.d", "admin"),
    ({"groups": ["Everyone", "ml-ops"]}, "groups", "operator"),  # Okta
    ({"roles": ["ml-admins"], "groups": ["0b3f"]}, "roles", "admin"),  # Azure: application roles
    ({"groups": "ml-ops"}, "groups", "operator"),
    ({"groups": [{"name": "ml-ops"}, {"name": "x"}]}, "groups", "operator"),
    ({"groups": [{"value": "17", "display": "readers"}]}, "groups", "viewer"),  # SCIM
    ({"groups": [{"id": "17", "displayName": "ml-admins"}]}, "groups", "admin"),  # Microsoft Graph
    ({"groups": 4711}, "groups", "viewer"),
    ({"groups": [None, 1.5, [], "ml-ops"]}, "groups", "operator"),
    ({"urn:roles": {"ml-ops": {"1": "example.com"}, "ml-admins": False}}, "urn:roles", "operator"),  # Zitadel
]
ODD = [
    None, 0, 1.5, True, False, "", "sales", [], {}, [[]], [["ml-admins"]], [{}], [None], {"ml-admins": None},
    {"ml-admins": False}, {"ml-admins": "no"}, [{"name": None}], [{"name": {"name": "ml-admins"}}], 10**30,
    {"name": "ml-admins"}, [True], "ml-admins,readers", "x" * 5000, "\x00",
]  # fmt: skip
ODD_NAMES = [None, 7, {"a": "b"}, ["x"], "", " ", "x" * 300, "a\x00b", "a\nb"]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    people = (
        User(sub="ada", claims={"email": "ada@example.com", "groups": ["ml-ops", "readers"]}),
        *(User(sub=f"told {n}", claims=claims) for n, (claims, _, _) in enumerate(FORMS)),
        *(User(sub=f"odd {n}", claims={"groups": held}) for n, held in enumerate(ODD)),
        *(
            User(sub=f"unnamed {n}", claims={"groups": ["readers"], "email": e})
            for n, e in enumerate(ODD_NAMES)
        ),
        User(sub="ada's twin", claims={"email": "ada@example.com", "groups": ["readers", "ml-ops"]}),
        User(
            sub="key 12", claims={"email": "ada@example.com", "email_verified": False, "groups": ["readers"]}
        ),
        User(sub="eve", claims={"email": "eve@example.com", "groups": ["sales"]}),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = werkzeug.serving.make_server(
            "localhost", 0, provider_app(require_nonce=True, user_claims=people)
        )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return clients.opened(tmp_path, hours=1)


def settings(issuer: str, claim: str = "groups") -> WebSettings:
    oidc = OidcSettings(
        issuer=issuer,
        client_id="watchkeeper",
        client_secret="s3cret",  # type: ignore[arg-type]
        roles=ROLES,  # type: ignore[arg-type]
        role_claim=claim,
    )
    return WebSettings(oidc=oidc)


def services(shop: Shop, issuer: str, claim: str = "groups") -> dict[str, object]:
    # The provider's tokens carry the time of the machine, so the daemon has to live in the same one.
    clock = SystemClock()
    return {"settings": settings(issuer, claim), "clock": clock, "access": Access(shop.store, clock)}


def authorised(web: httpx2.Client, person: str, next_page: str = "/staff/") -> httpx2.Response:
    """Go to the provider, say who one is, and come back to the callback."""
    return web.get(returned(web, person, next_page))


def returned(web: httpx2.Client, person: str, next_page: str = "/staff/") -> str:
    """Go to the provider and say who one is: the address to which it sends the browser back."""
    away = web.get("/staff/sign-in", params={"next": next_page})
    assert away.status_code == 303
    with http.client(timeout=300) as browser:
        form = browser.get(away.headers["location"])
        assert form.status_code == 200, form.text
        back = browser.post(away.headers["location"], data={"sub": person})
    assert back.status_code in (302, 303), back.text
    place = urlsplit(back.headers["location"])
    return f"{place.path}?{place.query}"


def test_a_member_of_a_group_signs_in_with_the_highest_of_their_roles(shop: Shop, issuer: str) -> None:
    with serving(shop, **services(shop, issuer)) as web:
        assert web.get("/staff/").status_code == 404
        answer = authorised(web, "ada")
        assert (answer.status_code, answer.headers["location"]) == (303, "/staff/")
        page = web.get("/staff/")
        assert page.status_code == 200
        assert "ada@example.com (operator)" in re.sub(r"\s+", " ", page.text)
        assert web.get("/staff/keys").status_code == 403
        assert web.get("/c/acme/").status_code == 200


@pytest.mark.parametrize("strips", [True, False], ids=["path-removed", "path-kept"])
@pytest.mark.parametrize("is_public", [True, False], ids=["public_url", "no public_url"])
def test_the_provider_leads_back_through_a_proxy_with_a_path(
    shop: Shop, issuer: str, tmp_path: Path, strips: bool, is_public: bool
) -> None:
    """Without a public URL, the daemon is known by the host that it listens at."""
    port, path = free_port(), "/ml/watch"
    with publishing(tmp_path, f"http://127.0.0.1:{port}", path, strips=strips) as nginx:
        public = f"{nginx}{path}/" if is_public else ""
        chosen = settings(issuer).model_copy(update={"public_url": public})
        with serving(shop, **(services(shop, issuer) | {"settings": chosen}), port=port) as direct:
            base = f"{nginx}{path}" if is_public else str(direct.base_url).rstrip("/")
            with http.client(timeout=300) as browser:
                away = browser.get(f"{base}/staff/sign-in", params={"next": "/staff/"})
                asked = parse_qs(urlsplit(away.headers["location"]).query)
                assert asked["redirect_uri"] == [f"{base}/staff/callback"]
                browser.get(away.headers["location"])
                back = browser.post(away.headers["location"], data={"sub": "ada"})
                home = browser.get(back.headers["location"])
                assert home.status_code == 303, home.text
                page = browser.get(urljoin(base, home.headers["location"]))
                assert page.status_code == 200
                assert "ada@example.com" in page.text


def test_somebody_in_no_group_of_ours_stays_outside(shop: Shop, issuer: str) -> None:
    with serving(shop, **services(shop, issuer)) as web:
        answer = authorised(web, "eve")
        assert answer.status_code == 403
        assert "eve@example.com is not in a group that may sign in" in answer.json()["error"]
        assert web.get("/staff/").status_code == 404


def test_the_browser_gets_a_session_and_no_token_and_none_is_stored(shop: Shop, issuer: str) -> None:
    with serving(shop, **services(shop, issuer)) as web:
        authorised(web, "ada")
        assert web.get("/staff/").status_code == 200
        assert {name for name, value in web.cookies.items() if value} == {"watchkeeper_session"}
        assert "eyJ" not in str(dict(web.cookies)), "a token begins like this"
    files = Path(str(shop.store.url.database)).parent.glob("clients.db*")
    assert not [path for path in files if b"eyJ" in path.read_bytes()]


def test_signing_out_ends_the_session(shop: Shop, issuer: str) -> None:
    with serving(shop, **services(shop, issuer)) as web:
        authorised(web, "ada")
        csrf = re.search(r'name="csrf" value="(\w+)"', web.get("/staff/").text)
        assert csrf is not None
        secret = web.cookies["watchkeeper_session"]
        assert web.post("/leave", data={"csrf": csrf[1]}).status_code == 303
        web.cookies.set("watchkeeper_session", secret)
        assert web.get("/staff/").status_code == 404
    with shop.store.read() as connection:
        assert sessions.find(connection, secret, 0.0) is None


def test_an_answer_of_another_attempt_is_refused(shop: Shop, issuer: str) -> None:
    with serving(shop, **services(shop, issuer)) as web:
        web.get("/staff/sign-in")
        assert web.get("/staff/callback", params={"code": "x", "state": "another"}).status_code == 401
        web.cookies.clear()
        assert web.get("/staff/callback", params={"code": "x", "state": "y"}).status_code == 401


CALLBACK = "http://127.0.0.1:8080/staff/callback"


def authorized(provider: Provider, now: float) -> tuple[Attempt, str, str]:
    """An attempt that the provider has authorized, with the code and the state of its response."""
    address, attempt = provider.begin(CALLBACK, "/staff/", now)
    with http.client() as browser:
        location = browser.post(address, data={"sub": "ada"}).headers["location"]
    answer = parse_qs(urlsplit(location).query)
    return attempt, answer["code"][0], answer["state"][0]


def test_a_code_works_once_and_only_with_its_own_secret(issuer: str) -> None:
    provider = Provider(settings(issuer).oidc)
    now = SystemClock().now()
    attempt, code, state = authorized(provider, now)
    with pytest.raises(AccessError, match="expired"):
        provider.finish(attempt, Returned(code, state), CALLBACK, now + 700)
    person = provider.finish(attempt, Returned(code, state), CALLBACK, now)
    assert (person.name, person.role) == ("ada@example.com", "operator")
    with pytest.raises(AccessError, match="rejected the sign-in"):
        provider.finish(attempt, Returned(code, state), CALLBACK, now)


def test_a_token_made_for_another_sign_in_is_not_believed(issuer: str) -> None:
    provider = Provider(settings(issuer).oidc)
    now = SystemClock().now()
    attempt, code, state = authorized(provider, now)
    with pytest.raises(AccessError, match="response is not valid"):
        provider.finish(replace(attempt, nonce="another"), Returned(code, state), CALLBACK, now)


def test_a_code_is_asked_for_with_a_hash_and_used_with_what_was_hashed(
    issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PKCE. The provider of these tests does not compare them."""
    sent: list[bytes] = []
    send = oidc.DeadlineTransport.handle_request
    monkeypatch.setattr(
        oidc.DeadlineTransport,
        "handle_request",
        lambda self, asked: [sent.append(asked.read()), send(self, asked)][1],
    )
    provider, now = Provider(settings(issuer).oidc), SystemClock().now()
    address, attempt = provider.begin(CALLBACK, "/staff/", now)
    asked = dict(parse_qsl(urlsplit(address).query))
    expected = urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).decode().rstrip("=")
    assert (asked["code_challenge_method"], asked["code_challenge"]) == ("S256", expected)
    attempt, code, state = authorized(provider, now)
    provider.finish(attempt, Returned(code, state), CALLBACK, now)
    used = [dict(parse_qsl(body.decode())) for body in sent if body]
    assert [one["code_verifier"] for one in used if one.get("code") == code] == [attempt.verifier]


def test_a_provider_that_is_another_one_is_not_used(issuer: str) -> None:
    other = f"{issuer}/"
    with pytest.raises(WatchkeeperError, match="has another issuer"):
        Provider(settings(other).oidc).begin("http://x/", "/staff/", 0.0)


@pytest.mark.parametrize("place", range(len(FORMS)))
def test_groups_are_found_in_the_form_of_each_provider(shop: Shop, issuer: str, place: int) -> None:
    _, claim, role = FORMS[place]
    with serving(shop, **services(shop, issuer, claim)) as web:
        assert authorised(web, f"told {place}").status_code == 303
        assert f"told {place} ({role})" in re.sub(r"\s+", " ", web.get("/staff/").text)


def test_whatever_a_token_holds_is_a_clear_refusal(shop: Shop, issuer: str) -> None:
    with serving(shop, **services(shop, issuer)) as web:
        for place in range(len(ODD)):
            answer = authorised(web, f"odd {place}")
            assert answer.status_code == 403, (ODD[place], answer.text)
            assert "is not in a group that may sign in" in answer.json()["error"]
            assert web.get("/staff/").status_code == 404
        for place in range(len(ODD_NAMES)):
            assert authorised(web, f"unnamed {place}").status_code == 303
            assert f"unnamed {place} (viewer)" in re.sub(r"\s+", " ", web.get("/staff/").text)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "state=1",
        "state=a&nonce=b&verifier=c&next=d&started_at=e",
        "state=%C3%BC&nonce=b&verifier=c&next=d&started_at=1",
    ],
)
def test_a_forged_attempt_is_refused(shop: Shop, issuer: str, forged: str) -> None:
    with serving(shop, **services(shop, issuer)) as web:
        web.cookies.set("watchkeeper_attempt", f'"{forged}"')
        assert web.get("/staff/callback", params={"code": "x", "state": "ü"}).status_code == 401


@pytest.mark.parametrize(("signature", "status"), [("", 401), ("0" * 64, 401), ("own", 303)])
def test_an_attempt_counts_only_with_our_signature(
    shop: Shop, issuer: str, signature: str, status: int
) -> None:
    """All else is right: an attempt of somebody else, planted in a browser, would sign it in as them."""
    with serving(shop, **services(shop, issuer)) as web:
        back = returned(web, "ada")
        own, _, attempt = web.cookies["watchkeeper_attempt"].strip('"').partition(".")
        assert len(own) == 64
        web.cookies.clear()
        web.cookies.set("watchkeeper_attempt", f"{own if signature == 'own' else signature}.{attempt}")
        assert web.get(back).status_code == status
        assert web.get("/staff/").status_code == (200 if status == 303 else 404)


def test_who_it_is_is_told_by_the_subject_and_not_by_a_mail_address(shop: Shop, issuer: str) -> None:
    """Addresses are given to others, and some providers let anybody write any of them into a profile."""
    with serving(shop, **services(shop, issuer)) as web:
        own = "/staff/sessions"
        for person in ("ada", "ada's twin", "ada"):
            web.cookies.clear()
            assert authorised(web, person).status_code == 303
        assert web.get(own).text.count("/end") == 2, "both of ada's, none of her twin's"
        with shop.store.read() as connection:
            found = sessions.open_sessions(connection, SystemClock().now(), float("inf"))
        assert {one.principal for one in found} == {(issuer, "ada"), (issuer, "ada's twin")}
        assert {one.who for one in found} == {"ada@example.com"}
        twin = next(one for one in found if one.subject == "ada's twin")
        csrf = re.search(r'name="csrf" value="(\w+)"', web.get(own).text)
        assert csrf is not None
        assert web.post(f"{own}/{twin.id}/end", data={"csrf": csrf[1]}).status_code == 404
        web.cookies.clear()
        authorised(web, "key 12")
        assert "key 12 (viewer)" in re.sub(r"\s+", " ", web.get("/staff/").text), "an unverified address"
    with shop.store.read() as connection:
        signed = [one.who for one in audit.latest(connection) if one.target == "sign in"]
    ada, twin_name = "person ada (ada@example.com)", "person ada's twin (ada@example.com)"
    assert signed[::-1] == [ada, twin_name, ada, "person key 12"], "which is no key"
