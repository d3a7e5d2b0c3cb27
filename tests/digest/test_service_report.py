"""Service reports: the figures of the pages, in a file that prints, sent once, told as it was."""

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from monitor.alerts.notification import decode
from monitor.digest import Sender, overdue
from monitor.digest.service import page, periods, report
from monitor.digest.service.periods import Period
from monitor.errors import InputError
from monitor.health import client_state, notes
from monitor.health.settings import ClientSettings, DigestSettings
from monitor.health.targets import Standing
from monitor.metrics.intervals import wilson
from monitor.notify.channels.email import Email, EmailSettings
from monitor.records import Severity
from monitor.store import daily_summaries, outbox, targets
from monitor.store.targets import TargetPeriod
from tests.support import clients
from tests.support.browser import Watched, browser
from tests.support.clients import CHURN, CLIENTS, FRAUD, NOW, Shop, fire, resolve
from tests.support.ports import free_port
from tests.support.server import serving
from tests.web.pages.test_client_view import JARGON, words

HOSTILE = (
    "<img src=x onerror=alert(1)> \u202e\r\nBcc: evil@example.com </style><script>alert(1)</script> "
    + "w" * 300
)
MONTH = Period("monthly", date(2026, 11, 1))
DAY = 86400


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A client with a target that was missed for three hours, and one that is known by the hour only."""
    made = clients.opened(tmp_path, hours=30)
    fire(made)
    over = fire(made, CHURN, at=NOW - 30 * 3600, severity=Severity.WARNING, rule="HighLatency")
    resolve(made, over, NOW - 28.5 * 3600)
    kept = TargetPeriod(
        "accuracy", 0.85, True, 0.9, 0.89, 0.91, 500.0, DAY,
        stream=FRAUD, since=NOW - 7 * DAY, until=NOW - 3 * 3600, standing="kept",
    )  # fmt: skip
    missed = replace(
        kept, since=NOW - 3 * 3600, until=None, standing="missed", value=0.79, low=0.78, high=0.8
    )
    slow = replace(missed, metric="latency_p50", target=0.01, is_least=False, value=0.05, low=0.05, high=0.05)
    with made.store.write() as connection:
        targets.put(connection, [kept, missed, slow])
    return made


def read(
    shop: Shop, period: Period = MONTH, settings: ClientSettings = CLIENTS["acme"]
) -> report.ServiceReport:
    with shop.store.read() as connection:
        made = report.read(connection, "acme", settings, period, NOW)
    assert made is not None
    return made


def row(made: report.ServiceReport, name: str) -> report.Agreed:
    return next(one for one in made.agreed if one.name == name)


def test_each_agreed_target_has_its_value_its_interval_and_its_time(shop: Shop) -> None:
    made = read(shop)
    accuracy = row(made, "Right answers")
    with shop.store.read() as connection:
        days = daily_summaries.between(connection, "acme", MONTH.first, MONTH.last)[FRAUD]
    n = sum(one.quality_n for one in days)
    mean = sum((one.quality or 0) * one.quality_n for one in days) / n
    low, high = wilson(mean * n, n)
    assert accuracy.value == f"{mean * 100:.0f} %"
    ends = [float(end.split()[0]) / 100 for end in accuracy.interval.split(" to ")]
    assert ends == pytest.approx([low, high], abs=5e-5)
    assert (accuracy.bound, accuracy.standing) == ("at least 85 %", Standing.KEPT)
    assert accuracy.met.startswith("98.2 % of the time (missed for 3 h); measured for 7 d of 22 d")
    slow = row(made, "Usual time to answer")
    assert slow.value == "not measured"
    assert re.fullmatch(r"by the hour: \d+ ms usually, \d+ ms at worst", slow.note)
    assert slow.was_missed
    assert made.verdict == "2 of 3 agreed targets were missed for some of the time; 4 incidents."


def test_the_figures_are_those_of_the_client_s_page(shop: Shop) -> None:
    """Over the days that both show, with the same function and with the downloads of the page."""
    month = Period("monthly", date(2026, 11, 1))
    made = read(shop, month)
    with serving(shop) as web:
        rows = [line.split(",") for line in web.get("/c/acme/days.csv").text.splitlines()[1:]]
        incidents = web.get("/api/v1/clients/acme/incidents").json()
        text = words(web.get("/c/acme/reports/2026-11").text)
    inside = [one for one in rows if one[1] >= "2026-11-01"]
    decisions, errors = (sum(float(one[place]) for one in inside) for place in (3, 4))
    assert made.totals.decisions == pytest.approx(decisions, abs=len(inside))
    assert made.totals.answered == pytest.approx(1 - errors / decisions, abs=1e-6)
    assert [one.id for one in made.incidents] == [one["id"] for one in incidents]
    with shop.store.read() as connection:
        days = (date(2026, 11, 23) - date(2026, 11, 1)).days + 1
        health = client_state.client(connection, "acme", CLIENTS["acme"], NOW, days)
    assert health is not None
    assert made.totals.within == pytest.approx(health.within_limits)
    for figure in (made.verdict, *(one.met for one in made.agreed)):
        assert " ".join(figure.split()) in " ".join(text.split())
    assert JARGON.findall(text.replace("none", "")) == []


def test_incidents_that_reach_into_a_period_are_in_it_and_others_are_not(shop: Shop) -> None:
    early = fire(shop, CHURN, at=NOW - 40 * DAY, rule="Down")
    resolve(shop, early, NOW - 20 * DAY)
    october, november = read(shop, MONTH.previous()), read(shop)
    assert [one.rule for one in october.incidents] == ["Down"]
    assert "Down" in [one.rule for one in november.incidents]
    assert (october.totals.incidents, november.trend[-2].incidents) == (1, 1)
    assert october.totals.within is not None
    assert november.totals.within is not None
    # 40 days before is Wed 14 Oct, 13:00 in Berlin: 17.5 days of October, and an hour that comes twice.
    lost = (datetime(2026, 10, 31, 23, tzinfo=UTC).timestamp() - (NOW - 40 * DAY)) / (2 * (31 * DAY + 3600))
    assert october.totals.within == pytest.approx(1 - lost)


def test_a_note_of_the_lead_is_in_the_report_as_text(shop: Shop) -> None:
    with shop.store.write() as connection:
        found = client_state.incidents(connection, "acme", CLIENTS["acme"], NOW)
        notes.write(connection, found[0], HOSTILE, author="lea", address="here", now=NOW - 60)
    views = {"fraud": CLIENTS["acme"].models["fraud"].model_copy(update={"title": HOSTILE})}
    hostile = CLIENTS["acme"].model_copy(update={"name": HOSTILE, "models": views, "contact": HOSTILE})
    written = page.html(read(shop, MONTH, hostile), "0.1.0")
    assert notes.checked(HOSTILE) in unescape(written)
    assert "<img" not in written
    assert "<script" not in written
    assert written.count("</style>") == 1
    assert "\u202e" not in written


def test_a_period_without_data_is_told_as_one(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    made = read(shop, Period("monthly", date(2026, 2, 1)))
    assert (made.totals.decisions, made.totals.within, made.totals.incidents) == (None, None, None)
    assert row(made, "Right answers").met == "not measured"
    assert "could not be measured" in made.verdict
    with shop.store.read() as connection:
        acme = CLIENTS["acme"]
        assert report.read(connection, "acme", acme, Period("monthly", date(2027, 1, 1)), NOW) is None
        assert report.read(connection, "nobody", ClientSettings(), MONTH, NOW) is None


def test_without_an_agreed_target_nothing_is_said_to_be_met(tmp_path: Path) -> None:
    made = read(clients.opened(tmp_path, hours=1), MONTH, ClientSettings(name="Acme"))
    assert made.agreed == ()
    assert made.verdict == "0 incidents; no target is agreed."
    written = page.html(made, "0.1.0")
    assert "No target is agreed." in written
    assert '<p class="verdict none">' in written
    assert "Time on target" not in written


keys = st.one_of(
    st.builds(lambda d: Period("monthly", d.replace(day=1)), st.dates(date(2000, 2, 1), date(2199, 1, 1))),
    st.builds(
        lambda d: Period("weekly", d - timedelta(days=d.weekday())),
        st.dates(date(2000, 2, 1), date(2199, 1, 1)),
    ),
)


@given(period=keys)
def test_a_period_is_read_back_from_its_key_and_follows_the_one_before(period: Period) -> None:
    assert periods.parse(period.key) == period
    assert period.previous().following() == period
    assert period.previous().last + timedelta(days=1) == period.first
    assert periods.containing(period.kind, period.last) == period
    trend = period.trend()
    assert (len(trend), trend[-1]) == (12, period)
    assert len({one.short for one in trend}) == 12


@given(text=st.one_of(st.text(max_size=12), st.from_regex(r"[0-9]{4}-W?[0-9]{2}", fullmatch=True)))
def test_any_text_is_a_period_or_is_refused(text: str) -> None:
    try:
        found = periods.parse(text)
    except InputError:
        return
    assert found.key == text


def reporting(kind: str) -> dict[str, ClientSettings]:
    digest = DigestSettings(
        to=("lead@example.com", "boss@example.com"), days=("sun",), weekly=None, service_reports=kind
    )
    return {"acme": CLIENTS["acme"].model_copy(update={"digest": digest})}


@pytest.fixture
def box() -> Iterator[tuple[list[bytes], int]]:
    found: list[bytes] = []

    class Handler:
        async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
            found.append(envelope.content)  # type: ignore[attr-defined]
            return "250 ok"

    port = free_port()
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    yield found, port
    controller.stop()


def test_a_report_is_mailed_once_with_the_file_that_the_page_has(
    shop: Shop, box: tuple[list[bytes], int]
) -> None:
    sender = Sender(shop.store, reporting("weekly"), ("email",), "https://watch.example.com", "0.1.0")
    with shop.store.read() as connection:
        assert overdue(connection, reporting("weekly"), NOW) == 1  # due at 08:00, it is 13:00
    assert sender.send_due(NOW) == 1  # a Monday
    assert sender.send_due(NOW + 20) == 0
    with shop.store.read() as connection:
        assert overdue(connection, reporting("weekly"), NOW) == 0
        waiting = list(outbox.waiting(connection))
    settings = EmailSettings(
        host="127.0.0.1", port=box[1], security="none", sender="watch@example.com", to=("x@example.com",)
    )
    for delivery in waiting:
        Email(settings).send(decode(delivery.body))
    mails = [email.message_from_bytes(one, policy=email.policy.default) for one in box[0]]
    assert {mail["to"] for mail in mails} == {"lead@example.com", "boss@example.com"}
    mail = mails[0]
    assert mail["subject"] == "Acme: service report, week 47 of 2026"
    assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    [attached] = mail.iter_attachments()  # type: ignore[attr-defined]
    assert attached.get_filename() == "service-report-acme-2026-W47.html"
    week = read(shop, periods.parse("2026-W47"))
    assert attached.get_content().replace("\r\n", "\n") == page.html(week, "0.1.0")
    body = mail.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
    assert week.verdict in body
    assert "https://watch.example.com/c/acme/reports/2026-W47" in body


@pytest.mark.parametrize("kind", ["weekly", "monthly"])
def test_a_report_is_due_for_a_week_after_its_period(kind: str) -> None:
    acme = reporting(kind)["acme"]
    first = periods.containing(kind, date(2026, 11, 11)).following().first  # type: ignore[arg-type]
    at = datetime(first.year, first.month, first.day, 7, tzinfo=UTC).timestamp()  # 08:00 in Berlin
    found = [[one.key for one, _ in periods.due(acme, at + late)] for late in (-1, 0, 6.5 * DAY, 7.1 * DAY)]
    key = periods.containing(kind, date(2026, 11, 11)).key  # type: ignore[arg-type]
    assert found[:3] == [[], [key], [key]]
    assert key not in found[3]
    nobody = acme.model_copy(update={"digest": DigestSettings(service_reports="monthly")})
    assert periods.due(nobody, at) == []


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def test_reports_are_listed_opened_and_downloaded_by_those_who_may(shop: Shop, chromium: Browser) -> None:
    with serving(shop) as web:
        assert 'href="/c/acme/reports"' in web.get("/c/acme/").text
        listed = re.findall(r'href="(/c/acme/reports/[^"]+)"', web.get("/c/acme/reports").text)
        assert listed[0] == "/c/acme/reports/2026-11"
        assert "/c/acme/reports/2026-W48" in listed
        assert {web.get(link).status_code for link in listed} == {200}
        file = web.get(f"{listed[0]}?download=1")
        name = 'attachment; filename="service-report-acme-2026-11.html"'
        assert file.headers["content-disposition"] == name
        for wrong in (
            "/c/acme/reports/2026-13",
            "/c/acme/reports/x",
            "/c/nobody/reports",
            "/c/acme/reports/2030-01",
        ):
            assert web.get(wrong).status_code == 404
        watched = Watched(chromium.new_page())
        watched.page.goto(f"{web.base_url}{listed[0]}")
        colour = watched.page.evaluate("getComputedStyle(document.querySelector('.verdict')).borderLeftWidth")
        watched.page.close()
    assert watched.complaints == [], "the policy allows the style of the report"
    assert colour == "8px"
    assert len(watched.requests) <= 2  # the page, and the icon that browsers ask for


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_fits_any_window_and_prints_on_a4(
    shop: Shop, chromium: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    views = {"fraud": CLIENTS["acme"].models["fraud"].model_copy(update={"title": HOSTILE})}
    made = read(shop, MONTH, CLIENTS["acme"].model_copy(update={"name": HOSTILE, "models": views}))
    (tmp_path / "report.html").write_text(page.html(made, "0.1.0"), encoding="utf-8")
    view = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    view.goto(f"file://{tmp_path}/report.html")
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    view.emulate_media(media="print")
    view.set_viewport_size({"width": 688, "height": 1000})  # A4 within its margins
    assert view.evaluate("document.documentElement.scrollWidth") <= 688
    assert view.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert view.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    view.close()
