"""The engineers' overview: every figure as the API has it, its search, order and groups, and its alerts."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser
from sqlalchemy import event

from monitor.records import DAEMON, Measurement, Severity, Stream, Window, labels
from monitor.rules.language.wording import figure as told
from monitor.store import alerts, measurements, targets
from monitor.store.targets import TargetPeriod
from monitor.web.pages.overview.rows import per_time
from tests.support import clients
from tests.support.browser import Watched, browser
from tests.support.clients import CHURN, FRAUD, NOW, PRICE, Shop, fire
from tests.support.server import serving

HOSTILE = Stream('<img src=x onerror="alert(1)">', "a&b ?#%' {{7*7}}", "<b>prod")


COLUMNS = ("Requests", "Errors", "p95", "Quality", "Drift")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = clients.opened(
        tmp_path_factory.mktemp("overview"), hours=24 * 7, streams=(FRAUD, CHURN, PRICE, HOSTILE)
    )
    with made.store.write() as connection:
        for stream in (FRAUD, HOSTILE):
            for seconds in (60, 3600):
                measured(connection, stream, Window(int(NOW) - seconds, int(NOW)))
    return made


@pytest.fixture(scope="module")
def web(shop: Shop) -> Iterator[httpx2.Client]:
    with serving(shop) as client:
        yield client


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def measured(connection: Any, stream: Stream, window: Window) -> None:
    """A window with all figures of the overview; version 7 has others, which are not the model's."""
    values = [
        ("volume", 720.0, "predictions"),
        ("error_rate", 0.0125, "share"),
        ("latency_p95", 0.234, "seconds"),
    ]
    values += [("drifted_share", 0.25, "share"), ("accuracy", 0.8, "share")]
    found = [Measurement(stream, window, name, value, unit, n=720) for name, value, unit in values]
    found += [replace(one, value=0.5, labels=labels(version="7")) for one in found]
    measurements.put(connection, stream, window, found, NOW)


def rows(page: str) -> dict[str, dict[str, str]]:
    """The text of each cell by the model's name and the column, in the order of the page."""
    found = {}
    for row in re.findall(r'<tr class="row.*?</tr>', page, re.DOTALL):
        name = unescape(re.search(r'<th scope="row"><a [^>]*>(.*?)</a>', row, re.DOTALL)[1])  # type: ignore[index]
        cells = re.findall(r'<td data-label="([^"]+)"[^>]*>(.*?)</td>', row, re.DOTALL)
        state = re.search(r'class="state s-(\w+)"', row)
        found[name] = {
            label: " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split()) for label, text in cells
        }
        found[name]["State"] = state[1] if state else ""
    return found


def test_every_figure_is_the_one_that_the_api_has(web: httpx2.Client) -> None:
    shown = rows(web.get("/staff/").text)["fraud"]
    api = "/api/v1/clients/acme/models/fraud/measurements"
    minute, hour = (
        {
            one["metric"]: one
            for one in web.get(f"{api}?window={seconds}").json()["measurements"]
            if not one["labels"]
        }
        for seconds in (60, 3600)
    )
    assert shown["Requests"] == per_time(minute["volume"]["value"] / 60) == "12 /s"
    assert shown["Errors"] == told(minute["error_rate"]["value"], "share") == "1.25 %"
    assert shown["p95"] == told(minute["latency_p95"]["value"], "seconds") == "234 ms"
    assert shown["Drift"] == told(hour["drifted_share"]["value"], "share") == "25 %"


def test_state_and_quality_are_the_ones_that_the_client_reads(web: httpx2.Client) -> None:
    shown = rows(web.get("/staff/").text)
    for model in web.get("/api/v1/clients/acme").json()["models"]:
        row, quality = shown[model["model"]], model["quality"]
        assert row["State"] == model["state"]
        if quality is None:
            assert row["Quality"].startswith("—")
            continue
        assert row["Quality"].startswith(f"{quality['value']:.0%} {quality['metric']}".replace("%", " %"))
        assert ("at least 85 %" in row["Quality"]) == (quality["agreed"] == 0.85)


def test_a_missed_target_is_the_state_here_as_for_the_client(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=2, streams=(FRAUD, CHURN))
    period = TargetPeriod(
        stream=FRAUD,
        since=NOW - 60,
        until=None,
        standing="missed",
        metric="accuracy",
        target=0.85,
        is_least=True,
        value=0.79,
        low=0.77,
        high=0.81,
        n=900,
        seconds=86400,
    )
    with own.store.write() as connection:
        targets.put(connection, [period])
    with serving(own) as web:
        shown = rows(web.get("/staff/?sort=quality").text)
        told_to_client = {
            one["model"]: one["state"] for one in web.get("/api/v1/clients/acme").json()["models"]
        }
    assert next(iter(shown)) == "fraud"
    assert shown["fraud"]["State"] == told_to_client["fraud"] != "working"
    assert shown["churn"]["State"] == told_to_client["churn"] == "working"
    assert shown["fraud"]["Quality"] == "79 % accuracy at least 85 %, ✖ missed, last 24 hours"


def test_a_model_that_fell_silent_has_no_figures_of_now(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=2, streams=(FRAUD,))
    own.clock.advance(3 * 3600)
    with serving(own) as web:
        row = rows(web.get("/staff/").text)["fraud"]
    assert row["State"] == "waiting"
    assert [row[name].split()[0] for name in ("Requests", "Errors", "p95", "Drift")] == ["—"] * 4


def test_a_configured_model_that_never_sent_waits_and_has_a_page(web: httpx2.Client) -> None:
    row = rows(web.get("/staff/").text)["ranking"]
    assert (row["State"], row["Last prediction"]) == ("waiting", "never")
    page = web.get("/staff/m/acme/ranking/production").text
    assert "This model is configured, but has not sent any data yet" in page
    assert "1970" not in page
    assert web.get("/staff/m/acme/ranking/staging").status_code == 404
    assert web.get("/staff/m/acme/rankin/production").status_code == 404


def test_search_filters_and_order_stand_in_the_address(web: httpx2.Client) -> None:
    def names(query: str) -> list[str]:
        return list(rows(web.get(f"/staff/{query}").text))

    everything = names("")
    assert sorted(everything) == sorted(["fraud", "churn", "price", "ranking", HOSTILE.model])
    assert names("?q=ACME+fra") == ["fraud"]
    assert names("?q=risk") == ["fraud"]
    assert set(names("?client=acme")) == {"fraud", "churn", "ranking"}
    assert names("?owner=risk") == ["fraud"]
    assert names("?sort=model") == sorted(everything, key=str.casefold)
    assert names("?sort=-model") == sorted(everything, key=str.casefold, reverse=True)
    assert names("?client=nobody") == []
    assert names("?page=7") == []
    assert "No model matches." in web.get("/staff/?q=nothing+like+this").text
    for wrong in ("sort=price", "state=fine", "trend=cpu", "group=owner", "page=0", "page=-1", "page=x"):
        refused = web.get(f"/staff/?{wrong}")
        assert refused.status_code == 400
        assert "use one of" in refused.json()["hint"] or "pages" in refused.json()["hint"]


def test_hostile_names_are_text_and_their_links_lead_to_their_models(web: httpx2.Client) -> None:
    page = web.get("/staff/?group=client").text
    assert "<img" not in page
    assert "<b>prod" not in page
    assert HOSTILE.model in rows(page)
    link = re.search(r'<th scope="row"><a href="([^"]+)">a&amp;b', page)
    assert link is not None
    assert web.get(unescape(link[1])).status_code == 200
    found = rows(
        web.get("/staff/", params={"client": HOSTILE.client, "environment": HOSTILE.environment}).text
    )
    assert list(found) == [HOSTILE.model]
    searched = web.get("/staff/", params={"q": '"><script>alert(1)</script>'})
    assert "<script>alert" not in searched.text


def test_alerts_stand_on_top_and_a_filter_says_how_many_it_hides(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=1)
    fire(own)
    fire(own, PRICE, rule="HighErrorRate", severity=Severity.WARNING)
    fire(own, DAEMON, rule="DiskNearlyFull")
    with serving(own) as web:
        page, acme = web.get("/staff/").text, web.get("/staff/?client=acme").text
    assert page.index("LowAccuracy") < page.index("HighErrorRate") < page.index('<table class="models fleet"')
    assert "LowAccuracy" in acme
    assert "DiskNearlyFull" in acme
    assert "HighErrorRate" not in acme
    assert "1 open alert on models outside this filter." in acme


def test_an_acknowledgement_leads_back_to_the_same_view_and_nowhere_else(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=1)
    alert = fire(own)
    path = f"/staff/alerts/{alert.fingerprint}"
    with serving(own) as web:
        view = "/staff/?client=acme&sort=errors"
        back = re.search(r'name="back" value="([^"]*)"', web.get(view).text)
        assert back is not None
        answer = web.post(f"{path}/acknowledge", data={"csrf": "", "back": unescape(back[1])})
        assert (answer.status_code, answer.headers["location"]) == (303, view)
        for hostile in (
            "//evil.example",
            "https://evil.example/?q=x",
            "?sort=evil",
            "\r\nSet-Cookie: x=1",
            "%0d%0a",
        ):
            answer = web.post(
                f"{path}/silence", data={"csrf": "", "for": "1h", "comment": "x", "back": hostile}
            )
            assert answer.status_code == 303
            assert answer.headers["location"].split("?")[0] == "/staff/"
    with own.store.read() as connection:
        assert alerts.get(connection, alert.fingerprint).acknowledged_at == NOW  # type: ignore[union-attr]


def test_more_models_take_no_more_queries(tmp_path: Path) -> None:
    def counted(amount: int) -> int:
        folder = tmp_path / str(amount)
        folder.mkdir()
        own = clients.opened(folder, hours=1, streams=[Stream("acme", f"m{n}") for n in range(amount)])
        ran: list[str] = []
        with serving(own) as web:
            web.get("/staff/")
            event.listen(
                own.store.engine, "checkout", lambda driver, *_: driver.set_trace_callback(ran.append)
            )
            assert len(rows(web.get("/staff/").text)) == amount + sum(
                len(one.models) for one in own.clients.values()
            )
        return len(ran)

    assert counted(2) == counted(25)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off_and_the_state_comes_first(
    chromium: Browser, web: httpx2.Client, scheme: str
) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{web.base_url}/staff/?group=client")
    for box in ("document.documentElement", "document.querySelector('.scroll')"):
        assert page.evaluate(f"{box}.scrollWidth - {box}.clientWidth") <= 1, box
    first = page.locator("tr.row").first
    top = {name: first.locator(name).bounding_box()["y"] for name in (".state", "th", "td.of-trend >> nth=0")}  # type: ignore[index]
    page.close()
    assert top[".state"] < top["th"] < top["td.of-trend >> nth=0"]


def test_print_holds_the_whole_table_and_no_buttons(chromium: Browser, web: httpx2.Client) -> None:
    page = chromium.new_page(viewport={"width": 700, "height": 1000})  # the width of A4 between its margins
    page.goto(f"{web.base_url}/staff/")
    page.emulate_media(media="print")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    is_shown = page.get_by_role("button", name="Show").is_visible()
    page.close()
    assert wide <= 1
    assert not is_shown


def test_the_form_works_without_script(chromium: Browser, web: httpx2.Client) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{web.base_url}/staff/")
    page.get_by_label("Search").fill("acme")
    page.get_by_label("Sort").select_option("model")
    page.get_by_role("button", name="Show").click()
    assert list(rows(page.content())) == ["churn", "fraud", "ranking"]
    page.get_by_role("link", name="Model", exact=False).first.click()
    assert list(rows(page.content())) == ["ranking", "fraud", "churn"]
    context.close()


def test_a_search_filters_while_it_is_typed_and_the_address_can_be_shared(
    chromium: Browser, web: httpx2.Client
) -> None:
    watched = Watched(chromium.new_page())
    page = watched.page
    page.goto(f"{web.base_url}/staff/")
    page.get_by_label("Search").type("price")
    page.wait_for_selector("text=1 of 5 models")
    assert page.url.endswith("/staff/?q=price")
    assert page.evaluate("document.activeElement.id") == "by-q"
    page.get_by_label("Sparklines").select_option("errors")
    page.wait_for_url("**/staff/?q=price&trend=errors")
    page.reload()
    assert list(rows(page.content())) == ["price"]
    assert page.get_by_label("Sparklines").input_value() == "errors"
    page.close()
    assert watched.complaints == []
