"""`exporters`: the systems to which metrics are sent."""

import time
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json, put_table, say


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    commands = typer.Typer(
        help="Systems to which metrics are sent.\n\nExample: watchkeeper exporters list",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands.command("list")(list_exporters)
    commands.command("test")(try_exporter)
    app.add_typer(commands, name="exporters")


def list_exporters(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the exporters: kind, host, interval, and the failure that a running daemon reports.

    Example: watchkeeper exporters list --json
    """
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.exporters.push.registry import kind_of
    from monitor.exporters.push.runner import PART
    from monitor.exporters.push.trial import place_of
    from monitor.store import faults

    settings = load(config)
    with opened(settings).read() as connection:
        failing = {
            one.subject: one.reason for one in faults.load(connection, time.time()) if one.part == PART
        }
    columns = ("exporter", "kind", "host", "every", "failure")
    rows = [
        (name, kind_of(section), place_of(section), f"{section.every:g}s", failing.get(name, ""))
        for name, section in settings.exporters.items()
    ]
    if as_json:
        put_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        put_table(columns, rows)
    else:
        say("no exporters are configured")


def try_exporter(
    name: Annotated[str, typer.Argument(help="The exporter's name under `exporters`.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Send one point (watchkeeper_build_info) and print the response.

    Example: watchkeeper exporters test datadog
    """
    from monitor.cli.named_section import named
    from monitor.config.root import load
    from monitor.exporters.push.trial import send_one

    section = named("exporter", name, load(config).exporters)
    try:
        put(send_one(section, time.time()))
    except OSError as error:
        say(f"a file of the exporter cannot be used: {error}")
        raise typer.Exit(Exit.FAILED) from error
