"""Refused records and the audit log: filters and pages in the address, whatever was sent and asked."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe

from monitor.records import Rejected
from monitor.store import api_keys, audit, quarantine
from monitor.store.api_keys import KeyKind
from monitor.store.audit import AuditEntry
from monitor.store.quarantine import Quarantined
from tests.support import clients
from tests.support.browser import Watched, browser
from tests.support.clients import NOW, Shop
from tests.support.server import serving

QUARANTINE, AUDIT = "/staff/quarantine", "/staff/audit"
HOSTILE = "\"><script>alert('x')</script>\u202e" + "x" * 400
ROWS = 250


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """250 refused records of acme, an hour apart, and two of others; 250 looks at acme and one change at globex."""
    made = clients.opened(tmp_path_factory.mktemp("listings"), hours=1)

    def refused(number: int, client: str = "acme", model: str = "fraud", reason: str = "") -> Quarantined:
        record = b'{"id": "\xff<b>' + str(number).encode() + b'"}'
        error = f"100 % wrong: error_{number}"
        return Quarantined(
            NOW - 3600.0 * number,
            "predictions",
            reason or ("invalid", "too_old")[number % 2],
            Rejected(number, error, "send it again", client, model, record),
            1 + (number == 0),
        )

    with made.store.write() as connection:
        quarantine.put(connection, [refused(number) for number in reversed(range(ROWS))])
        quarantine.put(connection, [refused(0, "", "", "malformed"), refused(0, HOSTILE, HOSTILE, HOSTILE)])
        audit.add(
            connection,
            [
                AuditEntry(NOW - 60.0 * number, "Ann", "10.0.0.1", "read", "acme", f"/c/acme/{number}", 200)
                for number in reversed(range(ROWS))
            ],
        )
        audit.add(connection, [AuditEntry(NOW, HOSTILE[:256], "::1", "change", "globex", HOSTILE, 200)])
    return made


@pytest.fixture(scope="module")
def web(shop: Shop) -> Iterator[httpx2.Client]:
    with serving(shop) as client:
        yield client


def listed(text: str, pattern: str) -> list[str]:
    body = text.partition("<tbody>")[2].partition("</tbody>")[0]
    return re.findall(pattern, unescape(body))


def errors(web: httpx2.Client, **query: str | int) -> list[str]:
    answer = web.get(f"{QUARANTINE}?{urlencode(query)}")
    assert answer.status_code == 200
    return listed(answer.text, r"error_(\d+)")


def targets(web: httpx2.Client, **query: str | int) -> list[str]:
    answer = web.get(f"{AUDIT}?{urlencode(query)}")
    assert answer.status_code == 200
    return listed(answer.text, r"/c/acme/(\d+)")


def test_each_record_and_each_entry_stands_on_one_page(web: httpx2.Client) -> None:
    wanted = [str(number) for number in range(ROWS)]
    pages = (1, 2, 3)
    assert [one for page in pages for one in errors(web, client="acme", page=page)] == wanted
    assert [one for page in pages for one in targets(web, who="ann", client="acme", page=page)] == wanted
    assert errors(web, client="acme", page=99) == errors(web, client="acme", page=3)


def test_filters_find_what_they_name(web: httpx2.Client) -> None:
    assert errors(web, q="ERROR_24", client="acme") == ["24", *(str(number) for number in range(240, 250))]
    assert errors(web, q="%", client="acme") == errors(web, client="acme")
    assert errors(web, q="error_1_") == []  # no wildcard
    assert errors(web, reason="too_old", client="acme")[:3] == ["1", "3", "5"]
    assert errors(web, model="fraud", **{"from": "now-90m"}) == ["0", "1"]
    assert errors(web, model="fraud", to="2026-11-23T09:30") == errors(web, model="fraud", to="now-150m")
    assert errors(web, client="nobody") == []
    assert targets(web, target="/C/ACME/24") == ["24", *(str(number) for number in range(240, 250))]
    assert targets(web, address="::1") == []
    assert targets(web, action="read", **{"from": "now-150s"}) == ["0", "1", "2"]


def test_the_sums_are_of_what_is_selected(web: httpx2.Client) -> None:
    text = unescape(web.get(f"{QUARANTINE}?client=acme").text)
    assert "251 records were rejected in this selection; 250 are kept to look at" in text
    assert re.search(r">\s*invalid 126<", text)
    assert re.search(r">\s*too_old 125<", text)
    model = unescape(web.get("/staff/m/acme/fraud/production").text)
    assert f"{QUARANTINE}?client=acme&model=fraud" in model
    assert "26 in all: 14 invalid, 12 too_old" in model


def test_whatever_was_sent_stays_text_and_can_be_filtered_by(web: httpx2.Client) -> None:
    for address, name in ((QUARANTINE, "reason"), (AUDIT, "target")):
        text = web.get(address).text
        assert "<script>alert" not in text
        found = web.get(f"{address}?{urlencode({name: HOSTILE})}")
        assert found.status_code == 200
        assert "<script>alert" not in found.text
        assert len(re.findall(r"<tr>", found.text.partition("<tbody>")[2])) == 1


@pytest.mark.parametrize("address", [QUARANTINE, AUDIT])
def test_a_question_that_cannot_be_read_is_refused(web: httpx2.Client, address: str) -> None:
    for query in ("page=0", "page=x", "page=-1", "from=tomorrow", "from=now&to=now-1h"):
        assert web.get(f"{address}?{query}").status_code == 400


def test_staff_of_one_client_see_its_records_alone_and_no_audit(tmp_path: Path, shop: Shop) -> None:
    own = clients.opened(tmp_path, hours=1)
    with own.store.write() as connection:
        for client in ("acme", "globex", ""):
            record = Rejected(0, f"wrong of {client or 'nobody'}", "", client, "m", b"{}")
            quarantine.put(connection, [Quarantined(NOW, "predictions", "invalid", record)])
        token = api_keys.create(connection, KeyKind.STAFF, "acme", NOW)[1]
    with serving(own) as web:
        headers = {"Authorization": f"Bearer {token}"}
        for query in ("", "?client=globex", "?client="):
            text = web.get(QUARANTINE + query, headers=headers).text
            assert "wrong of acme" in text
            assert "wrong of globex" not in text
            assert "wrong of nobody" not in text
        assert web.get(AUDIT, headers=headers).status_code == 404
        assert web.get(QUARANTINE).status_code != 200


def test_an_empty_list_says_so(tmp_path: Path) -> None:
    with serving(clients.opened(tmp_path, hours=0)) as web:
        assert "No record was rejected." in web.get(QUARANTINE).text
        assert "No rejected record fits." in web.get(f"{QUARANTINE}?q=x").text
        assert "No entry fits." in web.get(f"{AUDIT}?who=x").text


def test_axe_finds_nothing_serious_and_the_policy_is_kept(web: httpx2.Client) -> None:
    with browser() as chromium:
        for address in (QUARANTINE, AUDIT):
            bare = chromium.new_page(bypass_csp=True)  # axe is put into the page by evaluation
            bare.goto(f"{web.base_url}{address}")
            found = Axe().run(bare, options={"resultTypes": ["violations"]}).response["violations"]
            bare.close()
            assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
            watched = Watched(chromium.new_page(viewport={"width": 390, "height": 800}))
            watched.page.goto(f"{web.base_url}{address}")
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert watched.page.evaluate(wide) <= 1
            watched.page.close()
            assert watched.complaints == []
