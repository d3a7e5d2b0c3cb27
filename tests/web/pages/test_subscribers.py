"""The list of mail subscribers: who may see it, its filters, and removal with an entry in the audit log."""

from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx2
import pytest

from monitor.digest.changes import subscriptions
from monitor.store import api_keys, audit, change_subscriptions
from monitor.store.api_keys import KeyKind
from monitor.store.audit import AuditFilter
from tests.support import clients
from tests.support.clients import NOW, Shop
from tests.support.server import serving

LIST, REMOVE = "/staff/subscribers", "/staff/subscribers/remove"
HOSTILE = '"><script>alert(1)</script>\u202e@example.org'
ADDRESSES = (("acme", "ann@example.org"), ("acme", "50%_off@example.org"), ("globex", "bob@example.org"))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = clients.opened(tmp_path, hours=1)
    with made.store.write() as connection:
        for client, address in (*ADDRESSES, ("acme", HOSTILE)):
            one = change_subscriptions.ask(connection, client, address, NOW, 0.0)
            assert one is not None
            if address != HOSTILE:
                change_subscriptions.confirm(connection, one, NOW)
    return made


@pytest.fixture
def web(shop: Shop) -> Iterator[httpx2.Client]:
    with serving(shop) as client:
        yield client


def listed(web: httpx2.Client, query: str = "", **headers: str) -> set[str]:
    answer = web.get(LIST + query, headers=headers)
    assert answer.status_code == 200
    body = answer.text.partition("<tbody>")[2].partition("</tbody>")[0]
    return {address for _, address in (*ADDRESSES, ("", HOSTILE)) if f">{address}</th>" in unescape(body)}


def test_every_address_is_listed_by_client_and_found_by_a_part_of_it(web: httpx2.Client) -> None:
    assert listed(web) == {"ann@example.org", "50%_off@example.org", "bob@example.org", HOSTILE}
    assert listed(web, "?client=globex") == {"bob@example.org"}
    assert listed(web, "?address=ANN@") == {"ann@example.org"}
    assert listed(web, "?address=%25_") == {"50%_off@example.org"}
    assert listed(web, "?address=nobody") == set()
    text = web.get(LIST).text
    assert "<script>alert" not in text
    assert text.count("not confirmed yet") == 1
    assert web.get(f"{LIST}?page=0").status_code == 400


def test_a_removed_address_is_gone_its_links_are_void_and_the_audit_log_says_who_did_it(
    shop: Shop, web: httpx2.Client
) -> None:
    with shop.store.read() as connection:
        [one] = change_subscriptions.find(connection, "acme", "ann@", 0, 10)
    form = {"client": "acme", "address": "ann@example.org"}
    answer = web.post(REMOVE, data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, LIST)
    assert "ann@example.org" not in listed(web)
    assert web.get(subscriptions.link(one, "leave", "")).status_code == 404
    assert web.post(REMOVE, data=form).status_code == 404, "it is not there any more"
    assert web.post(REMOVE, data={"client": "globex", "address": "ann@example.org"}).status_code == 404
    with shop.store.read() as connection:
        [entry] = audit.find(connection, AuditFilter(action="change"), 0, 10)
        assert [each.address for each in change_subscriptions.active(connection)["globex"]] == [
            "bob@example.org"
        ]
    assert (entry.client, entry.target) == ("acme", "remove a subscription to mails")
    with shop.store.write() as connection:
        assert change_subscriptions.ask(connection, "acme", "ann@example.org", NOW, 3600.0) is not None


def test_staff_of_one_client_see_and_remove_its_addresses_alone(shop: Shop, web: httpx2.Client) -> None:
    with shop.store.write() as connection:
        bound = api_keys.create(connection, KeyKind.STAFF, "acme", NOW)[1]
        page = api_keys.create(connection, KeyKind.PAGE, "acme", NOW)[1]
    staff = {"Authorization": f"Bearer {bound}"}
    assert listed(web, "?client=globex", **staff) == listed(web, **staff)
    assert "bob@example.org" not in listed(web, **staff)
    stolen = web.post(REMOVE, data={"client": "globex", "address": "bob@example.org"}, headers=staff)
    assert stolen.status_code == 404
    for headers in ({}, {"Authorization": f"Bearer {page}"}):
        assert web.get(LIST, headers=headers).status_code != 200
        refused = web.post(REMOVE, data={"client": "acme", "address": "ann@example.org"}, headers=headers)
        assert refused.status_code not in (200, 303)
    assert listed(web, **staff) >= {"ann@example.org"}
