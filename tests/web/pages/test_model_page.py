"""The engineer's page: any stretch of time, any figure, refused records, and a report on an alert with one click."""

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx2
import pyarrow as pa
import pytest
from playwright.sync_api import Browser

from monitor.clock import SystemClock
from monitor.records import Alert, Rejected, Severity, State
from monitor.reports import child_process
from monitor.reports.drilldowns import Drilldowns, ReportStage
from monitor.reports.settings import ReportSettings
from monitor.store import alerts, api_keys, audit, drift, quarantine, timeseries
from monitor.store.api_keys import KeyKind
from monitor.store.drift import StoredCalibration
from monitor.store.quarantine import Quarantined
from monitor.windows import baseline
from tests.support import clients
from tests.support.browser import Watched, browser
from tests.support.clients import FRAUD, NOW, Shop, fire
from tests.support.log import STREAM
from tests.support.measuring import MeasuringDaemon, measuring_daemon
from tests.support.server import serving
from tests.support.waiting import until

PAGE = "/staff/m/acme/fraud/production"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return clients.opened(tmp_path_factory.mktemp("engineer"), hours=72)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def times(page: str, chart: str = "zoom") -> list[str]:
    """The times in the table of a chart."""
    card = page.partition(f'aria-labelledby="{chart}-head"')[2].partition("</section>")[0]
    return re.findall(r'<tr data-at="\d+"><th scope="row">([^<]+)</th>', card)


def test_a_link_from_grafana_shows_the_time_that_it_names(shop: Shop) -> None:
    milliseconds = [round((NOW - hours * 3600) * 1000) for hours in (50, 40)]
    query = "?metric=latency_p50&from={}&to={}".format(*milliseconds)
    with serving(shop) as web:
        page = web.get(PAGE + query).text
        reader = web.get("/c/acme/m/fraud?from={}&to={}".format(*milliseconds)).text
    assert times(page)[0] == "2026-11-21 11:00"
    assert times(page)[-1] == "2026-11-21 20:00"
    assert len(times(page)) == 10
    assert "2026-11-21 11:00 to 2026-11-21 21:00" in reader


def test_the_page_opens_around_an_open_alert_at_the_finest_grain(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=3)
    with serving(own) as web:
        quiet = web.get(PAGE).text
        alert = fire(own, rule="HighErrorRate", at=NOW - 3600)
        with own.store.write() as connection:
            alerts.put(connection, [replace(alert, metric="error_rate", limit=0.05, unit="share")])
        alarmed = web.get(PAGE).text
        later = web.get(f"{PAGE}?span=7d").text
        named = web.get(f"{PAGE}?span=24h&alert={alert.fingerprint}").text
    assert "Around" not in quiet + later
    assert "A point is 1h" in quiet
    assert "Around HighErrorRate, which fired at 2026-11-23T11:00:00Z" in alarmed
    assert "A point is 1m." in alarmed
    assert times(alarmed, "errors")[0] == "2026-11-23 11:00"  # an hour before, in Berlin
    assert "limit of HighErrorRate" in alarmed
    assert "◆ alert fired" in alarmed
    assert "limit of HighErrorRate" in named


def test_an_alert_on_a_figure_of_no_chart_brings_its_own_chart(tmp_path: Path) -> None:
    own = clients.opened(tmp_path, hours=3)
    alert = fire(own, rule="Unsure", at=NOW - 3600)
    with own.store.write() as connection:
        alerts.put(connection, [replace(alert, metric="confidence_mean", limit=0.8, unit="share")])
    with serving(own) as web:
        page = web.get(PAGE).text
        other = web.get(f"{PAGE}?metric=nonsense").text
    assert '<h3 id="zoom-head">confidence_mean</h3>' in page
    assert "limit of Unsure" in page
    assert "zoom-head" not in other.replace("#zoom-head", "")
    assert "nonsense: not measured in the newest window." in other


def test_the_four_charts_say_what_they_show(shop: Shop) -> None:
    with serving(shop) as web:
        page = unescape(web.get(f"{PAGE}?span=24h").text)
        alone = unescape(web.get(f"{PAGE}?span=24h&compare=none").text)
    for title in ("Requests per second", "Errors by type", "Latency percentiles", "Quality: accuracy"):
        assert f">{title}</h3>" in page
    assert "the day before</li>" in page
    assert "the day before</li>" not in alone
    assert "accuracy not measured: no truth yet" in page
    assert "target, at least</li>" in page
    assert "Target: at least 85 %; whether it is met is not known yet." in page


def test_each_total_is_the_sum_of_the_stored_windows(shop: Shop) -> None:
    with shop.store.read() as connection:
        volume = timeseries.load(connection, FRAUD, "volume", 3600, NOW - 24 * 3600, NOW).values
        errors = timeseries.load(connection, FRAUD, "error_rate", 3600, NOW - 24 * 3600, NOW).values
    failed = sum(float(share) * float(rows) for share, rows in zip(errors, volume, strict=True))
    with serving(shop) as web:
        page = web.get(f"{PAGE}?span=24h").text
    assert f"Over this period: {sum(volume):,.0f} predictions." in page
    assert f"{failed:,.0f} of {sum(volume):,.0f} predictions." in page


def test_a_short_stretch_is_shown_by_the_minute_and_one_of_history_by_the_hour(shop: Shop) -> None:
    with serving(shop) as web:
        recent = web.get(f"{PAGE}?metric=latency_p50&from=now-30m&to=now").text
        past = web.get(f"{PAGE}?metric=latency_p50&from=now-30h&to=now-27h").text
    assert len(times(recent)) == 30
    assert len(times(past)) == 3


def test_a_time_that_cannot_be_read_is_said_as_a_page_and_as_json(shop: Shop) -> None:
    with serving(shop) as web:
        page = web.get(f"{PAGE}?from=tomorrow", headers={"Accept": "text/html"})
        said = web.get(f"{PAGE}?from=tomorrow")
    assert page.status_code == said.status_code == 400
    assert "is not a time" in unescape(page.text)
    assert said.json()["hint"].startswith("use seconds since the epoch")


def test_every_measurement_leads_to_its_course(shop: Shop) -> None:
    with serving(shop) as web:
        page = web.get(f"{PAGE}?span=7d").text
        link = re.search(r'<a href="(\?metric=error_rate[^"]*)"', page)
        assert link is not None
        followed = web.get(PAGE + unescape(link[1])).text
    assert '<h3 id="zoom-head">error_rate</h3>' in followed
    assert "span=7d" in link[1]


def test_a_stretch_is_chosen_with_the_mouse_and_drawn_anew(chromium: Browser, shop: Shop) -> None:
    with serving(shop) as web:
        watched = Watched(chromium.new_page(viewport={"width": 1280, "height": 800}))
        page = watched.page
        page.goto(f"{web.base_url}{PAGE}?metric=latency_p50&span=24h")
        before = len(times(page.content()))
        box = page.locator("svg[data-start]").first.bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.9, y)
        # One cursor in all charts, with the figures of each.
        assert page.locator("[data-readout]:visible").count() == page.locator("svg[data-start]").count() == 5
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.98, y, steps=5)
        with page.expect_navigation():
            page.mouse.up()
        assert "from=" in page.url
        assert "span=" not in page.url
        assert "metric=latency_p50" in page.url
        assert len(times(page.content())) > before
        page.get_by_role("link", name="Wider").click()
        page.get_by_role("textbox", name="From").fill("2026-11-22T08:00")
        page.get_by_role("textbox", name="To", exact=True).fill("2026-11-22T20:00")
        page.get_by_role("button", name="Show").click()
        assert times(page.content())[0] == "2026-11-22 08:00"
        page.close()
        assert watched.complaints == []


def test_what_the_drift_budget_means_and_why_it_may_not_page_yet_stand_on_the_page(
    chromium: Browser, shop: Shop
) -> None:
    note, meaning = "told in the digest only (until 2026-11-30)", "0.2 sd is found in about 12 windows of 1h"
    learned = StoredCalibration(NOW, "layout", 3600, 0, 7200, 2, False, note, meaning, b"")
    with shop.store.write() as connection:
        drift.put_calibration(connection, FRAUD, learned, NOW)
    with serving(shop) as web:
        page = chromium.new_page()
        page.goto(f"{web.base_url}{PAGE}")
        for words in (note, meaning):
            assert page.get_by_text(words).is_visible()
        page.close()


def test_refused_records_are_shown_with_what_to_do(shop: Shop) -> None:
    record = Rejected(
        0, "confidence 7 is not between 0 and 1", "send a share", "acme", "fraud", b'{"id": "<7>"}'
    )
    old = Rejected(0, "too old", "", "acme", "fraud", b"{}")
    other = Rejected(0, "of somebody else", "", "globex", "fraud", b"{}")
    with shop.store.write() as connection:
        quarantine.put(
            connection,
            [
                Quarantined(NOW - 90000, "predictions", "late", old),
                Quarantined(NOW - 60, "predictions", "out_of_range", record, 3),
                Quarantined(NOW - 60, "predictions", "out_of_range", other),
            ],
        )
    with serving(shop) as web:
        page = web.get(PAGE).text
    assert "3 in all: 3 out_of_range" in page
    assert "confidence 7 is not between 0 and 1" in page
    assert "&lt;7&gt;" in page
    assert "too old" not in page
    assert "of somebody else" not in page


def test_looks_at_a_client_by_staff_are_found_under_the_client(shop: Shop) -> None:
    with serving(shop) as web:
        web.get(PAGE)

        def looked() -> list[audit.AuditEntry]:
            with shop.store.read() as connection:
                return [entry for entry in audit.latest(connection, "acme") if entry.target == PAGE]

        until(looked, "the look is written down")


def drifted(daemon: MeasuringDaemon) -> Alert:
    """An alert about a model whose rows and baseline are there."""
    reference = pa.table({"amount": [float(n % 50) for n in range(200)]})
    alert = Alert(
        "f" * 16,
        "Drifted",
        Severity.WARNING,
        STREAM,
        state=State.FIRING,
        episode=1,
        fired_at=daemon.clock.now(),
    )
    with daemon.store.write() as connection:
        baseline.save(
            connection, baseline.from_table(STREAM, reference, daemon.clock.now()), daemon.clock.now()
        )
        alerts.put(connection, [alert])
    daemon.predict(60, features={"amount": 90.0})
    daemon.count()
    return alert


def asked(web: httpx2.Client, alert: Alert) -> str:
    """The address of the report's page, after the one click."""
    answer = web.post(f"/staff/reports/{alert.fingerprint}/make", data={"csrf": ""})
    assert answer.status_code == 303
    return answer.headers["location"]


def test_one_click_makes_a_report_that_is_shut_off_from_everything(tmp_path: Path, chromium: Browser) -> None:
    before = "evidently" in sys.modules
    with measuring_daemon(tmp_path, time.time()) as daemon:
        alert = drifted(daemon)
        drilldowns = Drilldowns(daemon.store, SystemClock(), ReportSettings(folder=tmp_path / "reports"))
        shop = Shop(daemon.store, daemon.clock, {})
        with serving(shop, drilldowns=drilldowns) as web:
            where = asked(web, alert)
            assert 'http-equiv="refresh"' in web.get(where).text
            until(lambda: "Open the report" in web.get(where).text, "the report is ready", seconds=550)
            report = web.get(f"{where}/report.html")
            policy = report.headers["content-security-policy"]
            assert policy.startswith("sandbox allow-scripts; default-src 'none'")
            assert "allow-same-origin" not in policy
            watched = Watched(chromium.new_page())
            watched.page.goto(f"{web.base_url}{where}/report.html")
            watched.page.wait_for_selector("text=Data Drift Summary", timeout=20_000)
            assert watched.page.evaluate("try { document.cookie; 'open' } catch (e) { 'shut' }") == "shut"
            watched.page.close()
            assert watched.complaints == []
            asked_for = [url for url in watched.requests if not url.startswith("data:")]
            assert asked_for == [str(web.base_url.join(f"{where}/report.html"))]
        drilldowns.stop()
    assert ("evidently" in sys.modules) == before
    assert (tmp_path / "reports").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("child", "settings", "said"),
    [
        ("monitor.reports.missing", {}, "No module named"),
        ("tests.support.greedy", {"memory": 200_000_000}, "needs more memory than 200MB"),
        ("tests.support.sleepy", {"time_limit": 1.0}, "not finished after 1s"),
        ("tests.support.crashing", {}, "the child process exited with code -6 and no output"),
    ],
)
def test_whatever_happens_to_a_report_the_web_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: str, settings: dict[str, float], said: str
) -> None:
    monkeypatch.setattr(child_process, "_CHILD", child)
    with measuring_daemon(tmp_path, time.time()) as daemon:
        alert = drifted(daemon)
        limits = ReportSettings(folder=tmp_path / "reports", **settings)  # type: ignore[arg-type]
        drilldowns = Drilldowns(daemon.store, SystemClock(), limits)
        with serving(Shop(daemon.store, daemon.clock, {}), drilldowns=drilldowns) as web:
            where = asked(web, alert)
            page = until(
                lambda: (t := unescape(web.get(where).text)) and "The report failed" in t and t, "it failed"
            )
            assert said in page
            assert "Retry" in page
            assert web.get(f"{where}/report.html").status_code == 404
            assert web.get("/healthz").status_code == 200
        drilldowns.stop()
    assert list((tmp_path / "reports").iterdir()) == []


def test_a_thread_of_reports_that_raises_anything_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = clients.opened(tmp_path, hours=1)
    alert = fire(shop, FRAUD)
    asked_for: list[str] = []

    def end(_: object, alert: Alert, *__: object) -> None:
        asked_for.append(alert.fingerprint)
        raise SystemExit

    monkeypatch.setattr(Drilldowns, "_make", end)
    drilldowns = Drilldowns(shop.store, shop.clock, ReportSettings(folder=tmp_path / "reports"))
    for turn in (1, 2):
        drilldowns.ask(alert)
        until(lambda turn=turn: len(asked_for) == turn, "it is tried")
        until(lambda: drilldowns.state(alert).stage is ReportStage.FAILED, "it has failed")
    assert [fault.subject for fault in shop.store.faults.active()] == ["reports"]
    drilldowns.stop()


def test_a_report_belongs_to_its_client(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    alert = fire(shop, FRAUD)
    drilldowns = Drilldowns(shop.store, shop.clock, ReportSettings(folder=tmp_path / "reports"))
    with shop.store.write() as connection:
        tokens = {
            "other": api_keys.create(connection, KeyKind.STAFF, "globex", NOW)[1],
            "reader": api_keys.create(connection, KeyKind.PAGE, "acme", NOW)[1],
            "own": api_keys.create(connection, KeyKind.STAFF, "acme", NOW)[1],
        }
    with serving(shop, drilldowns=drilldowns) as web:
        path = f"/staff/reports/{alert.fingerprint}"
        codes = {
            who: web.get(path, headers={"Authorization": f"Bearer {token}"}).status_code
            for who, token in tokens.items()
        }
        refused = web.post(
            f"{path}/make", data={"csrf": ""}, headers={"Authorization": f"Bearer {tokens['reader']}"}
        )
    assert codes == {"other": 404, "reader": 404, "own": 200}
    assert refused.status_code == 404
