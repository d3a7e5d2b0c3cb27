"""`export`: predictions, dashboards, rules, and the configuration with all defaults."""

import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.cli.output import Exit, bar, put, say
from monitor.cli.stream_names import StreamArgument, seconds_of, stream_of
from monitor.visible import counted

export = typer.Typer(
    help="Export predictions, rules and dashboards.\n\nExample: watchkeeper export predictions acme/fraud --out fraud/",
    no_args_is_help=True,
    rich_markup_mode=None,
)
OutOption = Annotated[Path, typer.Option("--out", help="The folder to write to.")]


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(export, name="export")


@export.command("predictions")
def predictions(
    model: StreamArgument,
    out: OutOption,
    last: Annotated[str, typer.Option("--last", help="How far back: 24h, 7d.")] = "24h",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write predictions with their known outcomes as Parquet, one file per day, for DuckDB, pandas or Spark.

    Example: watchkeeper export predictions acme/fraud --out fraud/ --last 7d
    """
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.predictions.log.export import export_parquet

    now = time.time()
    store = opened(load(config))
    with bar("exporting") as progress:
        files = export_parquet(store, stream_of(model), now - seconds_of(last), now, out, progress)
    for file in files:
        put(str(file))
    say(f"{counted(len(files), 'file')} written")
    for fault in store.faults.active():
        say(f"skipped: {fault.part} {fault.subject}: {fault.reason}")
    if store.faults.active():
        raise typer.Exit(Exit.FAILED)


@export.command("grafana")
def grafana(
    out: OutOption,
    path: Annotated[
        str, typer.Option("--dashboards-path", help="The path of the dashboards on the Grafana server.")
    ] = "/var/lib/grafana/dashboards/watchkeeper",
) -> None:
    """Write the Grafana dashboards, a provisioning file, and the Prometheus rules that they need.

    Example: watchkeeper export grafana --out grafana/
    """
    from monitor.exporters.grafana.export import export as write
    from monitor.runtime.file_modes import readable_by_others

    with readable_by_others():  # Grafana reads them
        files = write(out, path)
    for file in files:
        put(str(file))


@export.command("dashboards")
def dashboards(
    out: OutOption,
    vendor: Annotated[str, typer.Option("--for", help="datadog or newrelic.")],
    account: Annotated[int, typer.Option("--account", min=0, help="New Relic: the account number.")] = 0,
) -> None:
    """Write the dashboards for Datadog or New Relic as JSON, from the panels of the Grafana dashboards.

    What cannot be asked there is left out, and printed with the reason.

    Example: watchkeeper export dashboards --for datadog --out datadog/
    """
    from monitor.exporters.vendor_dashboards.write import VENDORS, write
    from monitor.runtime.file_modes import readable_by_others

    if vendor not in VENDORS:
        raise typer.BadParameter(f"use one of {', '.join(VENDORS)}", param_hint="--for")
    if vendor == "newrelic" and not account:
        raise typer.BadParameter("is required for New Relic: the account number", param_hint="--account")
    with readable_by_others():
        files, left_out = write(out, vendor, account)
    for file in files:
        put(str(file))
    for line in left_out:
        say(f"left out: {line}")


@export.command("rules")
def rules(out: OutOption, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Write the active rules as a Prometheus rule file, with unit tests for promtool.

    Example: watchkeeper export rules --out prometheus/
    """
    from monitor.config.root import load
    from monitor.config.rule_files import rules_of
    from monitor.rules.exports.prometheus_rules import export as as_prometheus
    from monitor.rules.exports.unit_test import unit_test
    from monitor.runtime.file_modes import readable_by_others

    in_force = rules_of(load(config))
    exported = as_prometheus(in_force)
    written = [rule.name for rule in in_force.rules if rule.name not in exported.left_out]
    files = {
        "watchkeeper-rules.yaml": exported.text,
        "rules-test.yaml": unit_test(in_force, "watchkeeper-rules.yaml", written),
    }
    with readable_by_others():  # Prometheus reads them
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")
            put(str(out / name))
    for name, why in exported.left_out.items():
        say(f"{name} is not exported: {why}")


@export.command("config")
def configuration() -> None:
    """Print a configuration with all keys, their defaults, and a comment for each.

    Example: watchkeeper export config > watchkeeper.yaml
    """
    from monitor.config.root import EXAMPLES, Config
    from monitor.config.template import render

    put(render(Config, EXAMPLES).rstrip("\n"))
