"""What a reader gets in the morning: parsed back from a real mail server, checked for meaning, not for bytes."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from monitor.alerts.notification import decode
from monitor.digest import Sender, overdue, render
from monitor.digest.compose import Digest
from monitor.digest.section import Fact, ModelSection
from monitor.digest.sending import _key
from monitor.health.model_state import Health
from monitor.health.settings import DigestSettings
from monitor.notify.channels.email import Email, EmailSettings
from monitor.notify.channels.slack import message as slack_message
from monitor.records import Severity, Status
from monitor.store import audit, daily_summaries, digests, outbox
from tests.support import clients
from tests.support.clients import CHURN, CLIENTS, FRAUD, NOW, Shop, fire, resolve
from tests.support.mailbox import Inbox, mail_server
from tests.support.server import serving
from tests.web.pages.test_client_view import JARGON, words

PUBLIC = "https://watch.example.com"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return clients.opened(tmp_path, hours=30)


def sender(shop: Shop) -> Sender:
    return Sender(shop.store, CLIENTS, ("email", "slack"), PUBLIC, "0.1.0")


def waiting(shop: Shop) -> list[object]:
    with shop.store.read() as connection:
        return list(outbox.waiting(connection))


@pytest.fixture
def box() -> Iterator[tuple[Inbox, int]]:
    with mail_server() as running:
        yield running


def delivered(shop: Shop, port: int) -> None:
    """Everything for e-mail in the outbox, sent by the real channel."""
    settings = EmailSettings(
        host="127.0.0.1", port=port, security="none", sender="watch@example.com", to=("x@example.com",)
    )
    channel = Email(settings)
    for delivery in waiting(shop):
        if delivery.channel == "email":  # type: ignore[attr-defined]
            channel.send(decode(delivery.body))  # type: ignore[attr-defined]


def test_a_digest_goes_out_once_also_after_a_restart(shop: Shop) -> None:
    assert sender(shop).send_due(NOW) == 2  # daily and weekly: it is a Monday
    assert sender(shop).send_due(NOW + 20) == 0
    keys = [delivery.key for delivery in waiting(shop)]  # type: ignore[attr-defined]
    assert len(keys) == len(set(keys)) == 6
    with shop.store.read() as connection:
        told = [(one.who, one.action, one.client, one.target) for one in audit.latest(connection)]
    assert sorted(told) == [
        ("daemon", "send", "acme", f"send the {kind} digest of 2026-11-23, readers: 3")
        for kind in ("daily", "weekly")
    ]


def test_the_mail_says_the_verdict_first_in_both_parts(shop: Shop, box: tuple[Inbox, int]) -> None:
    fire(shop)
    sender(shop).send_due(NOW)
    delivered(shop, box[1])
    mails = [m for m in box[0].mails if "week" not in m["subject"]]
    assert {mail["to"] for mail in mails} == {"lead@example.com", "boss@example.com"}
    mail = mails[0]
    assert mail["subject"] == "Acme: 1 of 3 models needs attention · Mon 23 Nov"
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.walk()][-2:] == ["image/png", "image/png"]
    plain = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert plain.startswith("1 of 3 models needs attention.")
    assert "1 of 3 models needs attention." in words(html)[:160]
    for text in (plain, words(html)):
        assert "Fraud check is right in 79 of 100 cases; agreed is at least 85." in text
        assert "Ranking has not sent any data yet." in text
        assert "Churn" in text
        assert "Yesterday" in text
        assert "Same day last week" in text
        assert JARGON.findall(text) == []
    assert len(html.encode()) < 100_000
    assert html.count("<img") == 2
    assert "<script" not in html


def test_the_mail_can_be_left_with_one_click(shop: Shop, box: tuple[Inbox, int]) -> None:
    sender(shop).send_due(NOW)
    delivered(shop, box[1])
    mail = next(m for m in box[0].mails if m["to"] == "boss@example.com")
    assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    link = mail["list-unsubscribe"].strip().strip("<>")
    assert link.startswith(f"{PUBLIC}/unsubscribe/")
    with serving(shop) as web:
        path = link.removeprefix(PUBLIC)
        assert web.get(path).status_code == 200  # a mail scanner follows links
        assert web.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        assert web.post("/unsubscribe/unknown").status_code == 404
    shop.clock.advance(86400)
    sender(shop).send_due(NOW + 86400)
    later = [d for d in waiting(shop) if "2026-11-24" in d.key]  # type: ignore[attr-defined]
    assert {d.key.rpartition("/")[2] for d in later} == {"lead@example.com", ""}  # type: ignore[attr-defined]


def test_who_left_by_mistake_comes_back_by_a_button(shop: Shop) -> None:
    with shop.store.write() as connection:
        token = digests.token(connection, "acme", "boss@example.com")
    with serving(shop) as web:
        left = web.post(f"/unsubscribe/{token}").text
        button = re.search(r'action="(/subscribe/[^"]+)"', left)
        assert button is not None
        assert web.get(button[1]).status_code == 405  # a mail scanner follows links
        assert "again" in web.post(button[1]).text
        assert web.post("/subscribe/unknown").status_code == 404
    sender(shop).send_due(NOW)
    assert "boss@example.com" in {d.key.rpartition("/")[2] for d in waiting(shop)}  # type: ignore[attr-defined]


def test_a_day_without_data_is_told_as_one(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=0)
    with shop.store.write() as connection:
        connection.execute(daily_summaries.days.delete())
    digest = sender(shop).preview("acme", NOW)
    assert digest is not None
    assert digest.subject == "Acme: no data · Mon 23 Nov"
    assert "No data was received on Sun 22 Nov." in render.text(digest, "0.1.0")
    assert digest.rows[0].values[0] == "—"


def test_truth_that_stays_away_is_said(shop: Shop) -> None:
    with shop.store.write() as connection:
        found = daily_summaries.between(connection, "acme", date(2026, 11, 1), date(2026, 11, 23))[CHURN]
        late = [_without_truth(day) for day in found if day.day > date(2026, 11, 23) - timedelta(days=9)]
        daily_summaries.put(connection, late)
    digest = sender(shop).preview("acme", NOW)
    assert digest is not None
    [coming] = next(model.coming for model in digest.models if model.title == "Churn")
    assert re.search(r"Outcomes are late: the last confirmed ones are \d days old", coming)


def test_what_the_info_tier_saw_is_gathered(shop: Shop) -> None:
    note = fire(
        shop,
        CHURN,
        at=NOW - 20 * 3600,
        severity=Severity.INFO,
        rule="VolumeChanged",
        client_text="Fewer requests than usual.",
    )
    resolve(shop, note, NOW - 19 * 3600)
    digest = sender(shop).preview("acme", NOW)
    assert digest is not None
    assert digest.notes == ("Churn: fewer requests than usual.",)


def test_a_digest_that_cannot_be_delivered_is_overdue(shop: Shop) -> None:
    with shop.store.read() as connection:
        assert overdue(connection, CLIENTS, NOW) == 2  # due at 08:00, it is 13:00
    sender(shop).send_due(NOW)
    with shop.store.read() as connection:
        assert overdue(connection, CLIENTS, NOW) == 0
    with shop.store.write() as connection:
        lost = outbox.claim(connection, "email", NOW, 30)
        assert lost is not None
        outbox.settle(connection, lost, Status.DEAD)
    with shop.store.read() as connection:
        assert overdue(connection, CLIENTS, NOW) == 1


def test_a_chat_message_keeps_to_slack_s_limits(shop: Shop) -> None:
    lines = models(300, "x & <y> " * 200)
    digest = sender(shop).preview("acme", NOW)
    assert digest is not None
    message = render.chat(_with_attention(digest, lines), "0.1.0")
    blocks = json.loads(message.blocks)
    assert len(blocks) <= 50
    assert len(message.blocks) <= 10_500
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks if block["type"] == "section")
    assert blocks[0]["type"] == "header"
    assert len(blocks[0]["text"]["text"]) <= 150
    assert any("more on the page" in json.dumps(block) for block in blocks)
    assert "<y>" not in message.blocks


def test_slack_gets_the_blocks_and_a_text(shop: Shop) -> None:
    sender(shop).send_due(NOW)
    delivery = next(d for d in waiting(shop) if d.channel == "slack")  # type: ignore[attr-defined]
    posted = slack_message(decode(delivery.body))  # type: ignore[attr-defined]
    assert posted["text"].startswith("Acme:")
    assert posted["blocks"][0]["type"] == "header"


def test_a_client_of_hundreds_of_models_still_fits_a_mail(shop: Shop) -> None:
    lines = models(500, "Answers take longer than usual. " * 5)
    digest = sender(shop).preview("acme", NOW)
    assert digest is not None
    assert len(render.html(_with_attention(digest, lines), "0.1.0").encode()) < 100_000


def test_only_changes_keeps_quiet_on_a_quiet_day(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=30, streams=(clients.PRICE,))
    quiet = {"globex": _quiet(CLIENTS["globex"])}
    made = Sender(shop.store, quiet, ("email",), PUBLIC, "0.1.0")
    assert made.send_due(NOW + 3 * 3600) == 0
    with shop.store.read() as connection:
        assert digests.is_out(connection, "globex", "daily", "2026-11-23")


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open += tag == "table"

    def handle_endtag(self, tag: str) -> None:
        self.open -= tag == "table"


def test_the_html_is_closed(shop: Shop) -> None:
    fire(shop, FRAUD)
    digest = sender(shop).preview("acme", NOW, "weekly")
    assert digest is not None
    parser = _Tables()
    parser.feed(render.html(digest, "0.1.0", "https://x/y"))
    assert parser.open == 0
    assert digest.columns == ("Last week", "Week before", "Four weeks earlier")


def models(count: int, text: str) -> tuple[ModelSection, ...]:
    facts = tuple(Fact(f"Figure {number}", text) for number in range(6))
    return tuple(
        ModelSection(f"Model {index}", Health.ATTENTION, f"{PUBLIC}/m/{index}", text, facts)
        for index in range(count)
    )


def _with_attention(digest: Digest, lines: tuple[ModelSection, ...]) -> Digest:

    return replace(digest, models=lines)


def _without_truth(day: daily_summaries.DayFigures) -> daily_summaries.DayFigures:

    return replace(day, quality=0.9, estimated=True)


def _quiet(settings: clients.ClientSettings) -> clients.ClientSettings:

    return settings.model_copy(
        update={
            "digest": DigestSettings(to=("a@example.com",), when="changes", weekly=None),
            "stale_after": 14400.0,
        }
    )


def test_the_figures_are_of_the_days_that_it_is_about(shop: Shop) -> None:
    fire(shop)
    stream, yesterday = FRAUD, date(2026, 11, 22)
    with shop.store.write() as connection:
        known = daily_summaries.between(connection, "acme", yesterday, yesterday)[stream][0]
        daily_summaries.put(
            connection, [replace(known, metric="accuracy", quality=0.77, quality_n=1000.0, estimated=True)]
        )
    made = sender(shop).preview("acme", NOW, "daily")
    assert made is not None
    facts = {fact.name: fact.text for fact in made.models[0].facts}
    assert facts["Right answers, yesterday"].startswith(
        "◆ may be missed: 77 %, estimated, agreed at least 85 %; "
    )


def test_what_did_not_happen_has_no_bar(shop: Shop) -> None:
    made = sender(shop).preview("globex", NOW, "daily")
    assert made is not None
    rows = render.html(made, "0").split("<th align")
    (incidents,) = [row for row in rows if ">Incidents<" in row]
    (decisions,) = [row for row in rows if ">Decisions<" in row]
    assert incidents.count('class="bar"') == 0
    assert decisions.count('class="bar"') == 3


def test_readers_whose_long_addresses_differ_only_at_their_ends_have_keys_of_their_own() -> None:
    same = f"{'a' * 60}@{'b' * 60}.{'c' * 60}."
    keys = {_key("x" * 128, "daily", "2026-11-01", same + end) for end in ("example.org", "example.com")}
    assert len(keys) == 2
    assert all(len(key) <= 255 for key in keys)
