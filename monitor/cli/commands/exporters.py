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
    from msgspec import to_builtins

    from monitor.cli.lists import operation_listing
    from monitor.config.root import load

    listed = [to_builtins(one) for one in operation_listing.exporters(load(config))]
    if as_json:
        put_json(listed)
    elif listed:
        put_table(tuple(listed[0]), [tuple(one.values()) for one in listed])
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
