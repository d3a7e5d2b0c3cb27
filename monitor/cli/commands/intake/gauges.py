"""`gauges`: the machines, model servers and queues whose figures the daemon reads."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, put_line, say
from monitor.visible import counted

if TYPE_CHECKING:
    from monitor.gauges.reading import Reading
    from monitor.web.api.staff.operation_schemas import GaugeAnswer

BETWEEN_READINGS = 1.0
"""Seconds between the two readings of a test: counters have increments only then."""


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    commands = typer.Typer(
        help="Gauges: machines, GPUs, model servers and queues.\n\nExample: watchkeeper gauges list",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    commands.command("list")(list_gauges)
    commands.command("test")(try_gauge)
    app.add_typer(commands, name="gauges")


def list_gauges(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the gauges with the figures that a running daemon has read in the last minutes.

    Exit code: 0 if all have figures, 1 if one has none.

    Example: watchkeeper gauges list --json
    """
    from msgspec import to_builtins

    from monitor.cli.lists import operation_listing
    from monitor.config.root import load

    shown = operation_listing.gauges(load(config))
    if as_json:
        put_json([to_builtins(one) for one in shown])
    else:
        for one in shown:
            _put(one)
    if not shown:
        say("no gauges are configured")
    if any(not one.figures for one in shown):
        raise typer.Exit(1)


def try_gauge(
    name: Annotated[str, typer.Argument(help="The gauge, by its name in the configuration.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Read a gauge twice and show the figures. Nothing is stored.

    Example: watchkeeper gauges test machine
    """
    import time

    from monitor.cli.named_section import named
    from monitor.config.root import load

    reader = named("gauge", name, load(config).gauges).make_reader()
    reader.read()
    time.sleep(BETWEEN_READINGS)
    readings = reader.read()
    if as_json:
        put_json([_fields(reading) for reading in readings])
        return
    for reading in readings:
        put(f"{reading.resource}  {reading.quantity.value}: {reading.value:.6g}")
    say(f"{counted(len(readings), 'figure')}; nothing was stored")


def _fields(reading: "Reading") -> dict[str, Any]:
    return {"quantity": reading.quantity.value, "resource": reading.resource, "value": reading.value}


def _put(one: "GaugeAnswer") -> None:
    from monitor.rules.language.wording import figure

    put_line(f"{one.name} ({one.kind})  {one.stream}")
    if not one.figures:
        put_line(f"    no figures in the last minutes (hint: watchkeeper gauges test {one.name})")
    for shown in one.figures:
        machine = shown.gauge.partition("/")[2]
        place = f" on {machine}" if machine else ""
        text = figure(shown.value, shown.unit) if shown.value is not None else shown.reason
        put_line(f"    {shown.resource}{place}  {shown.metric}: {text}")
