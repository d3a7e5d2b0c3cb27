"""`gauges`: the machines, model servers and queues whose figures the daemon reads."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put, put_json, say
from monitor.visible import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.gauges.reading import Reading
    from monitor.records import Measurement

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
    import time

    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.evaluation.gauge_metrics import GaugeMetrics

    configured = load(config)
    measured = GaugeMetrics(opened(configured), configured.gauges).measure(time.time())
    figures = [one for some in measured.values() for one in some]
    shown = [
        _shown(name, getattr(section, "kind", ""), str(section.watched_stream), figures)
        for name, section in configured.gauges.items()
    ]
    if as_json:
        put_json(shown)
    else:
        for one in shown:
            _put(one)
    if not shown:
        say("no gauges are configured")
    if any(not one["figures"] for one in shown):
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
        put_json([_fields(one) for one in readings])
        return
    for one in readings:
        put(f"{one.resource}  {one.quantity.value}: {one.value:.6g}")
    say(f"{counted(len(readings), 'figure')}; nothing was stored")


def _fields(reading: "Reading") -> dict[str, Any]:
    return {"quantity": reading.quantity.value, "resource": reading.resource, "value": reading.value}


def _shown(name: str, kind: str, stream: str, figures: "Sequence[Measurement]") -> dict[str, Any]:
    own = [one for one in figures if one.label("gauge").partition("/")[0] == name and one.label("resource")]
    return {
        "name": name,
        "kind": kind,
        "stream": stream,
        "figures": [
            {
                "metric": one.metric,
                "resource": one.label("resource"),
                "gauge": one.label("gauge"),
                "value": one.value,
                "unit": one.unit,
                "reason": one.reason,
            }
            for one in own
        ],
    }


def _put(one: dict[str, Any]) -> None:
    from monitor.rules.language.wording import figure

    put(f"{one['name']} ({one['kind']})  {one['stream']}")
    if not one["figures"]:
        put(f"    no figures in the last minutes (hint: watchkeeper gauges test {one['name']})")
    for one_figure in one["figures"]:
        machine = one_figure["gauge"].partition("/")[2]
        place = f" on {machine}" if machine else ""
        text = (
            figure(one_figure["value"], one_figure["unit"])
            if one_figure["value"] is not None
            else one_figure["reason"]
        )
        put(f"    {one_figure['resource']}{place}  {one_figure['metric']}: {text}")
