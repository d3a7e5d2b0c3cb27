"""Telling people: one file per channel, one dispatcher that works through the outbox."""

from monitor.notify.channel import Channel
from monitor.notify.console import Console
from monitor.notify.file import File
from monitor.notify.pagerduty import PagerDuty
from monitor.notify.settings import NotifySettings

CHANNELS = (PagerDuty, Console, File)
"""Every kind of channel; `build` makes those that are configured."""


def build(settings: NotifySettings) -> dict[str, Channel]:
    """The configured channels by name."""
    channels: list[Channel] = []
    if settings.pagerduty is not None:
        channels.append(PagerDuty(settings.pagerduty))
    if settings.console:
        channels.append(Console())
    if settings.file is not None:
        channels.append(File(settings.file))
    return {channel.name: channel for channel in channels}
