"""`export`: predictions for analysis elsewhere, and the configuration that is all defaults."""

import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import bar, put, say
from monitor.cli.streams import StreamArgument, seconds_of, stream_of

export = typer.Typer(
    help="Write what is inside for use elsewhere.\n\nExample: watchkeeper export predictions acme/fraud --out fraud/",
    no_args_is_help=True,
    rich_markup_mode=None,
)
OutOption = Annotated[Path, typer.Option("--out", help="The folder to write to.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(export, name="export")


@export.command("predictions")
def predictions(
    model: StreamArgument,
    out: OutOption,
    last: Annotated[str, typer.Option("--last", help="How far back: 24h, 7d.")] = "24h",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write predictions with the outcomes known by now as Parquet, a file a day: for DuckDB, pandas, Spark.

    Example: watchkeeper export predictions acme/fraud --out fraud/ --last 7d
    """
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.predictions.export import export_parquet

    now = time.time()
    store = opened(load(config))
    with bar("exporting") as progress:
        files = export_parquet(store, stream_of(model), now - seconds_of(last), now, out, progress)
    for file in files:
        put(str(file))
    say(f"{len(files)} files written")


@export.command("grafana")
def grafana(
    out: OutOption,
    path: Annotated[
        str, typer.Option("--dashboards-path", help="Where Grafana will find the dashboards on its own disk.")
    ] = "/var/lib/grafana/dashboards/watchkeeper",
) -> None:
    """Write the dashboards, a provisioning file and Prometheus' rules for them.

    Example: watchkeeper export grafana --out grafana/
    """
    from monitor.dashboards.export import export as write

    for file in write(out, path):
        put(str(file))


@export.command("rules")
def rules(out: OutOption, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Write the rules in force as a Prometheus rule file, with unit tests for promtool.

    Example: watchkeeper export rules --out prometheus/
    """
    from monitor.config import load
    from monitor.rules.export import export as as_prometheus
    from monitor.rules.unit_test import rule_file, unit_test
    from monitor.rules_in_force import rules_of

    in_force = rules_of(load(config)).rules
    made = as_prometheus(in_force)
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "watchkeeper-rules.yaml": made.text,
        "tested-rules.yaml": rule_file(in_force),
        "rules-test.yaml": unit_test(in_force, "tested-rules.yaml"),
    }
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
        put(str(out / name))
    for name, why in made.left_out.items():
        say(f"{name} is left out: {why}")


@export.command("config")
def configuration() -> None:
    """Print a configuration that is all defaults, with a comment for every key.

    Example: watchkeeper export config > watchkeeper.yaml
    """
    from monitor.config import EXAMPLES, Config
    from monitor.config_text import render

    put(render(Config, EXAMPLES).rstrip("\n"))
