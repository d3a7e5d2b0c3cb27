"""What a digest says of a model: figures as on the page, inputs by name, charts that say what their words say."""

import email
import email.policy
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from monitor.alerts.notification import Notification
from monitor.digest import Sender, chart_images, moved_inputs, render
from monitor.digest.schedule import Due
from monitor.digest.section import Observed, section
from monitor.health import client_state, notes
from monitor.health.settings import ClientSettings
from monitor.notify.channels.email import message_mail
from monitor.records import Action, Alert, Severity, State, Stream, labels
from monitor.store import alerts, targets
from monitor.store.daily_summaries import DayFigures
from monitor.store.targets import TargetPeriod
from monitor.windows import baseline
from monitor.windows.baseline_from_table import conform, count_table
from tests.support import clients
from tests.support.browser import browser
from tests.support.clients import CHURN, CLIENTS, FRAUD, NOW, Shop, fire, resolve

PUBLIC = "https://watch.example.com"
HOSTILE = "<img src=x onerror=alert(1)> \u202e\x00\r\nBcc: evil@example.com {{7*7}} " + "w" * 10_000
DUE = Due("daily", client_state.local_date(NOW, CLIENTS["acme"]), NOW)


def pixels(shift: float, rows: int = 2000) -> pa.Table:
    """64 inputs, of which the first ten are shifted by up to `shift` standard deviations, and a category."""
    rng = np.random.default_rng(3)
    columns = {
        f"pixel_{index:02d}": rng.normal(5 + (shift * (10 - index) / 10 if index < 10 else 0), 2, rows)
        for index in range(64)
    }
    shares = [0.8, 0.2] if shift else [0.2, 0.8]
    return pa.table({**columns, "country": rng.choice(["DE", "FR"], rows, p=shares)})


@pytest.fixture(scope="module")
def base() -> baseline.Baseline:
    return baseline.from_table(FRAUD, pixels(0.0), NOW)


def test_inputs_that_moved_are_named_with_sizes_the_largest_first(base: baseline.Baseline) -> None:
    after = count_table(conform(pixels(-2.0)), base.layout)
    names = {f"pixel_{index:02d}" for index in range(39)}
    said = moved_inputs.words(names, base, after)
    assert said.startswith("39 of 65 inputs, most: pixel_00 -")
    first, second, third = (float(part.split()[1]) for part in said.split(": ")[1].split(", "))
    assert first == pytest.approx(-1, abs=0.15)  # a shift of 2 where the standard deviation is 2
    assert first < second < third < 0
    assert said.endswith(" sd")


def test_a_label_and_an_unknown_input_are_told_too(base: baseline.Baseline) -> None:
    after = count_table(conform(pixels(1.0)), base.layout)
    assert moved_inputs.words({"country"}, base, after).startswith("1 of 65 inputs: country = ")
    assert moved_inputs.words({"gone"}, base, after) == "1 of 65 inputs: gone"
    assert moved_inputs.words((), base, after) == ""
    assert len(moved_inputs.words({HOSTILE}, base, after)) < 120


def test_what_alerted_in_the_period_is_what_moved(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    for feature, at in (("age", NOW - 3600), ("amount", NOW - 90 * 3600)):
        alert = fire(shop, FRAUD, at=at, severity=Severity.INFO, rule=f"F{feature}")
        with shop.store.write() as connection:
            alerts.put(connection, [replace(alert, instance=labels(feature=feature))])
        if feature == "amount":
            resolve(shop, alert, NOW - 80 * 3600)
    with shop.store.read() as connection:
        known = alerts.of_client(connection, "acme", "production")
        happened = alerts.load_transitions(connection, NOW - 86400, NOW, "acme")
        found = moved_inputs.moved_names(connection, FRAUD, happened, known, NOW - 86400, NOW)
        assert moved_inputs.moved_names(connection, CHURN, happened, known, NOW - 86400, NOW) == set()
    assert found == {"age"}


def test_incidents_of_one_break_are_told_together_with_their_inputs(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    text = "One of the inputs of this model is missing."
    for number in range(5):
        known = Alert(
            f"{number:016d}", "InputMissing", Severity.WARNING, CHURN, labels(feature=f"f{number}"),
            State.FIRING, episode=1, fired_at=NOW - 3 * 3600 + number, annotations=labels(client=text),
        )  # fmt: skip
        with shop.store.write() as connection:
            alerts.put(connection, [known])
    digest = sender(shop).preview("acme", NOW)
    assert digest is not None
    told = next(model.incidents for model in digest.models if model.title == "Churn")
    assert told == (
        "Mon 10:00, ongoing for 3 h: Churn: one of the inputs of this model is missing: f0, f1, f2 and 2 more.",
    )


def test_counts_of_a_sample_say_so(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    sampled = CLIENTS["acme"].model_copy(update={"sampled": {"fraud": 0.125}})
    digest = replace(sender(shop), clients={"acme": sampled}).preview("acme", NOW)
    assert digest is not None
    facts = {one.title: [fact.name for fact in one.facts] for one in digest.models}
    assert "Decisions of the sample (12.5 % of the calls), yesterday" in facts["Fraud check"]
    assert "Decisions, yesterday" in facts["Churn"]
    assert digest.rows[0].name == "Decisions (some sampled)"
    lines = render.text(digest, "1").splitlines()
    head = next(line for line in lines if "Yesterday" in line)
    row = next(line for line in lines if line.startswith("Decisions (some sampled)  "))
    assert row[head.index("Day before") - 1] == " "
    assert row[head.index("Day before")] != " "


def test_what_is_coming_is_said_in_time() -> None:
    settings = ClientSettings()
    stream = Stream("acme", "fraud")
    shop_model = client_state.model_state.model_health(stream, "Fraud", [], NOW, now=NOW, stale_after=3600)
    days = [DayFigures(stream, DUE.span()[1], 100.0, 0.0, "accuracy", 0.9, 50.0, True)]
    old = Observed(compared_since=NOW - 120 * 86400)
    made = section(shop_model, days, old, DUE, "http://x/", settings)
    assert made.coming[0] == "There are no confirmed outcomes yet, so quality is not measured."
    assert made.coming[1].startswith("The reference data of the model is 120 days old (")
    assert section(shop_model, (), Observed(), DUE, "http://x/", settings).coming == ()
    period = TargetPeriod(
        "accuracy", 0.85, True, 0.9, 0.88, 0.92, 500.0, 86400,
        stream=stream, since=NOW - 7200, until=None, standing="kept", judged_at=NOW,
    )  # fmt: skip
    judged = replace(shop_model, targets=(period,))
    assert section(judged, days, Observed(), DUE, "http://x/", settings).coming == (), (
        "it has a figure of today"
    )
    past = [replace(days[0], day=days[0].day - timedelta(days=back), estimated=back < 5) for back in (4, 5)]
    for known, since in ((past, "estimated"), (past[1:], "not known")):
        [late] = section(shop_model, known, Observed(), DUE, "http://x/", settings).coming
        assert (
            late
            == f"Outcomes are late: the last confirmed ones are 5 days old. Since then, quality is {since}."
        )
    words = "f 42 %, " + "x" * 500 + " These figures alone do not show the cause of a difference."
    compared = section(shop_model, (), Observed(groups=(("sex", words),)), DUE, "http://x/", settings)
    assert (compared.facts[-1].name, compared.facts[-1].text) == ("Groups by sex", words)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A client in alarm whose models and updates have hostile names and texts."""
    made = clients.opened(tmp_path, hours=30)
    fire(made)
    over = fire(made, CHURN, at=NOW - 30 * 3600, severity=Severity.WARNING, rule="HighLatency")
    resolve(made, over, NOW - 28.5 * 3600)
    period = TargetPeriod(
        "accuracy", 0.85, True, 0.79, 0.78, 0.8, 500.0, 3600,
        stream=FRAUD, since=NOW - 7200, until=None, standing="missed", judged_at=NOW,
    )  # fmt: skip
    with made.store.write() as connection:
        targets.put(connection, [period])
        [found, *_] = client_state.incidents(connection, "acme", CLIENTS["acme"], NOW)
        notes.write(connection, found, HOSTILE[:900], author="lea", address="here", now=NOW - 60)
    acme = CLIENTS["acme"]
    views = {
        name: view.model_copy(update={"title": f"{view.title} {HOSTILE}"})
        for name, view in acme.models.items()
    }
    hostile = acme.model_copy(update={"models": views, "name": HOSTILE})
    return replace(made, clients={**CLIENTS, "acme": hostile})


def sender(shop: Shop) -> Sender:
    return Sender(shop.store, shop.clients, ("email",), PUBLIC, "0.1.0")


@pytest.mark.parametrize("kind", ["daily", "weekly"])
def test_the_mail_is_text_beside_html_with_its_pictures(shop: Shop, kind: str) -> None:
    digest = sender(shop).preview("acme", NOW, kind)
    assert digest is not None
    message = render.mail(digest, "0.1.0", "lead@example.com", f"{PUBLIC}/unsubscribe/x")
    notification = Notification(
        Action.MESSAGE, "k", "info", digest.subject, "", "acme", "", "", "Digest", NOW, message=message
    )
    sent = message_mail(notification, message, "watch@example.com").as_bytes(policy=email.policy.SMTP)
    mail = email.message_from_bytes(sent, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert mail["bcc"] is None
    assert mail.get_content_type() == "multipart/alternative"
    plain, related = mail.iter_parts()  # type: ignore[misc]
    assert (plain.get_content_type(), related.get_content_type()) == ("text/plain", "multipart/related")
    page, *pictures = related.iter_parts()
    html = page.get_content()
    assert len(html.encode()) < 100_000
    for picture, chart in zip(pictures, digest.charts, strict=True):
        name = picture["content-id"].strip("<>")
        assert f'src="cid:{name}"' in html
        assert picture.get_content_disposition() == "inline"
        assert picture.get_content() == chart.png
        assert chart.words in plain.get_content().replace("\r\n", "\n")
    assert "onerror=alert(1)>" not in html
    assert "<script" not in html


def unpacked(png: bytes) -> list[bytes]:
    """The rows of pixels, by the format's own rules (RFC 2083)."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        chunks[kind] = png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            kind + chunks[kind]
        )
        at += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    raw = zlib.decompress(chunks[b"IDAT"])
    rows = [raw[index * (width + 1) : (index + 1) * (width + 1)] for index in range(height)]
    assert all(row[0] == 0 and len(row) == width + 1 for row in rows)
    return [row[1:] for row in rows]


values = st.lists(st.one_of(st.none(), st.floats(-1e300, 1e300)), max_size=40)


@given(values=values, limit=st.one_of(st.none(), st.floats(-1e300, 1e300)))
def test_any_course_is_drawn_small(values: list[float | None], limit: float | None) -> None:
    for png in (chart_images.bars(values), chart_images.line(values, limit)):
        assert len(png) < 20_000
        rows = unpacked(png)
        assert {pixel for row in rows for pixel in row} <= {0, 1, 2, 3}
        assert len(rows) == chart_images.HEIGHT


def test_the_highest_bar_is_the_highest_value_and_a_gap_is_a_gap() -> None:
    rows = unpacked(chart_images.bars([1.0, None, 4.0, 0.0]))
    heights = [sum(row[chart_images.WIDTH * (2 * index + 1) // 8] == 2 for row in rows) for index in range(4)]
    assert heights[1] == heights[3] == 0
    assert heights[2] == pytest.approx(4 * heights[0], rel=0.05)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_mail_is_readable_in_any_window_and_its_pictures_load(
    chromium: Browser, shop: Shop, tmp_path: Path, width: int, scheme: str
) -> None:
    digest = sender(shop).preview("acme", NOW)
    assert digest is not None
    (tmp_path / "mail.html").write_text(render.html(digest, "0.1.0", is_alone=True), encoding="utf-8")
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"file://{tmp_path}/mail.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    loaded = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
    assert loaded == [[True, chart_images.WIDTH]] * 2
    page.close()
