"""Every time that an alert fired: filtered, paged, and each leading to the page of its episode with its own causes."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe

from monitor.records import Alert, Diagnosis, Severity, State, Stream, Transition
from monitor.store import alerts, api_keys, diagnoses
from monitor.store.api_keys import KeyKind
from tests.support import clients
from tests.support.browser import Watched, browser
from tests.support.clients import CHURN, FRAUD, NOW, PRICE, Shop
from tests.support.server import serving

PATH = "/staff/alerts"
HOSTILE = "\"><script>alert('x')</script>\u202e" + "x" * 400
EPISODES = 230


def happen(
    shop: Shop, name: str, stream: Stream, times: list[tuple[float, float | None]], severity: Severity
) -> Alert:
    """An alert that fired at these times, each with its own diagnosis; the last may go on."""
    key = f"{name}{stream.model}".ljust(16, "0")[:16]
    steps, found = [], None
    for number, (began, ended) in enumerate(times, 1):
        moves = [(began, State.PENDING, State.FIRING)]
        moves += (
            [(ended - 1, State.FIRING, State.RECOVERING), (ended, State.RECOVERING, State.RESOLVED)]
            if ended
            else []
        )
        steps += [
            Transition(key, at, before, to, number, "why", name, severity, stream) for at, before, to in moves
        ]
        known = Diagnosis(began, began, f"timeout number {number}", (f"version {number} is serving",))
        state = State.RESOLVED if ended else State.FIRING
        found = Alert(
            key, name, severity, stream, state=state, episode=number, fired_at=began, diagnosis=known
        )
        with shop.store.write() as connection:
            diagnoses.put(connection, [found])
    assert found is not None
    with shop.store.write() as connection:
        alerts.put(connection, [found])
        alerts.add_transitions(connection, steps)
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = clients.opened(tmp_path_factory.mktemp("alerts"), hours=1)
    hours = [(NOW - 3600.0 * back, NOW - 3600.0 * back + 600) for back in range(EPISODES, 0, -1)]
    happen(made, "HighErrorRate", FRAUD, [*hours], Severity.CRITICAL)
    happen(made, "HighLatency", CHURN, [(NOW - 7200, NOW - 3600), (NOW - 120, None)], Severity.WARNING)
    happen(made, "HighErrorRate", PRICE, [(NOW - 60, None)], Severity.CRITICAL)
    return made


@pytest.fixture(scope="module")
def web(shop: Shop) -> Iterator[httpx2.Client]:
    with serving(shop) as client:
        yield client


def listed(web: httpx2.Client, **query: str | int) -> list[tuple[str, str]]:
    """The alerts and their models, in order."""
    answer = web.get(f"{PATH}?{urlencode(query)}")
    assert answer.status_code == 200
    body = unescape(answer.text.partition("<tbody>")[2].partition("</tbody>")[0])
    return re.findall(r'episode=(\d+)">(?:\w+)</a>.*?data-label="Model">([^<]+)<', body)


def test_every_episode_is_listed_newest_first_and_leads_to_its_page(web: httpx2.Client) -> None:
    first = listed(web)
    assert first[:3] == [
        ("1", "globex/price/production"),
        ("2", "acme/churn/production"),
        (str(EPISODES), "acme/fraud/production"),
    ]
    assert len(first) == 100
    pages = [*first, *listed(web, page=2), *listed(web, page=3)]
    assert len(pages) == len(set(pages)) == EPISODES + 3
    links = re.findall(rf'href="({PATH}/[^"]+)"', web.get(PATH).text)
    assert {web.get(unescape(one)).status_code for one in links[:10]} == {200}
    assert f'href="{PATH}"' in web.get("/staff/").text


def test_the_list_is_filtered_by_client_model_rule_severity_and_time(web: httpx2.Client) -> None:
    assert listed(web, client="globex") == [("1", "globex/price/production")]
    assert len(listed(web, model="churn")) == 2
    assert {stream for _, stream in listed(web, severity="warning")} == {"acme/churn/production"}
    assert {stream for _, stream in listed(web, rule="HighLatency")} == {"acme/churn/production"}
    assert listed(web, **{"from": "now-3h", "to": "now-1h", "model": "churn"}) == [
        ("1", "acme/churn/production")
    ]
    assert listed(web, client="acme", model="price") == []
    assert "No alert fits." in web.get(f"{PATH}?client=nobody").text


def test_each_row_says_how_long_it_lasted_and_what_it_was(web: httpx2.Client) -> None:
    text = unescape(web.get(f"{PATH}?model=churn").text)
    assert "<strong>ongoing</strong>, 2 min" in text
    assert "1 h" in text
    assert text.index("timeout number 2") < text.index("timeout number 1")


def test_an_episode_that_is_over_keeps_its_own_causes(shop: Shop, web: httpx2.Client) -> None:
    key = next(one for one in re.findall(rf"{PATH}/(\w+)\?", web.get(f"{PATH}?model=churn").text))
    old, new = (unescape(web.get(f"{PATH}/{key}?episode={number}").text) for number in (1, 2))
    assert "timeout number 1" in old
    assert "<li>version 1 is serving</li>" in old
    assert "version 2 is serving" not in old
    assert "<li>version 2 is serving</li>" in new
    read = unescape(web.get("/c/acme/m/churn").text)
    assert "Possible cause at the start: timeout number 1; version 1 is serving" in read
    assert "Possible cause at the start: timeout number 2; version 2 is serving" in read


@pytest.mark.parametrize(
    ("query", "status"),
    [({"page": "0"}, 400), ({"page": "99999"}, 200), ({"from": "soon"}, 400), ({"from": "now", "to": "now-1h"}, 400),
     ({"rule": HOSTILE, "client": HOSTILE, "severity": HOSTILE}, 200),
        ({"model": "\0"}, 400)],
)  # fmt: skip
def test_any_address_is_answered(web: httpx2.Client, query: dict[str, str], status: int) -> None:
    answer = web.get(f"{PATH}?{urlencode(query)}")
    assert answer.status_code == status
    assert "<script>alert" not in answer.text


def test_staff_of_one_client_see_its_alerts_only(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=1)
    happen(own, "HighErrorRate", FRAUD, [(NOW - 60, None)], Severity.CRITICAL)
    happen(own, "HighErrorRate", PRICE, [(NOW - 60, None)], Severity.CRITICAL)
    with own.store.write() as connection:
        _, key = api_keys.create(connection, KeyKind.STAFF, "globex", NOW)
    with serving(own) as client:
        client.headers["authorization"] = f"Bearer {key}"
        assert [stream for _, stream in listed(client)] == ["globex/price/production"]
        assert listed(client, client="acme") == [("1", "globex/price/production")]
        client.headers["authorization"] = "Bearer wk_wrong"
        assert client.get(PATH).status_code == 404


def test_a_damaged_episode_is_left_out(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=1)
    happen(own, "HighErrorRate", FRAUD, [(NOW - 60, None)], Severity.CRITICAL)
    broken = happen(own, "HighLatency", CHURN, [(NOW - 60, None)], Severity.WARNING)
    with own.store.write() as connection:
        mine = alerts.transitions.c.fingerprint == broken.fingerprint
        connection.execute(alerts.transitions.update().where(mine).values(severity="?"))
        table = diagnoses.DIAGNOSES
        connection.execute(table.update().values(diagnosis=b"{"))
    with serving(own) as client:
        assert listed(client) == [("1", "acme/fraud/production")]


def test_it_is_accessible_and_fits_a_phone(web: httpx2.Client) -> None:
    with browser() as chromium:
        for width, scheme in ((1280, "light"), (390, "dark")):
            view = chromium.new_page(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,  # type: ignore[arg-type]
                bypass_csp=True,
            )
            watched = Watched(view)
            view.goto(f"{web.base_url}{PATH}?model=churn")
            assert view.evaluate("document.documentElement.scrollWidth") <= width
            found = Axe().run(view).response["violations"]
            assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
            assert watched.complaints == []
            view.close()
