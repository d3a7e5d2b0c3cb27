"""The page of an alert: what happened, who was told and with which outcome, what to check, and buttons that work."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe

from monitor.alerts.compose import compose
from monitor.alerts.settings import AlertSettings
from monitor.records import DAEMON, Action, Alert, Diagnosis, Measurement, Severity, Stream, Window
from monitor.store import alerts, api_keys, incident_notes, measurements
from monitor.store.api_keys import KeyKind
from monitor.store.incident_notes import IncidentNote
from tests.support import clients
from tests.support.browser import Watched, browser
from tests.support.clients import CLIENTS, FRAUD, NOW, Shop, fire, resolve
from tests.support.judging import one_rule
from tests.support.paging import PagingDaemon, errors
from tests.support.server import serving

RULE = "{metric: error_rate, over: open, above: 5%}"
HOSTILE = ("\"><script>alert('x')</script>", "nul\0here", "\u202ertl", "tab\tand\u2028line", "x" * 10_000)


@contextmanager
def paging(folder: Path, **settings: object) -> Iterator[PagingDaemon]:
    with PagingDaemon(
        folder, one_rule(folder, RULE, **{"for": "3s"}), AlertSettings.model_validate(settings)
    ) as daemon:
        yield daemon


def shop_of(daemon: PagingDaemon) -> Shop:
    return Shop(daemon.store, daemon.clock, CLIENTS)


def events(text: str) -> list[str]:
    """The timeline: what happened, in order, without times and details."""
    part = text.partition('class="timeline"')[2].partition("</ol>")[0]
    return [unescape(one) for one in re.findall(r"<strong>([^<]*)</strong>", part)]


def page(web: httpx2.Client, alert: Alert, query: str = "") -> str:
    answer = web.get(f"/staff/alerts/{alert.fingerprint}{query}")
    assert answer.status_code == 200
    return answer.text


def test_an_episode_is_told_from_its_wait_to_its_end(tmp_path: Path) -> None:
    with paging(tmp_path, critical={"channels": ["pagerduty", "slack"]}) as daemon:
        daemon.chat.down = True
        daemon.run(0.3, 30)
        daemon.chat.down = False
        daemon.run(0.3, 300, every=15)
        with serving(shop_of(daemon)) as web:
            firing = page(web, daemon.alert())
            assert events(firing)[:3] == ["Pending", "Fired", "pagerduty notified: accepted"]
            assert "the chat is down" in firing
            sent = next(one for one in events(firing) if one.startswith("slack notified"))
            assert re.fullmatch(r"slack notified: accepted after \d+ attempts", sent)
            assert ">Acknowledge</button>" in firing
            answer = web.post(
                f"/staff/alerts/{daemon.alert().fingerprint}/acknowledge",
                data={"csrf": "", "alert": daemon.alert().fingerprint},
            )
            assert (answer.status_code, answer.headers["location"]) == (
                303,
                f"/staff/alerts/{daemon.alert().fingerprint}",
            )
            acknowledged = page(web, daemon.alert())
            assert "Acknowledged by this machine" in events(acknowledged)
            assert ">Acknowledge</button>" not in acknowledged
            daemon.run(0.0, 900, every=15)
            over = page(web, daemon.alert())
    assert events(over).index("Resolved") > events(over).index("Fired")
    assert "pagerduty notified of the resolution: accepted" in events(over)
    assert "resolved since" in over
    assert "30 % at worst" in over
    assert "watchkeeper explain acme/fraud/production/Bad" in over


def test_each_episode_has_its_own_timeline(tmp_path: Path) -> None:
    with paging(tmp_path) as daemon:
        for value in (0.3, 0.0, 0.4, 0.0):
            daemon.run(value, 1200, every=20)
        assert daemon.alert().episode == 2
        with serving(shop_of(daemon)) as web:
            second, first = page(web, daemon.alert()), page(web, daemon.alert(), "?episode=1")
            codes = [
                web.get(f"/staff/alerts/{daemon.alert().fingerprint}?episode={asked}").status_code
                for asked in ("3", "x", "-1", "9" * 30)
            ]
    assert codes == [404] * 4
    assert "30 %" in first
    assert "40 %" not in first.partition('class="timeline"')[2]
    assert "40 %" in second
    assert "30 %" not in second.partition('class="timeline"')[2]
    for text in (first, second):
        assert [one for one in events(text) if " " not in one] == ["Pending", "Fired", "Resolved"]
    assert '<a href="?episode=1">previous episode</a>' in second
    assert ">Silence</button>" not in first


def test_alerts_that_were_told_together_lead_to_each_other(tmp_path: Path) -> None:
    route = {"channels": ["slack"], "group_by": ["client"]}
    with paging(tmp_path, critical=route) as daemon:
        for _ in range(10):
            daemon.tick([errors(0.3, Stream("acme", f"model-{number}")) for number in range(3)])
            daemon.deliver()
        first = daemon.alerts()[0]
        with serving(shop_of(daemon)) as web:
            together = page(web, first).partition("In the same notification")[2]
            links = re.findall(r'href="(/staff/alerts/[^"]*)"', together)
            assert len(links) == 2
            assert {web.get(unescape(link)).status_code for link in links} == {200}
    assert {one for one in ("model-0", "model-1", "model-2") if f"acme/{one}/" in together} == {
        one.stream.model for one in daemon.alerts() if one.fingerprint != first.fingerprint
    }


def test_the_evidence_is_the_chart_around_it_with_its_limit(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=3)
    alert = fire(shop, rule="HighErrorRate", at=NOW - 3600)
    judged = replace(
        alert, metric="error_rate", limit=0.05, value=0.2, unit="share", n=600.0,
        window=Window(int(NOW) - 60, int(NOW)), reason="error_rate is 20 %",
        diagnosis=Diagnosis(NOW, NOW - 3700, "timeout in version 7", ("version 7 began",)),
    )  # fmt: skip
    note = IncidentNote(alert.fingerprint, int(NOW - 3600), NOW - 1800, "acme", "ann", "We roll back.")
    with shop.store.write() as connection:
        alerts.put(connection, [judged])
        incident_notes.add(connection, note)
    with serving(shop) as web:
        text = page(web, alert)
    assert "limit of HighErrorRate" in text
    assert re.findall(r'<tr data-at="(\d+)">', text)[0] == str(int(NOW - 3700 - 3600) // 60 * 60)
    assert "timeout in version 7" in text
    assert "version 7 began" in text
    assert "Update for the client by ann" in events(text)
    assert "We roll back." in text
    assert "n = 600, window 2026-11-23T11:59:00Z to 2026-11-23T12:00:00Z" in text
    assert "No channel was notified." in text


def test_an_alert_without_any_figure_and_one_of_the_daemon_have_a_page(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=0)
    found = [fire(shop), fire(shop, DAEMON, rule="DiskNearlyFull")]
    resolve(shop, found[0], NOW)
    with serving(shop) as web:
        first, second = (page(web, alert) for alert in found)
    assert "No chart: the rule names no single metric." in first
    assert "the daemon itself" in second
    assert "/staff/m/watchkeeper" not in second


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_stands_in_an_alert_stays_text(tmp_path: Path, name: str) -> None:
    shop = clients.opened(tmp_path, hours=1)
    alert = fire(shop, rule="HighErrorRate")
    hostile = replace(
        alert, instance=(("segment", name),), reason=name, metric="error_rate", acknowledged_at=NOW,
        acknowledged_by=name,
        annotations=(("summary", name), ("impact", name), ("checks", name)),
        diagnosis=Diagnosis(NOW, NOW, name, (name,)),
    )  # fmt: skip
    with shop.store.write() as connection:
        alerts.put(connection, [hostile])
        window = Window(int(NOW) - 3600, int(NOW))
        figure = Measurement(FRAUD, window, "error_rate", 0.5, "share", n=60, labels=hostile.instance)
        measurements.put(connection, FRAUD, window, [figure], NOW)
    with serving(shop) as web:
        for address in (f"/staff/alerts/{alert.fingerprint}", "/staff/", "/staff/m/acme/fraud/production"):
            answer = web.get(address)
            assert answer.status_code == 200
            assert "<script>alert" not in answer.text


def test_an_alert_belongs_to_its_client_and_buttons_to_operators(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    alert = fire(shop)
    with shop.store.write() as connection:
        tokens = {
            "other": api_keys.create(connection, KeyKind.STAFF, "globex", NOW)[1],
            "reader": api_keys.create(connection, KeyKind.PAGE, "acme", NOW)[1],
            "own": api_keys.create(connection, KeyKind.STAFF, "acme", NOW)[1],
        }
    with serving(shop) as web:
        codes = {
            who: web.get(
                f"/staff/alerts/{alert.fingerprint}", headers={"Authorization": f"Bearer {token}"}
            ).status_code
            for who, token in tokens.items()
        }
    assert codes == {"other": 404, "reader": 404, "own": 200}


def test_the_link_of_a_notification_leads_to_the_episode(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    alert = fire(shop)
    settings = AlertSettings(public_url="https://watch.example.org")
    said = compose(Action.TRIGGER, "key", [alert], settings, NOW)
    link = next(one.href for one in said.links if one.text == "Alert page")
    with serving(shop) as web:
        assert f"Episode {alert.episode}" in web.get(link.removeprefix("https://watch.example.org")).text


def test_a_form_leads_back_to_an_alert_and_nowhere_else(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    alert = fire(shop, severity=Severity.WARNING)
    with serving(shop) as web:
        for back in ("//evil.example", "x/../../c", "a" * 17, ""):
            form = {"csrf": "", "for": "2h", "comment": "known", "alert": back}
            answer = web.post(f"/staff/alerts/{alert.fingerprint}/silence", data=form)
            assert (answer.status_code, answer.headers["location"]) == (303, "/staff/")


def test_axe_finds_nothing_serious_and_the_policy_is_kept(tmp_path: Path) -> None:
    with paging(tmp_path) as daemon, browser() as chromium:
        daemon.run(0.3, 60)
        with serving(shop_of(daemon)) as web:
            address = f"{web.base_url}/staff/alerts/{daemon.alert().fingerprint}"
            for scheme in ("light", "dark"):
                bare = chromium.new_page(bypass_csp=True)  # axe is put into the page by evaluation
                bare.emulate_media(color_scheme=scheme)
                bare.goto(address)
                found = Axe().run(bare, options={"resultTypes": ["violations"]}).response["violations"]
                bare.close()
                assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
            watched = Watched(chromium.new_page(viewport={"width": 390, "height": 800}))
            watched.page.goto(address)
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert watched.page.evaluate(wide) <= 1
            watched.page.close()
            assert watched.complaints == []
