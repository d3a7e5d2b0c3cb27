"""Names of any kind, on the real daemon: whoever they belong to is paged through every channel, by the whole name."""

import json
import time
from pathlib import Path

from aiosmtpd.controller import Controller

from tests.support.daemon import Daemon
from tests.support.mailbox import Inbox
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.slack import Slack
from tests.support.traffic import failed, send
from tests.support.waiting import until

NAMES = (
    'acme "a=b" level=error',
    "büro & söhne [x] {client} <b>",
    "שלום עולם",
    "x" * 128,
    "--help",
    "%s %(name)s {{ 1 % 0 }} ${HOME}",
    "'; DROP TABLE alerts; --",
)
"""Of clients and of models: quotes, signs of every syntax, from right to left, as long as may be."""
LONG = "é" * 200
CONFIG = """\
evaluate: {{every: 500ms, recent: 5s}}
alerts: {{critical: {{channels: [pagerduty, slack, email, webhook, file, console]}}}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{pager}", ca_file: "{ca}"}}
  slack: {{webhook_url: "{slack}"}}
  email: {{host: 127.0.0.1, port: {smtp}, security: none, sender: wk@example.org, to: [team@example.org]}}
  webhook: {{url: "{hook}", secret: "a-secret-of-some-length"}}
  file: {{path: "{folder}/told"}}
  console: true
"""


def test_every_name_is_paged_through_every_channel(tmp_path: Path) -> None:
    inbox, slack, port = Inbox(), Slack(), free_port()
    mail = Controller(inbox, hostname="127.0.0.1", port=port)
    mail.start()
    try:
        with PagerDutyStandIn(tmp_path, time.time) as pager, slack, Receiver() as hook:
            config = CONFIG.format(
                key=pager.routing_key, pager=pager.url, ca=pager.ca_file, slack=slack.url, smtp=port,
                hook=hook.url, folder=tmp_path,
            )  # fmt: skip
            with Daemon(tmp_path, config) as daemon:
                _fail_until_told(daemon, pager, slack, inbox, hook, tmp_path / "told")
                assert "was skipped" not in daemon.said()
            assert pager.refused == []
    finally:
        mail.stop()


def _fail_until_told(
    daemon: Daemon, pager: PagerDutyStandIn, slack: Slack, inbox: Inbox, hook: Receiver, told: Path
) -> None:
    fields = {
        "version": LONG, "error": f'broken "{LONG}"', "features": {f'size "cm" {LONG}': 1.5, "a=b [c]": "d"},
        "segments": {"region=x": 'a "b"'},
    }  # fmt: skip

    def untold() -> dict[str, list[str]]:
        file = told.read_text(encoding="utf-8") if told.exists() else ""
        found = {
            "pagerduty": {one.events[0]["payload"]["component"] for one in pager.incidents},
            "slack": " ".join(json.dumps(one, ensure_ascii=False) for one in slack.messages),
            "email": " ".join(one["Subject"] for one in inbox.mails),
            "webhook": {json.loads(one.body)["model"] for one in hook.requests},
            "file": {json.loads(line)["model"] for line in file.splitlines()},
        }
        return {
            channel: [name for name in NAMES if _shown(name, channel) not in of]
            for channel, of in found.items()
        }

    def everybody_is_told() -> bool:
        for name in NAMES:
            send(daemon, [failed(client=name, model=name, **fields) for _ in range(12)])
        return not any(untold().values())

    try:
        until(everybody_is_told, "everybody is told")
    except AssertionError as error:
        raise AssertionError(f"{error}: {untold()}") from error
    assert all(name.split()[0] in daemon.said() for name in NAMES), "the console"


def _shown(name: str, channel: str) -> str:
    """How a channel writes a name; Slack reads three signs as its own, and a mail's subject is cut."""
    if channel == "slack":
        name = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', '\\"')
    return name[:60] if channel in ("slack", "email") else name
