"""`status`, `alerts`, `explain`, `report`, `silence`: the state of models and alerts."""

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ClientOption, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json, put_line, put_table, say
from monitor.cli.stream_names import seconds_of
from monitor.clock import iso
from monitor.records import Severity
from monitor.visible import counted, visible

silence = typer.Typer(
    help="Silence new notifications for a while. Resolve notifications are always sent.\n\n"
    "Example: watchkeeper silence add 'model=\"fraud\"' --for 2h --comment 'planned retraining'",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("status")(status)
    app.command("alerts")(alerts)
    app.command("explain")(explain)
    app.command("report")(report)
    app.add_typer(silence, name="silence")


def status(
    config: ConfigOption = DEFAULT_CONFIG,
    client: ClientOption = "",
    as_json: JsonOption = False,
    fail_on: Annotated[
        Severity, typer.Option("--fail-on", help="Exit with 1 if an alert of this tier or higher is open.")
    ] = Severity.CRITICAL,
) -> None:
    """Show the state of every model. Exit code: 0 if all are well, 1 if an alert is open (--fail-on), 4 without data.

    Example: watchkeeper status --client acme --fail-on warning
    """
    from msgspec import to_builtins

    from monitor.cli.lists import client_listing as lists
    from monitor.config.root import load
    from monitor.status import as_text, worst

    models = lists.states(load(config), client)
    if as_json:
        put_json([to_builtins(model) for model in models])
    else:
        for model in models:
            for text in as_text(model):
                put_line(text)
    if all(model.silent_seconds is None for model in models):
        say("no predictions have been received yet")
        raise typer.Exit(Exit.CANNOT_TELL)
    tiers, tier = list(Severity), worst(models)
    if tier is not None and tiers.index(tier) <= tiers.index(fail_on):
        raise typer.Exit(Exit.FAILED)


def alerts(
    config: ConfigOption = DEFAULT_CONFIG,
    client: ClientOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Include resolved alerts.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List open alerts, most severe first.

    Example: watchkeeper alerts --all --client acme
    """
    from msgspec import to_builtins

    from monitor.cli.lists import client_listing as lists
    from monitor.config.root import load

    shown = lists.alerts(load(config), client, resolved=everything)
    if as_json:
        put_json([to_builtins(one) for one in shown])
        return
    for one in shown:
        stream = f"{one.client}/{one.model}/{one.environment}"
        labels = "".join(f" {name}={value}" for name, value in one.labels.items())
        since = one.since or "never fired"
        put_line(f"{one.severity:<8}  {one.state:<10}  {stream}  {one.alert}{labels}  since {since}")
        put_line(f"          {one.id}  {one.reason}")
        if one.suppressed:
            put_line(f"          {one.suppressed}")
    if not shown:
        say("no open alerts")


def explain(
    name: Annotated[str, typer.Argument(help="An alert's id, a rule, client/model, or client/model/rule.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Explain the state of an alert: its figures, its history, and who was notified.

    Example: watchkeeper explain acme/fraud/HighErrorRate
    """
    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    for one in model_listing.explanations(load(config), name):
        for line in one.lines:
            put_line(line)


def report(
    name: Annotated[str, typer.Argument(help="An alert, as in `explain`.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")] = Path("report.html"),
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write Evidently's report on the rows around an alert, compared with the baseline (extra `reports`).

    Example: watchkeeper report SignificantDrift --out drift.html
    """
    from monitor.alerts.explain import find
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.reports.alert_rows import tables
    from monitor.reports.child_process import ReportProcess

    settings = load(config)
    with opened(settings).read() as connection:
        reference, current = tables(connection, find(connection, name)[0], time.time())
    say(f"comparing {counted(current.num_rows, 'row')} with {reference.num_rows:,} of the baseline ...")
    put(str(ReportProcess(settings.reports, say).write(reference, current, out)))


@silence.command("add")
def add_silence(
    matchers: Annotated[list[str], typer.Argument(help="Such as 'model=\"fraud\"' or 'alert=~\"High.*\"'.")],
    length: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")],
    comment: Annotated[str, typer.Option("--comment", help="The reason, shown to others.")],
    start: Annotated[str, typer.Option("--in", help="Start this much later (maintenance window).")] = "",
    author: Annotated[str, typer.Option("--author", help="Your name.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Silence new notifications of alerts that match all matchers.

    Example: watchkeeper silence add 'model="fraud"' --for 2h --comment 'planned retraining'
    """
    from monitor.alerts import silencing
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load

    now, after, seconds = time.time(), seconds_of(start) if start else 0.0, seconds_of(length)
    begins, name, settings = now + after, author or getpass.getuser(), load(config)
    if (daemon := daemon_client.running(settings)) is not None:
        new = {"matchers": list(matchers), "after": after, "seconds": seconds, "comment": comment}
        answer = daemon.post("silences", new)
        identity, until = visible(str(answer["id"])), visible(str(answer["until"]))
        say(f"silenced until {until}; to end it earlier: watchkeeper silence expire {identity}")
        put(identity)
        return
    with opened(settings).write() as connection:
        added, _ = silencing.add(
            connection, matchers, starts_at=begins, seconds=seconds, author=name, comment=comment, now=now
        )
    say(f"silenced until {iso(added.ends_at)}; to end it earlier: watchkeeper silence expire {added.id}")
    put(added.id)


@silence.command("list")
def list_silences(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List active and future silences.

    Example: watchkeeper silence list --json
    """
    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    listed = model_listing.silences(load(config))
    rows = [
        (one.id, ", ".join(one.matchers), one.starts, one.ends, one.author, one.comment) for one in listed
    ]
    columns = ("id", "matchers", "from", "until", "author", "comment")
    if as_json:
        put_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        put_table(columns, rows)


@silence.command("expire")
def expire_silence(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `silence list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End a silence now.

    Example: watchkeeper silence expire 3f9a01bc
    """
    from monitor.alerts import silencing
    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load

    settings = load(config)
    if (daemon := daemon_client.running(settings)) is not None:
        daemon.post(f"silences/{daemon_client.part(identity)}/expire")
    else:
        with opened(settings).write() as connection:
            silencing.expire(connection, identity, time.time())
    say("silence expired")
