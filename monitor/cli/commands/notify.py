"""`digest`, `service-report`, `notify`: previews and tests of notifications."""

import time
from pathlib import Path
from typing import Annotated

import typer

from monitor import __version__
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import put, put_file, say
from monitor.errors import NotFoundError

digest = typer.Typer(
    help="The daily and weekly summaries.\n\nExample: watchkeeper digest preview acme",
    no_args_is_help=True,
    rich_markup_mode=None,
)
notify = typer.Typer(
    help="Notification channels.\n\nExample: watchkeeper notify test pagerduty",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(digest, name="digest")
    app.add_typer(notify, name="notify")
    app.command("service-report")(service_report)


@digest.command("preview")
def preview(
    client: Annotated[str, typer.Argument(help="The client's key in the configuration.")],
    weekly: Annotated[bool, typer.Option("--weekly", help="The weekly summary.")] = False,
    html: Annotated[bool, typer.Option("--html", help="The HTML part instead of the text.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print the digest that would be sent now; nothing is sent.

    Example: watchkeeper digest preview acme --weekly
    """
    from monitor.cli.lists import operation_listing
    from monitor.config.root import load

    built = operation_listing.digest(load(config), client, "weekly" if weekly else "daily")
    put_file(built.html) if html else put(built.text)


@digest.command("send")
def send(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Put every digest that is due into the outbox; a running daemon delivers them.

    Example: watchkeeper digest send
    """
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.digest import Sender
    from monitor.notify import build

    settings = load(config)
    channels = build(settings.notify)
    base, address = int(settings.predictions.base_window), settings.web.public_url
    sender = Sender(opened(settings), settings.clients, channels, address, __version__, base)
    say(f"{sender.send_due(time.time())} digests queued")


def service_report(
    client: Annotated[str, typer.Argument(help="The client's key in the configuration.")],
    period: Annotated[
        str, typer.Option("--period", help="A month (2026-10) or a week (2026-W43). Default: last month.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="The HTML file to write. Without it, text is printed.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a client's service report: agreed targets, incidents and trend, as one HTML file that prints on A4.

    Example: watchkeeper service-report acme --period 2026-10 --out report.html
    """
    from monitor.cli.lists import operation_listing
    from monitor.config.root import load

    built = operation_listing.service_report(load(config), client, period)
    if out is None:
        put(built.text.rstrip("\n"))
        return
    out.write_text(built.html, encoding="utf-8", errors="replace")
    put(str(out))


@notify.command("test")
def try_channel(
    channel: Annotated[str, typer.Argument(help="The channel's name under `notify`.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Send a test page through a channel and resolve it; print the responses.

    Example: watchkeeper notify test pagerduty
    """
    from monitor.config.root import load
    from monitor.notify import build
    from monitor.notify.delivery.test_page import send_test_page

    channels = build(load(config).notify)
    if channel not in channels:
        raise NotFoundError(
            f"no channel '{channel}' is configured", hint=f"configured channels: {', '.join(channels)}"
        )
    for line in send_test_page(channels[channel], time.time()):
        put(line)
