"""Every channel against something real that listens."""

import hashlib
import hmac
import io
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr, ValidationError

from monitor.alerts.dedup_key import fitted
from monitor.alerts.notification import Link, decode
from monitor.notify import CHANNELS, build
from monitor.notify.channel import Channel
from monitor.notify.channels.alertmanager import Alertmanager, AlertmanagerSettings
from monitor.notify.channels.apprise import Apprise, AppriseSettings
from monitor.notify.channels.console import Console
from monitor.notify.channels.file import File, FileSettings
from monitor.notify.channels.pagerduty import event
from monitor.notify.channels.slack import LARGEST_MESSAGE, Slack, SlackSettings, message
from monitor.notify.channels.webhook import Webhook, WebhookSettings
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.http_failure import retry_after
from monitor.notify.settings import NotifySettings
from monitor.records import Action
from tests.support import alertmanager as am
from tests.support.mailbox import Inbox, mail_server
from tests.support.pages import PAGE, RESOLVE
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.waiting import until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def smtp() -> Iterator[tuple[Inbox, int]]:
    with mail_server() as running:
        yield running


def test_the_console_prints_the_page_as_a_person_reads_it() -> None:
    out = io.StringIO()
    Console(out).send(PAGE)
    Console(out).send(RESOLVE)
    text = out.getvalue()
    assert text.startswith("CRITICAL acme/fraud production: 31 % of predictions fail (limit 5 %)\n")
    assert re.search(r"check 3 +Is it one version\?", text)
    assert text.endswith("Duration: 1m30s, since 2027-01-15T08:00:00Z.\n")


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
    assert caught.value.kind is FailureKind.UNREACHABLE


def test_slack_gets_a_headline_facts_and_buttons(receiver: Receiver) -> None:
    settings = SlackSettings.model_validate({"webhook_url": f"{receiver.url}/T/B/x"})
    with closing(Slack(settings)) as channel:
        channel.send(PAGE)
    posted = json.loads(receiver.requests[0].body)
    assert posted["text"].startswith("CRITICAL acme/fraud")
    kinds = [block["type"] for block in posted["blocks"]]
    assert kinds == ["header", *["section"] * (len(kinds) - 2), "actions"]
    assert posted["blocks"][-1]["elements"][0]["url"] == "https://example.org/HighErrorRate"
    texts = sections(posted)
    assert "*Value*\n31 %" in texts
    assert "*Possible cause*\nversion 7 is serving since 14:01 UTC (before: 6)" in texts
    checks = "*First checks*\n```\nwatchkeeper explain 'acme &amp; co/fraud/production/HighErrorRate'\n```"
    assert checks in texts, "a command can be copied as it is"
    assert "*Then*\n1. Which errors?\n2. Since when?\n3. Is it one version?" in texts


def sections(posted: dict[str, Any]) -> list[str]:
    """The texts of all sections and of their fields."""
    found = [block for block in posted["blocks"] if block["type"] == "section"]
    return [text["text"] for block in found for text in (*block.get("fields", ()), block.get("text")) if text]


def test_slack_never_gets_more_than_it_takes() -> None:
    members = tuple(f"<{'m' * 500}>" for _ in range(50))
    posted = message(replace(PAGE, title="<&>" * 2000, reason="r" * 9000, members=members, count=50))
    assert len(json.dumps(posted)) < LARGEST_MESSAGE + 1000
    assert len(posted["blocks"][0]["text"]["text"]) <= 150
    assert max(map(len, sections(posted))) <= 3000
    assert "*Value*\n31 %" in sections(posted), "what is omitted is the least important"
    assert posted["blocks"][-1]["type"] == "actions"


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
        assert channel.send(page) == "accepted by 1 of 2 peers"
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
                "jsm": {"api_key": "K", "url": receiver.url},
                "servicenow": {"url": receiver.url, "token": "T"},
                "teams": {"webhook_url": receiver.url},
                "datadog": {"api_key": "K", "url": receiver.url},
                "newrelic": {"api_key": "K", "account_id": "1", "url": receiver.url},
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
            assert caught.value.kind is FailureKind.UNREACHABLE, name
            channel.close()


HOSTILE = "``` <!channel> <@U1> @here <https://evil.example|click> &amp;"


def test_a_hostile_name_neither_calls_anybody_in_slack_nor_breaks_the_message() -> None:
    page = replace(PAGE, title=HOSTILE, reason=HOSTILE, members=(HOSTILE,), count=2)
    for posted in (message(page), message(replace(page, is_small=True))):
        told = json.dumps(posted, ensure_ascii=False)
        assert "@here" not in told
        assert "<!channel>" not in posted["text"]
    for text in sections(message(page)):
        assert text.count("```") == 2 * text.startswith("*First checks*")
        assert "<" not in text


def test_no_escape_is_cut_in_two() -> None:
    for length in range(140, 160):
        text = sections(message(replace(PAGE, reason="x" * length + "&" * 3000)))[-1]
        assert text.endswith("&amp;")


def test_a_button_leads_to_an_address_or_is_left_out() -> None:
    links = (
        Link("", "https://h/x"),
        Link("b", "https://h/a b"),
        Link("c", "javascript:x"),
        Link("d", "https://h/\n"),
    )
    buttons = message(replace(PAGE, links=links))["blocks"][-1]["elements"]
    assert [(button["text"]["text"], button["url"]) for button in buttons] == [("Link", "https://h/x")]


def test_a_mail_through_apprise_keeps_its_lines_and_escapes_names(smtp: tuple[Inbox, int]) -> None:
    inbox, port = smtp
    address = f"mailto://127.0.0.1:{port}?mode=insecure&from=a@b.org&to=c@d.org"
    page = replace(PAGE, reason="<b>bold</b>")
    Apprise(AppriseSettings.model_validate({"urls": [address]})).send(page)
    assert inbox.mails[0].get_content().splitlines()[7:9] == [
        "  check 1         Which errors?",
        "  check 2         Since when?",
    ]
    Apprise(AppriseSettings.model_validate({"urls": [f"{address}&format=html"]})).send(page)
    html = inbox.mails[1].get_body(("html",))
    assert html is not None
    assert len(re.split(r"<br ?/?>", html.get_content())) >= 8
    assert "<b>bold" not in html.get_content()


def test_apprise_says_which_address_was_not_told(receiver: Receiver) -> None:
    good, bad = receiver.url.replace("http", "json"), f"json://127.0.0.1:{free_port()}"
    with pytest.raises(AttemptError, match=r"could not notify address 2$"):
        Apprise(AppriseSettings.model_validate({"urls": [good, bad]})).send(PAGE)
    with pytest.raises(AttemptError, match=r"does not support address 1$") as caught:
        Apprise(AppriseSettings.model_validate({"urls": ["nosuch://x"]})).send(PAGE)
    assert caught.value.kind is FailureKind.MISCONFIGURED


def test_a_header_of_a_webhook_may_hold_any_letter_and_no_line_break(receiver: Receiver) -> None:
    values = {"url": receiver.url, "secret": "x", "headers": {"X-Team": "Zürich"}}
    with closing(Webhook(WebhookSettings.model_validate(values))) as channel:
        channel.send(PAGE)
    assert receiver.requests[0].headers["X-Team"].encode("latin-1").decode() == "Zürich"
    with pytest.raises(ValidationError, match="the header X-Team holds a line break"):
        WebhookSettings.model_validate(values | {"headers": {"X-Team": "a\nX-Other: b"}})


@pytest.mark.parametrize(
    "url", ["http://h/\ud800", "https://b\u00fccher.invalid/\u2603", "http://[::1", "http://h:99999/"]
)
def test_an_address_that_is_none_is_a_failed_attempt(url: str) -> None:
    settings = SlackSettings.model_construct(webhook_url=SecretStr(url), clients={}, ca_file="")
    with closing(Slack(settings)) as channel, pytest.raises(AttemptError):
        channel.send(PAGE)


@pytest.mark.parametrize(
    ("name", "section", "words"),
    [
        ("pagerduty", {"routing_key": ""}, "is empty"),
        ("pagerduty", {"routing_key": "R" * 32, "clients": {"acme": "  "}}, "is empty"),
        ("slack", {"webhook_url": "hooks.slack.com/x"}, "is not a web address"),
        ("slack", {"webhook_url": "https://h", "clients": {"acme": ""}}, "is empty"),
        ("webhook", {"url": "ftp://h", "secret": "x"}, "is not a web address"),
        ("alertmanager", {"urls": []}, "needs the URL of at least one peer"),
        ("alertmanager", {"urls": ["alertmanager:9093"]}, "is not a web address"),
        ("dead_man", {"url": ""}, "is empty"),
        ("apprise", {"urls": []}, "needs at least one address"),
    ],
)
def test_what_can_never_be_told_is_a_mistake_of_the_configuration(
    name: str, section: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        NotifySettings.model_validate({name: section})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT"}, 120.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT", "Date": "Thu, 01 Jan 1970 00:01:50 GMT"}, 10.0),
        ({"Retry-After": "Thursday, 01-Jan-70 00:02:00 GMT"}, 120.0),
        ({"Retry-After": "Thu, 01 Jan 1969 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, None),
        ({"Retry-After": "9" * 5000}, 1e9),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "\u0663"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({}, None),
    ],
)
def test_an_answer_may_ask_to_wait_in_seconds_or_until_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    raw = [(name, value.encode()) for name, value in headers.items()]
    found = retry_after(httpx2.Response(429, headers=raw), now=0.0)
    if seconds is None and "9999" in headers.get("Retry-After", ""):
        assert found is not None
        assert found > 1e9  # what is done with it is bounded by `retry.LONGEST`
    else:
        assert found == seconds


def test_keys_that_are_too_long_differ_where_only_their_ends_do() -> None:
    long = "watchkeeper:" + "x" * 400
    one, other = event(replace(PAGE, key=f"{long}:1")), event(replace(PAGE, key=f"{long}:2"))
    assert one["dedup_key"] != other["dedup_key"]
    assert len(one["dedup_key"]) == 255
    assert one["dedup_key"].startswith("watchkeeper:")
    assert one == event(replace(PAGE, key=f"{long}:1"))
    assert fitted("x" * 255) == "x" * 255
