"""The delivery lead's page of incidents: updates are written by those who may, and read by the client as text."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import Connection

from monitor.records import Stream
from monitor.store import api_keys, audit
from monitor.store.api_keys import KeyKind
from monitor.web.pages.events import _state
from tests.support import clients
from tests.support.browser import browser
from tests.support.clients import NOW, Shop, fire
from tests.support.server import serving

TEXT = '<script>alert(1)</script> The supplier\'s feed was late; {{7*7}} & "repaired".'
ODD = Stream("a?b #1 50%&ü", "m%20?x=1#y &amp; 'ü\"")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = clients.opened(tmp_path, hours=1, streams=(clients.FRAUD, clients.CHURN, ODD))
    fire(made)
    fire(made, ODD)
    return made


def key(connection: Connection, kind: KeyKind, client: str = "") -> dict[str, str]:
    return {"Authorization": f"Bearer {api_keys.create(connection, kind, client, NOW)[1]}"}


@pytest.mark.parametrize("client", ["acme", ODD.client])
def test_an_update_is_on_the_client_s_page_in_the_api_and_in_the_audit_log(shop: Shop, client: str) -> None:
    with shop.store.read() as connection:
        before = _state(connection, client)
    with serving(shop) as web:
        page = web.get("/staff/incidents", params={"client": client}).text
        [form] = re.findall(r'action="([^"]+/note)"', page)
        answer = web.post(unescape(form), data={"csrf": "", "text": f"  {TEXT}\r\nSoon. "})
        assert answer.status_code == 303
        page = web.get(answer.headers["location"]).text
        own = web.get(f"/c/{clients_path(client)}/").text
        [found] = web.get(f"/api/v1/clients/{clients_path(client)}/incidents").json()
        [withdraw] = re.findall(r'action="([^"]+/withdraw)"', page)
        assert "<script>alert" not in page + own
        for text in (page, own):
            assert f"{TEXT} Soon." in unescape(text)
        assert [one["text"] for one in found["notes"]] == [f"{TEXT} Soon."]
        with shop.store.read() as connection:
            assert _state(connection, client) != before, "open pages reload"
            assert audit.latest(connection, client)[0].target.startswith("note on ")
        assert web.post(unescape(withdraw), data={"csrf": ""}).status_code == 303
        assert "Soon." not in web.get(f"/c/{clients_path(client)}/").text


def clients_path(client: str) -> str:
    return client.replace("%", "%25").replace("?", "%3F").replace(" ", "%20").replace("#", "%23")


def test_what_is_empty_or_too_long_is_refused_with_the_reason(shop: Shop) -> None:
    with serving(shop) as web:
        [form] = re.findall(r'action="([^"]+/note)"', web.get("/staff/incidents?client=acme").text)
        for text, why in ((" \n ", "empty"), ("x" * 1001, "1,001 characters")):
            answer = web.post(unescape(form), data={"csrf": "", "text": text})
            assert (answer.status_code, why in answer.text) == (400, True), answer.text
        assert web.post("/staff/incidents/acme/unknown-1/note", data={"text": "x"}).status_code == 404
        assert web.post("/staff/incidents/acme/notes/unknown/withdraw", data={}).status_code == 404
        assert web.get("/staff/incidents?client=nobody").status_code == 404


def test_neither_readers_nor_staff_of_another_client_write_updates(shop: Shop) -> None:
    with shop.store.write() as connection:
        page = key(connection, KeyKind.PAGE, "acme")
        staff = key(connection, KeyKind.STAFF)
        other = key(connection, KeyKind.STAFF, ODD.client)
    with serving(shop) as web:
        [form] = re.findall(
            r'action="([^"]+/note)"', web.get("/staff/incidents?client=acme", headers=staff).text
        )
        for headers in ({}, page, other):
            assert web.post(unescape(form), data={"text": "x"}, headers=headers).status_code == 404
            assert web.get("/staff/incidents?client=acme", headers=headers).status_code == 404
        foreign = staff | {"Sec-Fetch-Site": "cross-site"}
        assert web.post(unescape(form), data={"text": "x"}, headers=foreign).status_code == 403
        assert web.post(unescape(form), data={"text": "x"}, headers=staff).status_code == 303


@pytest.mark.parametrize("width", [1280, 390])
def test_no_name_and_no_update_makes_a_page_wider_than_its_window(shop: Shop, width: int) -> None:
    word = "<b>" + "w" * 300
    acme = shop.clients["acme"]
    views = {name: view.model_copy(update={"title": word}) for name, view in acme.models.items()}
    named = acme.model_copy(update={"name": word, "models": views, "contact": word})
    long = replace(shop, clients={**shop.clients, "acme": named})
    with serving(long) as web, browser() as chromium:
        [form] = re.findall(r'action="([^"]+/note)"', web.get("/staff/incidents?client=acme").text)
        assert web.post(unescape(form), data={"csrf": "", "text": word}).status_code == 303
        for path in ("/c/acme/", "/c/acme/m/fraud", "/c/acme/reports", "/staff/incidents?client=acme"):
            page = chromium.new_page(viewport={"width": width, "height": 900})
            page.goto(f"{web.base_url}{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            page.close()
