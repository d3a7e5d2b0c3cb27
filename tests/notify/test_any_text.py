"""Any text in any field of a page: it reaches a strict receiver whole and harmless, or that one attempt fails."""

import email
import email.policy
import io
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.alerts.notification import Link, Message, Notification, decode
from monitor.notify.channels.alertmanager import Alertmanager, AlertmanagerSettings
from monitor.notify.channels.apprise import _request
from monitor.notify.channels.console import Console
from monitor.notify.channels.email import Email, EmailSettings
from monitor.notify.channels.file import File, FileSettings
from monitor.notify.channels.pagerduty import PagerDuty, PagerDutySettings
from monitor.notify.channels.slack import Slack, SlackSettings
from monitor.notify.channels.webhook import Webhook, WebhookSettings
from monitor.notify.delivery.attempt import attempt
from monitor.notify.failure import AttemptError
from monitor.records import Action
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.pages import PAGE
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.thorough import SHARED_FIXTURES, examples

NASTY = (
    "\r\nBcc: x@y.z", "\u2028", "\x00", "\ud800", "\x1b[2J", "\u202e", "```", "<!channel>", "@here", "ü", "😀",
    "&amp;", "<script>", "=?utf-8?q?x?=", ".", "{{ 1/0 }}", "%s", "\x85", "\x0b", '"', "\\",
)  # fmt: skip
TEXT = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(NASTY)), max_size=4).map("".join)
PAGES = st.builds(
    lambda texts, links, action, members: replace(
        PAGE,
        **dict(zip(FIELDS, texts, strict=True)),
        checks=tuple(texts[:3]),
        links=tuple(Link(text, f"https://h/{text}") for text in links),
        members=tuple(members),
        count=len(members) + 1,
        action=action,
        labels=(("client", texts[0]), ("model", texts[1])),
    ),
    st.tuples(*[TEXT] * 14),
    st.lists(TEXT, max_size=2),
    st.sampled_from([Action.TRIGGER, Action.RESOLVE]),
    st.lists(TEXT, max_size=3),
)
FIELDS = (
    "key", "severity", "title", "impact", "client", "model", "environment", "alert", "value", "limit", "baseline",
    "sample", "reason", "note",
)  # fmt: skip
CALLS = replace(PAGE, links=tuple(Link(text, f"https://h/{text}") for text in ("@here", "@HERE")))
WORST = replace(PAGE, **{name: "".join(NASTY) for name in FIELDS}, members=("".join(NASTY),), count=2)
LAW = settings(max_examples=examples(30), deadline=None, suppress_health_check=SHARED_FIXTURES)


def sent(channel: Any, notification: Notification) -> bool:
    """Whether it was taken; anything but our own error for a failure goes up and fails the test."""
    try:
        channel.send(notification)
    except AttemptError:
        return False
    return True


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


class Strict:
    """Keeps mails as they came."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        return "250 taken"


@pytest.fixture(scope="module")
def smtp() -> Iterator[tuple[Strict, int]]:
    inbox, port = Strict(), free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port, enable_SMTPUTF8=False)
    controller.start()
    yield inbox, port
    controller.stop()


@LAW
@example(page=WORST)
@given(page=PAGES)
def test_law_the_console_shows_and_obeys_nothing(page: Notification) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")  # strict, as a terminal of another encoding
    assert sent(Console(out), page)
    out.seek(0)
    assert re.fullmatch(r"[\x20-\x7e\n]*", out.read())


@LAW
@example(page=WORST)
@given(page=PAGES)
def test_law_a_file_has_one_line_of_json_for_each(page: Notification, tmp_path: Path) -> None:
    path = tmp_path / "pages"
    path.unlink(missing_ok=True)
    assert sent(File(FileSettings(path=str(path))), page)
    (line,) = path.read_bytes().split(b"\n")[:-1]
    assert decode(line).action is page.action


@LAW
@example(page=WORST)
@given(page=PAGES)
def test_law_a_mail_has_the_headers_we_gave_it_and_no_others(
    page: Notification, smtp: tuple[Strict, int]
) -> None:
    inbox, port = smtp
    given = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "wk@example.org",
        "to": ["a@b.c"],
    }
    assert sent(Email(EmailSettings.model_validate(given)), page)
    read = email.message_from_bytes(inbox.mails[-1], policy=email.policy.default)
    allowed = {
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "In-Reply-To", "References",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version", "X-Peer", "X-MailFrom", "X-RcptTo",
    }  # fmt: skip
    assert set(read.keys()) <= allowed
    assert read["To"] == "a@b.c"
    assert not read.defects
    assert max(map(len, inbox.mails[-1].split(b"\r\n"))) <= 998


@LAW
@example(page=WORST)
@example(page=CALLS)
@given(page=PAGES)
def test_law_slack_gets_what_it_takes_and_no_name_calls_anybody(
    page: Notification, receiver: Receiver
) -> None:
    with closing(Slack(SlackSettings.model_validate({"webhook_url": receiver.url}))) as channel:
        assert sent(channel, page)
    posted = json.loads(receiver.requests[-1].body)
    assert len(json.dumps(posted, ensure_ascii=False)) < 10_000
    sections = [block for block in posted["blocks"] if block["type"] == "section"]
    texts = [
        text["text"] for block in sections for text in (*block.get("fields", ()), block.get("text")) if text
    ]
    for text in (posted["text"], *texts):
        assert text.count("```") in (0, 2)
        assert "```" not in text or text.endswith("\n```")
        assert "<" not in text
        assert re.sub(r"&(?:amp|lt|gt);", "", text).count("&") == 0
    addresses = [button.pop("url") for block in posted["blocks"] for button in block.get("elements", ())]
    assert all(address.startswith("https://") for address in addresses)
    assert not re.search(r"(?i)@(here|channel|everyone|all)", json.dumps(posted))
    assert 0 < len(posted["blocks"][0]["text"]["text"]) <= 150


@LAW
@example(page=WORST)
@given(page=PAGES)
def test_law_a_webhook_and_an_alertmanager_get_json_and_one_line_headers(
    page: Notification, receiver: Receiver
) -> None:
    with closing(Webhook(WebhookSettings.model_validate({"url": receiver.url, "secret": "ü"}))) as channel:
        assert sent(channel, page)
    assert decode(receiver.requests[-1].body).action is page.action
    assert receiver.requests[-1].headers["Idempotency-Key"].isascii()
    assert "Bcc" not in receiver.requests[-1].headers
    with closing(Alertmanager(AlertmanagerSettings(urls=(receiver.url,)))) as manager:
        assert sent(manager, page)
    assert json.loads(receiver.requests[-1].body)[0]["labels"]["alertname"] is not None


@LAW
@example(page=WORST)
@given(page=PAGES)
def test_law_apprise_is_asked_in_json_and_in_lines(page: Notification) -> None:
    asked = json.loads(_request(page, ["json://h"]))
    assert "\n" not in asked["title"]
    assert not re.search(r"(?i)@(here|channel|everyone|all)", asked["title"] + asked["body"])


def test_law_pagerduty_takes_any_text(tmp_path: Path) -> None:
    with PagerDutyStandIn(tmp_path, lambda: 0.0) as server:
        given_settings = {
            "routing_key": server.routing_key,
            "events_url": server.url,
            "ca_file": str(server.ca_file),
        }
        with closing(PagerDuty(PagerDutySettings.model_validate(given_settings))) as channel:
            for nasty in NASTY:
                page = replace(PAGE, **dict.fromkeys(FIELDS[:1] + FIELDS[2:], f"a{nasty}b"))
                assert sent(channel, page), nasty
            assert sent(channel, WORST)


def test_a_letter_with_any_text_is_one_mail(smtp: tuple[Strict, int]) -> None:
    inbox, port = smtp
    worst = "".join(NASTY)
    values = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "wk@example.org",
        "to": ["a@b.c"],
    }
    content = Message(worst, worst, f"<p>{worst}</p>", ("d@e.f",), (("List-Id", worst),))
    channel = Email(EmailSettings.model_validate(values))
    assert sent(channel, replace(PAGE, action=Action.MESSAGE, message=content))
    read = email.message_from_bytes(inbox.mails[-1], policy=email.policy.default)
    assert read["Bcc"] is None
    assert read["To"] == "d@e.f"


def test_what_a_channel_raises_that_nobody_foresaw_is_a_failed_attempt_with_its_reason() -> None:
    def broken() -> str:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(AttemptError, match="ZeroDivisionError: division by zero"):
        attempt(broken)
