"""Staff sign in through a real OpenID Connect provider that runs on this machine."""

import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import werkzeug.serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from oidc_provider_mock import User
    from oidc_provider_mock import app as provider_app

from monitor.clock import SystemClock
from monitor.errors import AccessError, WatchkeeperError
from monitor.store import sessions
from monitor.web.access import Access
from monitor.web.oidc import Provider
from monitor.web.settings import OidcSettings, WebSettings
from tests.support import clients
from tests.support.clients import Shop
from tests.support.server import serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:authlib.jose")
ROLES = {"ml-ops": "operator", "ml-admins": "admin", "readers": "viewer"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    people = (
        User(sub="ada", claims={"email": "ada@example.com", "groups": ["ml-ops", "readers"]}),
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


def settings(issuer: str) -> WebSettings:
    oidc = OidcSettings(issuer=issuer, client_id="watchkeeper", client_secret="s3cret", roles=ROLES)  # type: ignore[arg-type]
    return WebSettings(oidc=oidc)


def services(shop: Shop, issuer: str) -> dict[str, object]:
    # The provider's tokens carry the time of the machine, so the daemon has to live in the same one.
    clock = SystemClock()
    return {"settings": settings(issuer), "clock": clock, "access": Access(shop.store, clock)}


def authorised(web: httpx2.Client, person: str, next_page: str = "/staff/") -> httpx2.Response:
    """Go to the provider, say who one is, and come back to the callback."""
    away = web.get("/staff/sign-in", params={"next": next_page})
    assert away.status_code == 303
    with httpx2.Client(timeout=10) as browser:
        form = browser.get(away.headers["location"])
        assert form.status_code == 200, form.text
        back = browser.post(away.headers["location"], data={"sub": person})
    assert back.status_code in (302, 303), back.text
    place = urlsplit(back.headers["location"])
    return web.get(f"{place.path}?{place.query}")


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


def test_somebody_in_no_group_of_ours_stays_outside(shop: Shop, issuer: str) -> None:
    with serving(shop, **services(shop, issuer)) as web:
        answer = authorised(web, "eve")
        assert answer.status_code == 403
        assert "eve@example.com is in no group that may sign in" in answer.json()["error"]
        assert web.get("/staff/").status_code == 404


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


def test_a_code_works_once_and_only_with_its_own_secret(issuer: str) -> None:
    provider = Provider(settings(issuer).oidc)
    now = SystemClock().now()
    back = "http://127.0.0.1:8080/staff/callback"
    address, attempt = provider.begin(back, "/staff/", now)
    with httpx2.Client() as browser:
        location = browser.post(address, data={"sub": "ada"}).headers["location"]
    answer = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    with pytest.raises(AccessError, match="run out"):
        provider.finish(attempt, answer["code"], answer["state"], back, now + 700)
    person = provider.finish(attempt, answer["code"], answer["state"], back, now)
    assert (person.name, person.role) == ("ada@example.com", "operator")
    with pytest.raises(AccessError, match="refused"):
        provider.finish(attempt, answer["code"], answer["state"], back, now)


def test_a_token_made_for_another_sign_in_is_not_believed(issuer: str) -> None:
    provider = Provider(settings(issuer).oidc)
    now = SystemClock().now()
    back = "http://127.0.0.1:8080/staff/callback"
    address, attempt = provider.begin(back, "/staff/", now)
    with httpx2.Client() as browser:
        location = browser.post(address, data={"sub": "ada"}).headers["location"]
    answer = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    with pytest.raises(AccessError, match="cannot be believed"):
        provider.finish(replace(attempt, nonce="another"), answer["code"], answer["state"], back, now)


def test_a_provider_that_is_another_one_is_not_used(issuer: str) -> None:
    other = f"{issuer}/"
    with pytest.raises(WatchkeeperError, match="calls itself"):
        Provider(settings(other).oidc).begin("http://x/", "/staff/", 0.0)
