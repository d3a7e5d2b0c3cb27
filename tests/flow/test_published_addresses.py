"""Behind a proxy that publishes the daemon at a path, every address that it writes anywhere leads to a page of it."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from html import unescape
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.predictions.intake.parse import RecordKind
from monitor.store import api_keys
from tests.support import http
from tests.support.log import NOW, send
from tests.support.mailbox import Inbox
from tests.support.nginx import publishing
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.server import running
from tests.support.slack import Slack

PATH = "/ml/watch.1"
CLIENT, MODEL = "acme & söhne", 'fraud "x" #1?'
CONFIG = """\
store: {{url: "sqlite:///{folder}/watchkeeper.db"}}
web: {{listen: "127.0.0.1:{port}", public_url: "{public}"}}
clients:
  "acme & söhne":
    name: Acme
    digest: {{to: [lead@example.org], slack: true, at: "08:00"}}
    models:
      'fraud "x" #1?': {{title: Fraud}}
alerts: {{critical: {{channels: [pagerduty, slack, email, webhook, file]}}}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{pager}", ca_file: "{ca}"}}
  slack: {{webhook_url: "{slack}"}}
  email: {{host: 127.0.0.1, port: {smtp}, security: none, sender: wk@example.org, to: [team@example.org]}}
  webhook: {{url: "{hook}", secret: "a-secret-of-some-length"}}
  file: {{path: "{folder}/told"}}
  console: false
"""
ADDRESS = re.compile(r"https?://[^\s\"'<>|\\]+")


@dataclass(frozen=True)
class Told:
    """All that a daemon has told, by channel, and a key for its pages."""

    app: App
    key: str
    texts: dict[str, list[str]]


@contextmanager
def told(folder: Path, port: int, public: str) -> Iterator[Told]:
    """A daemon with this public URL that has paged, and has sent its digests."""
    inbox, slack, smtp = Inbox(), Slack(), free_port()
    mail = Controller(inbox, hostname="127.0.0.1", port=smtp)
    mail.start()
    try:
        with PagerDutyStandIn(folder, time.time) as pager, slack, Receiver() as hook:
            text = CONFIG.format(
                folder=folder, port=port, public=public, key=pager.routing_key, pager=pager.url,
                ca=pager.ca_file, slack=slack.url, smtp=smtp, hook=hook.url,
            )  # fmt: skip
            (folder / "watchkeeper.yaml").write_text(text, encoding="utf-8")
            app = App(load(folder / "watchkeeper.yaml"), ManualClock(NOW))
            try:
                key = _break_and_tell(app)
                texts = {
                    "pagerduty": [json.dumps(one.events, ensure_ascii=False) for one in pager.incidents],
                    "slack": [json.dumps(one, ensure_ascii=False) for one in slack.messages],
                    "email": [part for one in inbox.mails for part in _parts(one)],
                    "webhook": [one.body.decode() for one in hook.requests],
                    "file": (folder / "told").read_text(encoding="utf-8").splitlines(),
                }
                yield Told(app, key, texts)
            finally:
                app.stop(time.monotonic() + 30)
    finally:
        mail.stop()


@pytest.mark.parametrize("strips", [True, False], ids=["path-removed", "path-kept"])
def test_every_address_that_is_told_can_be_opened(tmp_path: Path, strips: bool) -> None:
    port = free_port()
    with (
        publishing(tmp_path, f"http://127.0.0.1:{port}", PATH, strips=strips) as nginx,
        told(tmp_path, port, f"{nginx}{PATH}/") as daemon,
        running(daemon.app.server),
        http.client(timeout=300) as client,
    ):
        own = {channel: _own(texts, nginx) for channel, texts in daemon.texts.items()}
        assert all(own.values()), own
        headers = {"Authorization": f"Bearer {daemon.key}", "Accept": "text/html"}
        for channel, addresses in own.items():
            for address in sorted(addresses):
                assert address.startswith(f"{nginx}{PATH}/"), f"{channel}: {address}"
                assert client.get(address, headers=headers).status_code == 200, f"{channel}: {address}"
        mails = " ".join(own["email"])
        for page in ("/runbooks/", "/staff/", "/c/", "/unsubscribe/"):
            assert page in mails, page
        check_links(daemon)


def test_without_a_public_url_nothing_links_to_a_path_without_a_host(tmp_path: Path) -> None:
    with told(tmp_path, free_port(), "") as daemon:
        assert len(daemon.texts["slack"]) > 1, "the digest came as well"
        check_links(daemon)


def check_links(daemon: Told) -> None:
    """Links in mails and in Slack begin with a scheme: neither has a page that they could be relative to."""
    for text in daemon.texts["email"]:
        assert all(
            link.startswith(("http://", "https://", "mailto:")) for link in re.findall('href="([^"]*)"', text)
        )
        assert not re.search(r"^\s*(Page: )?/(c|staff|runbooks)/", text, re.M)
    for text in daemon.texts["slack"]:
        links = re.findall(r'"url": "([^"]*)"', text) + re.findall(r"<([^>|@#!]*)\|", text)
        assert all(link.startswith(("http://", "https://")) for link in links), links


def _break_and_tell(app: App) -> str:
    """A model fails, somebody is paged, and the next morning's digests go out. Returns a key for the pages."""
    clock = app.clock
    assert isinstance(clock, ManualClock)
    app.log.start()
    with app.store.write() as connection:
        _, key = api_keys.create(connection, api_keys.KeyKind.STAFF, "", NOW, name="test")
    for _ in range(4):
        row = {"client": CLIENT, "model": MODEL, "timestamp": clock.now(), "error": "timeout"}
        send(app.log, RecordKind.PREDICTIONS, [row] * 30)
        app.tick()
        _deliver(app)
        clock.advance(20)
    clock.advance(86_400)
    app.daily_summaries.update(clock.now())
    app.digests.send_due(clock.now())
    _deliver(app)
    app.log.stop()
    return key


def _deliver(app: App) -> None:
    while app.dispatcher.step():
        pass


def _parts(mail: EmailMessage) -> Iterator[str]:
    """The headers and the texts of a mail."""
    yield " ".join(f"{name}: {value}" for name, value in mail.items())
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            yield unescape(part.get_payload(decode=True).decode())  # type: ignore[union-attr]


def _own(texts: list[str], nginx: str) -> set[str]:
    """All addresses in texts; each has to be one of ours."""
    found = {address.rstrip(".,;)>*") for text in texts for address in ADDRESS.findall(text)}
    assert all(address.startswith(nginx) for address in found), found
    return found
