"""Every link of every page leads to a page, whatever the client and the model are called."""

import re
from collections import Counter
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest

from monitor.records import Stream
from monitor.store import alerts
from tests.support import clients
from tests.support.clients import fire
from tests.support.server import serving

VIEWS = 12
FINGERPRINT = "alert-of-links-0"
STREAM = Stream("a?b #1 50%&ü", "m%20?x=1#y &amp; 'ü\"")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The status of each address that can be reached by links from the engineers' overview."""
    return crawled(tmp_path_factory.mktemp("links"))


def crawled(folder: Path) -> dict[str, int]:
    shop = clients.opened(folder, hours=2, streams=(STREAM,))
    alert = replace(fire(shop, STREAM), fingerprint=FINGERPRINT)
    with shop.store.write() as connection:
        alerts.put(connection, [alert])
    statuses: dict[str, int] = {}
    views: Counter[str] = Counter()
    with serving(shop) as web:
        waiting = ["/staff/", f"/c/{_quoted(STREAM.client)}/"]
        while waiting and len(statuses) < 400:
            # The views of one page lead to ever more views of it: a dozen of each, and every page.
            waiting.sort(key=lambda address: views[urlsplit(address).path], reverse=True)
            address = waiting.pop()
            views[urlsplit(address).path] += 1
            if views[urlsplit(address).path] > VIEWS:
                break
            answer = web.get(address)
            statuses[address] = answer.status_code
            if answer.status_code == 200 and "html" in answer.headers["content-type"]:
                found = {
                    _within(address, unescape(link)) for link in re.findall(r'href="([^"]*)"', answer.text)
                }
                waiting += sorted(
                    link for link in found if link and link not in statuses and link not in waiting
                )
    return statuses


def test_each_link_leads_to_a_page(pages: dict[str, int]) -> None:
    assert {address: status for address, status in pages.items() if status != 200} == {}


def test_the_pages_of_the_model_are_reached(pages: dict[str, int]) -> None:
    client, model = _quoted(STREAM.client), _quoted(STREAM.model)
    reached = {urlsplit(address).path for address in pages}
    assert {
        f"/c/{client}/",
        f"/c/{client}/days.csv",
        f"/c/{client}/m/{model}",
        f"/c/{client}/m/{model}/figures.csv",
        f"/staff/m/{client}/{model}/production",
        "/staff/quarantine",
        "/staff/audit",
        f"/staff/alerts/{_quoted(FINGERPRINT)}",
        f"/staff/m/{client}/{model}/production/features",
    } <= reached


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _within(address: str, link: str) -> str:
    """The address that a link leads to, without its fragment; empty where it leads elsewhere."""
    whole = urlsplit(urljoin(f"http://here{address}", link))
    if whole.netloc != "here" or whole.path.startswith("/staff/reports"):
        return ""
    return whole._replace(scheme="", netloc="", fragment="").geturl()
