"""`digest`, `notify`: what people are told, before they are told it."""

import time
from typing import Annotated

import typer

from monitor import __version__
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import put, say
from monitor.errors import NotFoundError

digest = typer.Typer(
    help="The daily and weekly summaries.\n\nExample: watchkeeper digest preview acme",
    no_args_is_help=True,
    rich_markup_mode=None,
)
notify = typer.Typer(
    help="The channels by which people are told.\n\nExample: watchkeeper notify test pagerduty",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(digest, name="digest")
    app.add_typer(notify, name="notify")


@digest.command("preview")
def preview(
    client: Annotated[str, typer.Argument(help="The client's key in the configuration.")],
    weekly: Annotated[bool, typer.Option("--weekly", help="The weekly summary.")] = False,
    html: Annotated[bool, typer.Option("--html", help="The HTML part instead of the text.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print the summary that would go out now; nothing is sent.

    Example: watchkeeper digest preview acme --weekly
    """
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.digest import Sender, render

    settings = load(config)
    sender = Sender(opened(settings), settings.clients, (), settings.web.public_url, __version__)
    made = sender.preview(client, time.time(), "weekly" if weekly else "daily")
    if made is None:
        raise NotFoundError(f"nothing is known of the client '{client}'", hint="has it sent predictions?")
    put(render.html(made, __version__) if html else render.text(made, __version__))


@digest.command("send")
def send(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Put every summary that is due and not out yet into the outbox; a running daemon delivers them.

    Example: watchkeeper digest send
    """
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.digest import Sender
    from monitor.notify import build

    settings = load(config)
    channels = build(settings.notify)
    sender = Sender(opened(settings), settings.clients, channels, settings.web.public_url, __version__)
    say(f"{sender.send_due(time.time())} put into the outbox")


@notify.command("test")
def try_channel(
    channel: Annotated[str, typer.Argument(help="The channel's name under `notify`.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Send a test page through a channel and close it again; says what the other side answered.

    Example: watchkeeper notify test pagerduty
    """
    from monitor.config import load
    from monitor.notify import build
    from monitor.notify.trial import trial

    channels = build(load(config).notify)
    if channel not in channels:
        raise NotFoundError(f"no channel '{channel}' is configured", hint=f"there are: {', '.join(channels)}")
    for line in trial(channels[channel], time.time()):
        put(line)
