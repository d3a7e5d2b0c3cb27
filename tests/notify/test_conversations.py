"""A page, what joins it, and its end, as each channel tells them: from alerts through the outbox to a listener."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from monitor.alerts.settings import AlertSettings
from monitor.notify.channels.alertmanager import Alertmanager, AlertmanagerSettings
from monitor.notify.channels.email import Email, EmailSettings
from monitor.notify.channels.slack import Slack, SlackSettings
from monitor.notify.channels.webhook import Webhook, WebhookSettings
from monitor.notify.delivery.dispatcher import Dispatcher
from monitor.records import Stream
from tests.support import alertmanager as am
from tests.support.judging import one_rule
from tests.support.mailbox import Inbox
from tests.support.paging import PagingDaemon, errors
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.slack import Slack as SlackStandIn
from tests.support.waiting import until

RULE = "{metric: error_rate, over: open, above: 5%}"
ONE, TWO = Stream("acme", "fraud"), Stream("acme", "churn")


class Team(PagingDaemon):
    """Everything is told to one channel, one incident a client, with what joins it."""

    def __init__(self, folder: Path, name: str, channel: object) -> None:
        route = {"channels": [name], "group_by": ["client"]}
        settings = AlertSettings.model_validate({"critical": route, "update_every": "60s"})
        super().__init__(folder, one_rule(folder, RULE), settings)
        for unused in self.channels.values():
            unused.close()
        self.channels = {name: channel}  # type: ignore[dict-item]
        self.dispatcher = Dispatcher(self.store, self.channels, self.clock)

    def story(self) -> None:
        """One model fails, a minute later another, and then all is well."""
        self.tick([errors(0.3, ONE)])
        self.deliver()
        for _ in range(4):
            self.tick([errors(0.3, ONE), errors(0.3, TWO)], after=30)
            self.deliver()
        self.tick([errors(0.0, ONE), errors(0.0, TWO)], after=30)
        self.deliver()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def test_mail_tells_the_page_what_joined_it_and_its_end_as_one_thread(
    tmp_path: Path, stack: ExitStack
) -> None:
    inbox, port = Inbox(), free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    stack.callback(controller.stop)
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "wk@example.org",
        "to": ["a@b.org"],
    }
    daemon = stack.enter_context(Team(tmp_path, "email", Email(EmailSettings.model_validate(settings))))
    daemon.story()
    page, update, end = inbox.mails
    assert page["Subject"] == "CRITICAL acme/fraud: 30 %"
    subject = "UPDATE CRITICAL acme production: 2 alerts on 2 models (Bad 2); new: acme/churn: 30 %"
    assert update["Subject"] == subject
    assert "1 more alert since the last notification" in update.get_body(("plain",)).get_content()
    assert "acme/churn: 30 %" in update.get_body(("plain",)).get_content()
    assert end["Subject"].startswith("RESOLVED acme production: 2 alerts")
    assert (
        "ended: acme/churn production: Bad: 0 % now, 30 % at worst" in end.get_body(("plain",)).get_content()
    )
    assert len({page["Message-ID"], update["Message-ID"], end["Message-ID"]}) == 3, (
        "none is taken for a repetition"
    )
    assert update["In-Reply-To"] == end["In-Reply-To"] == page["Message-ID"]
    assert page["In-Reply-To"] is None


def test_slack_takes_the_page_what_joined_it_and_its_end(tmp_path: Path, stack: ExitStack) -> None:
    slack = SlackStandIn()
    stack.enter_context(slack)
    channel = Slack(SlackSettings.model_validate({"webhook_url": f"{slack.url}/T/B/x"}))
    daemon = stack.enter_context(Team(tmp_path, "slack", channel))
    daemon.story()
    assert slack.refused == []
    assert [message["text"] for message in slack.messages] == [
        "CRITICAL acme/fraud: 30 %",
        "UPDATE CRITICAL acme production: 2 alerts on 2 models (Bad 2); new: acme/churn: 30 %",
        "RESOLVED acme production: 2 alerts on 2 models (Bad 2)",
    ]


def test_a_webhook_is_told_three_different_things(tmp_path: Path, stack: ExitStack) -> None:
    receiver = stack.enter_context(Receiver())
    channel = Webhook(WebhookSettings.model_validate({"url": receiver.url, "secret": "s"}))
    stack.enter_context(Team(tmp_path, "webhook", channel)).story()
    told = [json.loads(request.body) for request in receiver.requests]
    assert [(one["action"], one["sequence"], one["count"]) for one in told] == [
        ("trigger", 1, 1),
        ("trigger", 2, 2),
        ("resolve", 3, 2),
    ]
    assert len({request.headers["Idempotency-Key"] for request in receiver.requests}) == 3


def test_alertmanager_gets_each_alert_by_itself_and_groups_them_itself(
    tmp_path: Path, stack: ExitStack
) -> None:
    url = stack.enter_context(am.alertmanager(tmp_path))
    daemon = stack.enter_context(
        Team(tmp_path, "alertmanager", Alertmanager(AlertmanagerSettings(urls=(url,))))
    )
    daemon.clock.set(time.time() - 5)
    many = [errors(0.3, Stream("acme", f"model-{number}")) for number in range(12)]
    daemon.tick(many)
    daemon.deliver()
    models = sorted(alert["labels"]["model"] for alert in am.alerts(url))
    assert models == sorted(f"model-{number}" for number in range(12)), "no storm and no group of ours"
    daemon.tick([replace(one, value=0.0) for one in many])
    daemon.deliver()
    until(lambda: am.alerts(url) == [], "all of them are over")


def test_an_end_that_alertmanager_takes_for_the_future_is_said_again(
    tmp_path: Path, stack: ExitStack
) -> None:
    url = stack.enter_context(am.alertmanager(tmp_path))
    daemon = stack.enter_context(
        Team(tmp_path, "alertmanager", Alertmanager(AlertmanagerSettings(urls=(url,))))
    )
    daemon.clock.set(time.time() + 2)  # our clock is ahead of its
    daemon.tick([errors(0.3, ONE)])
    daemon.deliver()
    daemon.tick([errors(0.0, ONE)], after=0.001)
    daemon.deliver()
    ahead = daemon.now
    assert len(am.alerts(url)) == 1, "it does not believe in an end that is yet to come"
    until(lambda: time.time() > ahead, "its clock is there, too")
    daemon.clock.advance(61)
    daemon.deliver()
    until(lambda: am.alerts(url) == [], "it is over")


def test_the_end_is_taken_though_the_clock_was_set_back_meanwhile(tmp_path: Path, stack: ExitStack) -> None:
    url = stack.enter_context(am.alertmanager(tmp_path))
    daemon = stack.enter_context(
        Team(tmp_path, "alertmanager", Alertmanager(AlertmanagerSettings(urls=(url,))))
    )
    daemon.clock.set(time.time() - 5)
    daemon.tick([errors(0.3, ONE)])
    daemon.deliver()
    daemon.clock.advance(-600)
    daemon.tick([errors(0.0, ONE)])
    daemon.deliver()
    until(lambda: am.alerts(url) == [], "it is over")


def test_an_alertmanager_that_forgot_everything_is_told_again_within_a_minute(
    tmp_path: Path, stack: ExitStack
) -> None:
    port = free_port()
    channel = Alertmanager(AlertmanagerSettings(urls=(f"http://127.0.0.1:{port}",)))
    daemon = stack.enter_context(Team(tmp_path, "alertmanager", channel))
    daemon.clock.set(time.time())
    (tmp_path / "first").mkdir()
    with am.alertmanager(tmp_path / "first", port=port) as url:
        daemon.tick([errors(0.3, ONE)])
        daemon.deliver()
        assert len(am.alerts(url)) == 1
    (tmp_path / "second").mkdir()
    with am.alertmanager(tmp_path / "second", port=port) as url:
        assert am.alerts(url) == []
        daemon.clock.advance(61)
        daemon.deliver()
        assert [alert["labels"]["model"] for alert in am.alerts(url)] == ["fraud"]


def test_an_alertmanager_that_does_not_answer_is_backed_up_within_a_minute(
    tmp_path: Path, stack: ExitStack
) -> None:
    nobody = Alertmanager(AlertmanagerSettings(urls=(f"http://127.0.0.1:{free_port()}",)))
    daemon = stack.enter_context(Team(tmp_path, "alertmanager", nobody))
    daemon.channels["slack"] = daemon.chat
    daemon.dispatcher = Dispatcher(daemon.store, daemon.channels, daemon.clock)
    with closing(nobody):
        daemon.run(0.3, 62)
    assert [told.note for told in daemon.chat.notifications] == [
        "alertmanager has not accepted this page for 1m"
    ]
