"""Telling people: one file per channel, one dispatcher that works through the outbox."""

from monitor.notify.alertmanager import Alertmanager
from monitor.notify.apprise import Apprise
from monitor.notify.channel import Channel
from monitor.notify.console import Console
from monitor.notify.email import Email
from monitor.notify.file import File
from monitor.notify.pagerduty import PagerDuty
from monitor.notify.settings import NotifySettings
from monitor.notify.slack import Slack
from monitor.notify.webhook import Webhook

CHANNELS = (PagerDuty, Alertmanager, Slack, Email, Webhook, Apprise, File, Console)
"""Every kind of channel; its name is that of its section under `notify`."""


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
