"""`status`, `alerts`, `explain`, `silence`: how things stand, why, and what shall be quiet."""

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ClientOption, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json, put_table, say
from monitor.cli.streams import seconds_of
from monitor.clock import iso
from monitor.errors import ConfigError
from monitor.records import Severity

silence = typer.Typer(
    help="Mute new pages for a while; resolves always go out.\n\n"
    "Example: watchkeeper silence add 'model=\"fraud\"' --for 2h --comment 'planned retraining'",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
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
        Severity, typer.Option("--fail-on", help="Exit with 1 from this tier on.")
    ] = Severity.CRITICAL,
) -> None:
    """Say how every model is doing: 0 all well, 1 something is open at the --fail-on tier or above, 4 nothing known.

    Example: watchkeeper status --client acme --fail-on warning
    """
    from monitor import status as standing
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.rules_in_force import rules_of

    settings = load(config)
    mistakes: list[str] = []
    try:
        rules_of(settings)
    except ConfigError as error:
        mistakes = [str(problem) for problem in error.problems]
    with opened(settings).read() as connection:
        base = int(settings.predictions.base_window)
        lines = standing.overview(connection, base, time.time(), client, mistakes)
    if as_json:
        put_json([standing.as_json(line) for line in lines])
    else:
        for line in lines:
            for text in standing.as_text(line):
                put(text)
    if not lines:
        say("no prediction has come in yet")
        raise typer.Exit(Exit.CANNOT_TELL)
    worst = standing.worst(lines)
    tiers = list(Severity)
    if worst is not None and tiers.index(worst) <= tiers.index(fail_on):
        raise typer.Exit(Exit.FAILED)


def alerts(
    config: ConfigOption = DEFAULT_CONFIG,
    client: ClientOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the alerts that are open, worst first.

    Example: watchkeeper alerts --all --client acme
    """
    from msgspec import to_builtins

    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.store import alerts as stored
    from monitor.web import answers

    with opened(load(config)).read() as connection:
        found = stored.load_open(connection, client)
        if everything:
            known = stored.load(connection).values()
            found = [alert for alert in known if client in ("", alert.stream.client)]
    if as_json:
        put_json([to_builtins(answers.alert(alert)) for alert in found])
        return
    for alert in found:
        labels = "".join(f" {name}={value}" for name, value in alert.instance)
        since = iso(alert.fired_at) if alert.fired_at else "never fired"
        put(f"{alert.severity:<8}  {alert.state:<10}  {alert.stream}  {alert.rule}{labels}  since {since}")
        put(f"          {alert.fingerprint}  {alert.reason}")
    if not found:
        say("no alert is open")


def explain(
    name: Annotated[str, typer.Argument(help="An alert's id, its rule's name, or client/model/rule.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Say why an alert is in its state: the numbers, how it came about, and who was told.

    Example: watchkeeper explain acme/fraud/HighErrorRate
    """
    from monitor.alerts import explain as explaining
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.rules_in_force import rules_of

    settings, now = load(config), time.time()
    rules = rules_of(settings)
    with opened(settings).read() as connection:
        for alert in explaining.find(connection, name):
            for line in explaining.explain(connection, alert, rules, settings.alerts, now).lines:
                put(line)


def report(
    name: Annotated[str, typer.Argument(help="An alert, as `explain` takes it.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")] = Path("report.html"),
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write Evidently's drill-down report on the rows around an alert against the baseline (extra `reports`).

    Example: watchkeeper report SignificantDrift --out drift.html
    """
    from monitor.alerts.explain import find
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.reports.around import tables
    from monitor.reports.making import Making

    settings = load(config)
    with opened(settings).read() as connection:
        reference, current = tables(connection, find(connection, name)[0], time.time())
    say(f"comparing {current.num_rows:,} rows with {reference.num_rows:,} of the baseline ...")
    put(str(Making(settings.reports, say).write(reference, current, out)))


@silence.command("add")
def add_silence(
    matchers: Annotated[list[str], typer.Argument(help="Such as 'model=\"fraud\"' or 'alert=~\"High.*\"'.")],
    length: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")],
    comment: Annotated[str, typer.Option("--comment", help="Why; others will read it.")],
    start: Annotated[str, typer.Option("--in", help="Begin this much later: a maintenance window.")] = "",
    author: Annotated[str, typer.Option("--author", help="Who says so.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Mute new pages for what matches all matchers.

    Example: watchkeeper silence add 'model="fraud"' --for 2h --comment 'planned retraining'
    """
    from monitor.alerts import silencing
    from monitor.cli.stores import opened
    from monitor.config import load

    now = time.time()
    begins, seconds = now + (seconds_of(start) if start else 0.0), seconds_of(length)
    who = author or getpass.getuser()
    with opened(load(config)).write() as connection:
        made = silencing.add(
            connection, matchers, starts_at=begins, seconds=seconds, author=who, comment=comment, now=now
        )
    say(f"silenced until {iso(made.ends_at)}; end it early with: watchkeeper silence expire {made.id}")
    put(made.id)


@silence.command("list")
def list_silences(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List silences in force and still to come.

    Example: watchkeeper silence list --json
    """
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.store import silences

    with opened(load(config)).read() as connection:
        found = silences.load(connection, time.time())
    rows = [
        (s.id, ", ".join(s.matchers), iso(s.starts_at), iso(s.ends_at), s.author, s.comment) for s in found
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
    from monitor.cli.stores import opened
    from monitor.config import load

    with opened(load(config)).write() as connection:
        silencing.expire(connection, identity, time.time())
    say("ended")
