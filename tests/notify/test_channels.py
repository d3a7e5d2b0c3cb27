"""Every channel against something real that listens."""

import email
import email.policy
import hashlib
import hmac
import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from monitor.alerts.notification import decode
from monitor.notify import CHANNELS, build
from monitor.notify.alertmanager import Alertmanager, AlertmanagerSettings
from monitor.notify.apprise import Apprise, AppriseSettings
from monitor.notify.channel import Channel
from monitor.notify.console import Console
from monitor.notify.email import Email, EmailSettings
from monitor.notify.failure import AttemptError, Kind
from monitor.notify.file import File, FileSettings
from monitor.notify.settings import NotifySettings
from monitor.notify.slack import LONGEST_MESSAGE, Slack, SlackSettings, message
from monitor.notify.webhook import Webhook, WebhookSettings
from monitor.records import Action
from tests.support import alertmanager as am
from tests.support.pages import PAGE
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.waiting import until

RESOLVE = replace(PAGE, action=Action.RESOLVE, ended_at=PAGE.started_at + 90, said_at=PAGE.started_at + 90)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


class Inbox:
    """Keeps the mails that a real SMTP server takes; refuses those to `nobody`."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        if address.startswith("full"):
            return "452 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"


@pytest.fixture
def smtp() -> Iterator[tuple[Inbox, int]]:
    inbox, port = Inbox(), free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield inbox, port
    controller.stop()


def mailer(port: int, to: str = "team@example.org") -> Email:
    values = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "wk@example.org", "to": [to]}
    return Email(EmailSettings.model_validate(values))


def test_the_console_prints_the_page_as_a_person_reads_it() -> None:
    out = io.StringIO()
    Console(out).send(PAGE)
    Console(out).send(RESOLVE)
    text = out.getvalue()
    assert text.startswith("CRITICAL acme/fraud production: 31 % of predictions fail (limit 5 %)\n")
    assert "check 3  Is it one version?" in text
    assert text.endswith("It lasted 1m30s, since 2027-01-15T08:00:00Z.\n")


def test_the_file_keeps_each_notification_as_a_line(tmp_path: Path) -> None:
    channel = File(FileSettings(path=str(tmp_path / "deep" / "pages.jsonl")))
    channel.send(PAGE)
    channel.send(RESOLVE)
    lines = (tmp_path / "deep" / "pages.jsonl").read_bytes().splitlines()
    assert [decode(line) for line in lines] == [PAGE, RESOLVE]


def test_a_file_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way", encoding="utf-8")
    with pytest.raises(AttemptError) as caught:
        File(FileSettings(path=str(tmp_path / "folder" / "pages.jsonl"))).send(PAGE)
    assert caught.value.kind is Kind.UNREACHABLE


def test_a_mail_carries_the_page_and_its_end_answers_to_it(smtp: tuple[Inbox, int]) -> None:
    inbox, port = smtp
    channel = mailer(port)
    channel.send(PAGE)
    channel.send(PAGE)
    channel.send(RESOLVE)
    first, again, end = inbox.mails
    assert first["Subject"] == "CRITICAL acme/fraud production: 31 % of predictions fail (limit 5 %)"
    assert "check 1" in first.get_content()
    assert first["Message-ID"] == again["Message-ID"] != end["Message-ID"]
    assert end["In-Reply-To"] == first["Message-ID"]
    assert first["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(("to", "kind"), [("nobody@x.org", Kind.MALFORMED), ("full@x.org", Kind.UNREACHABLE)])
def test_a_mail_server_that_refuses_says_for_good_or_for_now(
    smtp: tuple[Inbox, int], to: str, kind: Kind
) -> None:
    with pytest.raises(AttemptError) as caught:
        mailer(smtp[1], to).send(PAGE)
    assert caught.value.kind is kind


def test_no_mail_server_is_tried_again() -> None:
    with pytest.raises(AttemptError) as caught:
        mailer(free_port()).send(PAGE)
    assert caught.value.kind is Kind.UNREACHABLE


def test_slack_gets_a_headline_facts_and_buttons(receiver: Receiver) -> None:
    settings = SlackSettings.model_validate({"webhook_url": f"{receiver.url}/T/B/x"})
    with closing(Slack(settings)) as channel:
        channel.send(PAGE)
    posted = json.loads(receiver.requests[0].body)
    assert posted["text"].startswith("CRITICAL acme/fraud")
    assert [block["type"] for block in posted["blocks"]] == ["header", "section", "actions"]
    assert posted["blocks"][2]["elements"][0]["url"] == "https://example.org/HighErrorRate"


def test_slack_never_gets_more_than_it_takes() -> None:
    members = tuple(f"<{'m' * 500}>" for _ in range(50))
    posted = message(replace(PAGE, title="<&>" * 2000, reason="r" * 9000, members=members, count=50))
    assert len(json.dumps(posted)) < LONGEST_MESSAGE
    assert len(posted["blocks"][0]["text"]["text"]) <= 150
    assert len(posted["blocks"][1]["text"]["text"]) <= 3000


def test_a_webhook_can_be_checked_and_repeats_are_recognised(receiver: Receiver) -> None:
    settings = WebhookSettings.model_validate({"url": f"{receiver.url}/hook", "secret": "s3cret"})
    with closing(Webhook(settings)) as channel:
        channel.send(PAGE)
        channel.send(PAGE)
        channel.send(RESOLVE)
    first, again, end = receiver.requests
    wanted = hmac.new(b"s3cret", first.body, hashlib.sha256).hexdigest()
    assert first.headers["X-Watchkeeper-Signature"] == f"v1={wanted}"
    assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]
    assert first.headers["Idempotency-Key"] != end.headers["Idempotency-Key"]
    assert decode(first.body) == PAGE


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # a plugin of Apprise's own
def test_apprise_tells_through_any_of_its_services(receiver: Receiver) -> None:
    address = f"json://{receiver.url.removeprefix('http://')}/x"
    channel = Apprise(AppriseSettings.model_validate({"urls": [address]}))
    channel.send(PAGE)
    posted = json.loads(receiver.requests[0].body)
    assert posted["title"].startswith("CRITICAL acme/fraud")
    assert posted["type"] == "failure"
    receiver.statuses.append(500)
    with pytest.raises(AttemptError):
        channel.send(PAGE)


def test_a_real_alertmanager_takes_the_alert_hands_it_on_and_lets_it_go(
    tmp_path: Path, receiver: Receiver
) -> None:
    now = time.time()
    peers = (f"http://127.0.0.1:{free_port()}",)
    with (
        am.alertmanager(tmp_path, f"{receiver.url}/") as url,
        closing(Alertmanager(AlertmanagerSettings(urls=(url, *peers)))) as channel,
    ):
        page = replace(PAGE, started_at=now - 30, said_at=now)
        assert channel.send(page) == "taken by 1 of 2 peers"
        found = am.alerts(url)
        assert found[0]["labels"] == {
            "alertname": "HighErrorRate", "client": "acme", "environment": "production", "model": "fraud",
            "severity": "critical",
        }  # fmt: skip
        until(lambda: receiver.requests, "Alertmanager tells its receiver")
        channel.send(replace(page, action=Action.RESOLVE, ended_at=now, said_at=now))
        until(lambda: am.alerts(url) == [], "the alert is gone")
        until(lambda: len(receiver.requests) == 2, "Alertmanager tells the end")
        assert json.loads(receiver.requests[1].body)["status"] == "resolved"


def everything(receiver: Receiver, folder: Path) -> dict[str, Channel]:
    """Every kind of channel, pointed at servers that listen, as the configuration makes them."""
    return build(
        NotifySettings.model_validate(
            {
                "pagerduty": {"routing_key": "R" * 32, "events_url": "https://127.0.0.1:9"},
                "alertmanager": {"urls": [receiver.url]},
                "slack": {"webhook_url": receiver.url},
                "email": {"host": "127.0.0.1", "port": 9, "sender": "a@b.c", "to": ["d@e.f"]},
                "webhook": {"url": receiver.url, "secret": "x"},
                "apprise": {"urls": [receiver.url.replace("http", "json")]},
                "file": {"path": str(folder / "pages")},
            }
        )
    )


def test_law_each_configured_channel_is_made_and_can_page_and_resolve(
    receiver: Receiver, tmp_path: Path
) -> None:
    channels = everything(receiver, tmp_path)
    assert set(channels) == {kind.name for kind in CHANNELS}
    for name, channel in channels.items():
        assert channel.name == name
        assert {Action.TRIGGER, Action.RESOLVE} <= channel.actions
        channel.close()


def test_law_no_channel_prints_its_secrets(receiver: Receiver, tmp_path: Path) -> None:
    settings = NotifySettings.model_validate(
        {"webhook": {"url": "https://h/topsecret", "secret": "hushhush"}}
    )
    assert "topsecret" not in repr(settings)
    assert "hushhush" not in repr(settings)


def test_law_a_channel_makes_one_attempt_and_says_so_in_our_own_error(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        for name, channel in build(
            NotifySettings.model_validate(
                {
                    "console": False,
                    "alertmanager": {"urls": [address]},
                    "slack": {"webhook_url": address},
                    "webhook": {"url": address, "secret": "x"},
                    "pagerduty": {"routing_key": "R" * 32, "events_url": address.replace("http", "https")},
                }
            )
        ).items():
            with pytest.raises(AttemptError) as caught:
                channel.send(PAGE)
            assert caught.value.kind is Kind.UNREACHABLE, name
            channel.close()
