"""Delivery of notifications to channels.

`channels/` has one file per channel; `delivery/` sends the outbox, with retries and rate limits. Start with
`delivery/worker.py`.
"""

from monitor.notify.channel import Channel
from monitor.notify.channels.alertmanager import Alertmanager
from monitor.notify.channels.apprise import Apprise
from monitor.notify.channels.console import Console
from monitor.notify.channels.datadog import DatadogEvents
from monitor.notify.channels.email import Email
from monitor.notify.channels.file import File
from monitor.notify.channels.jsm import Jsm
from monitor.notify.channels.newrelic import NewRelicEvents
from monitor.notify.channels.pagerduty import PagerDuty
from monitor.notify.channels.servicenow import ServiceNow
from monitor.notify.channels.slack import Slack
from monitor.notify.channels.teams import Teams
from monitor.notify.channels.webhook import Webhook
from monitor.notify.settings import NotifySettings

CHANNELS = (
    PagerDuty,
    Alertmanager,
    Jsm,
    ServiceNow,
    Slack,
    Teams,
    Email,
    Webhook,
    Apprise,
    DatadogEvents,
    NewRelicEvents,
    File,
    Console,
)
"""All channel classes; the name of a channel is that of its section under `notify`."""


def build(settings: NotifySettings) -> dict[str, Channel]:
    """The configured channels by name."""
    channels: dict[str, Channel] = {}
    for kind in CHANNELS:
        section = getattr(settings, kind.name)
        if kind is Console:
            channels |= {kind.name: Console()} if section else {}
        elif section is not None:
            channels[kind.name] = kind(section)
    return channels
