"""A daemon that nginx publishes at a path: every link, form, asset, redirect, cookie and event stream works."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from pydantic import ValidationError

from monitor.clock import SystemClock
from monitor.records import Severity
from monitor.reports.drilldowns import Drilldowns
from monitor.reports.settings import ReportSettings
from monitor.store import api_keys, digests
from monitor.store.api_keys import KeyKind
from monitor.web.app import create
from monitor.web.public_url import OWN_PATHS
from monitor.web.settings import WebSettings
from tests.support import clients, http
from tests.support.browser import Watched, browser
from tests.support.clients import CHURN, NOW, Shop, fire
from tests.support.nginx import publishing
from tests.support.server import services, serving

PATH = "/ml/watch.1"
SETTINGS = WebSettings(public_url=f"http://watch.example.com{PATH}/", requests_per_minute=100_000)


class Addresses(HTMLParser):
    """The addresses in a page: those that are opened, those that forms are posted to, and event streams."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: set[str] = set()
        self.posted: set[str] = set()
        self.streams: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        for name in ("href", "src"):
            if (address := named.get(name)) is not None:
                self.opened.add(address)
        if tag == "form" and named.get("method") == "post":
            self.posted.add(named["action"] or "")
        if (stream := named.get("data-events")) is not None:
            self.streams.add(stream)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    opened = clients.opened(tmp_path_factory.mktemp("published"), hours=30)
    fire(opened)
    fire(opened, CHURN, severity=Severity.INFO, rule="FeatureShifted")
    return opened


@contextmanager
def published(shop: Shop, folder: Path, *, strips: bool) -> Iterator[httpx2.Client]:
    drilldowns = Drilldowns(shop.store, SystemClock(), ReportSettings(folder=folder / "reports"))
    fields = {
        "settings": SETTINGS,
        "drilldowns": drilldowns,
        "runbook": lambda alert: f"{SETTINGS.public_url}runbooks/{alert.rule}",
    }
    with (
        serving(shop, **fields) as direct,
        publishing(folder, str(direct.base_url), PATH, strips=strips) as address,
        http.client(base_url=address, timeout=300) as client,
    ):
        yield client


def key(shop: Shop, kind: KeyKind, client: str = "") -> str:
    with shop.store.write() as connection:
        return api_keys.create(connection, kind, client, NOW)[1]


def sign_in(web: httpx2.Client, token: str) -> str:
    """The address that a form with a key leads to; the cookie is kept."""
    answer = web.post(f"{PATH}/enter", data={"key": token, "next": ""})
    assert answer.status_code == 303
    assert f"path={PATH}/;" in answer.headers["set-cookie"].lower() + ";"
    return answer.headers["location"]


def csrf(page: str) -> str:
    value = re.search(r'name="csrf" value="(\w+)"', page)
    assert value is not None
    return value[1]


def walk(web: httpx2.Client, start: str) -> tuple[dict[str, httpx2.Response], set[str], set[str]]:
    """Every page and file that can be reached from `start` by links, with all form targets and event streams."""
    answers: dict[str, httpx2.Response] = {}
    posted: set[str] = set()
    streams: set[str] = set()
    waiting = [start]
    while waiting:
        address = waiting.pop()
        if address in answers:
            continue
        answer = answers[address] = web.get(address, headers={"accept": "text/html"})
        if not answer.headers.get("content-type", "").startswith("text/html") or answer.status_code != 200:
            continue
        page = Addresses(answer.text)
        posted |= {urljoin(address, one) for one in page.posted}
        streams |= {urljoin(address, one) for one in page.streams}
        for link in page.opened:
            target = urlsplit(urljoin(address, link))
            assert target.netloc in ("", "watch.example.com"), link
            # One chart is enough: a model's page links to each of its metrics and times.
            if not target.query or target.path not in {urlsplit(one).path for one in answers}:
                waiting.append(f"{target.path}{f'?{target.query}' if target.query else ''}")
    return answers, posted, streams


@pytest.mark.parametrize("strips", [True, False], ids=["path-removed", "path-kept"])
def test_every_address_of_every_page_works(shop: Shop, tmp_path: Path, strips: bool) -> None:
    with shop.store.write() as connection:
        leave = digests.token(connection, "acme", f"lead-{strips}@example.com")
    staff, reader = key(shop, KeyKind.STAFF), key(shop, KeyKind.PAGE, "acme")
    with published(shop, tmp_path, strips=strips) as web:
        assert web.get(f"{PATH}/").headers["location"] == f"{PATH}/staff/"
        door = web.get(f"{PATH}/staff/", headers={"accept": "text/html"})
        assert door.status_code == 404
        assert Addresses(door.text).posted == {f"{PATH}/enter"}
        for token, home in ((staff, f"{PATH}/staff/"), (reader, f"{PATH}/c/acme/")):
            web.cookies.clear()
            assert sign_in(web, token) == home
            answers, posted, streams = walk(web, home)
            wrong = {one: answer.status_code for one, answer in answers.items() if answer.status_code != 200}
            assert wrong == {}
            assert f"{PATH}/c/acme/m/fraud" in answers
            assert any(one.startswith(f"{PATH}/static/") for one in answers)
            for target in posted:
                assert target.startswith(f"{PATH}/")
                assert web.post(target, data={"csrf": "wrong"}).status_code == 403, target
            assert streams
            for stream in streams:
                with web.stream("GET", stream) as events:
                    assert events.status_code == 200
                    assert "hello" in next(events.iter_text())
        page = web.get(f"{PATH}/unsubscribe/{leave}")
        for target in Addresses(page.text).posted:
            assert web.post(target).status_code == 200, target
        assert web.get(f"{PATH}/api/v1/openapi.json").json()["servers"] == [{"url": PATH}]


@pytest.mark.parametrize("strips", [True, False], ids=["path-removed", "path-kept"])
def test_forms_lead_back_inside_the_path(shop: Shop, tmp_path: Path, strips: bool) -> None:
    staff = key(shop, KeyKind.STAFF)
    with published(shop, tmp_path, strips=strips) as web:
        sign_in(web, staff)
        page = web.get(f"{PATH}/staff/").text
        form = {"csrf": csrf(page), "for": "1h", "comment": "maintenance"}
        for target in sorted(one for one in Addresses(page).posted if not one.endswith("/leave")):
            answer = web.post(target, data=form)
            assert answer.status_code == 303, target
            assert web.get(answer.headers["location"]).status_code == 200, target
        kept = web.get(f"{PATH}/enter/link", params={"key": staff, "next": f"{PATH}/c/acme/"})
        assert kept.headers["location"] == f"{PATH}/c/acme/"
        out = web.post(f"{PATH}/leave", data={"csrf": csrf(web.get(f"{PATH}/staff/").text)})
        assert out.headers["location"] == f"{PATH}/staff/"
        assert web.get(f"{PATH}/staff/").status_code == 404


def test_a_browser_shows_a_change_by_itself(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=3)
    token = key(shop, KeyKind.PAGE, "acme")
    with published(shop, tmp_path, strips=True) as web, browser() as chromium:
        watched = Watched(chromium.new_page())
        watched.page.goto(f"{web.base_url}{PATH}/enter/link?key={token}")
        watched.page.wait_for_selector("[data-live]:not([hidden])")
        fire(shop, at=NOW - 60)
        watched.page.wait_for_selector("text=Fraud check is right in 79")
        assert watched.complaints == []


def test_every_route_is_below_a_path_that_a_public_path_may_not_have(shop: Shop) -> None:
    for route in create(services(shop)).routes:
        assert route.path == "/" or any(f"{route.path}/".startswith(f"{own}/") for own in OWN_PATHS), (
            route.path
        )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("watch.example.com", "is not an address"),
        ("ftp://watch.example.com", "is not an address"),
        ("https:///watch", "is not an address"),
        ("https://example.com/watch?x=1", "is not an address"),
        ("https://example.com//evil.example", "between single slashes"),
        ("https://example.com/a/../b", "between single slashes"),
        ('https://example.com/"><script>', "between single slashes"),
        ("https://example.com/a b", "between single slashes"),
        *((f"https://example.com{own}/", "overlaps") for own in OWN_PATHS),
        ("https://example.com/c/acme", "overlaps"),
        ("https://example.com/api", "overlaps"),
    ],
)
def test_an_address_that_cannot_work_is_an_error_of_the_configuration(url: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        WebSettings(public_url=url)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", ""),
        ("https://example.com", ""),
        ("https://example.com/", ""),
        ("https://example.com/watch", "/watch"),
        ("https://example.com:8443/watch/", "/watch"),
        ("https://example.com/api/watch", "/api/watch"),
        ("https://example.com/custom", "/custom"),
    ],
)
def test_the_path_of_an_address(url: str, path: str) -> None:
    assert WebSettings(public_url=url).public_path == path
