"""`status`, `alerts`, `explain`, `report`, `silence`: the state of models and alerts."""

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ClientOption, ConfigOption, JsonOption
from monitor.cli.output import Exit, put, put_json, put_table, say
from monitor.cli.stream_names import seconds_of
from monitor.clock import iso
from monitor.errors import ConfigError, NotFoundError
from monitor.records import Severity
from monitor.visible import visible

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.rules.rule import RuleSet
    from monitor.status import Configured

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
    from monitor import status as standing
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.config.rule_files import rules_of

    settings = load(config)
    mistakes: list[str] = []
    rules = None
    try:
        rules = rules_of(settings)
    except ConfigError as error:
        mistakes = [str(problem) for problem in error.problems]
    with opened(settings).read() as connection:
        base = int(settings.predictions.base_window)
        lines = standing.overview(
            connection, base, time.time(), client, mistakes, _configured(settings, rules)
        )
    if as_json:
        put_json([standing.as_json(line) for line in lines])
    else:
        for line in lines:
            for text in standing.as_text(line):
                put(text)
    if all(line.silent_for is None for line in lines):
        say("no predictions have been received yet")
        raise typer.Exit(Exit.CANNOT_TELL)
    worst = standing.worst(lines)
    tiers = list(Severity)
    if worst is not None and tiers.index(worst) <= tiers.index(fail_on):
        raise typer.Exit(Exit.FAILED)


def _configured(settings: "Config", rules: "RuleSet | None") -> "Configured":
    """The part of the configuration that the state of a stream shows."""
    from monitor.status import Configured

    return Configured(
        settings.drift,
        {stream: model.held_against for stream, model in settings.streams().items()},
        {client: list(section.models) for client, section in settings.clients.items()},
        rules,
        settings.alerts,
        {client: section.stale_after for client, section in settings.clients.items()},
    )


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

    from monitor.alerts.inhibition import suppressed
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store import alerts as stored
    from monitor.store import silences
    from monitor.web.api import schemas

    settings, now = load(config), time.time()
    with opened(settings).read() as connection:
        firing = stored.load_open(connection)
        suppressions = suppressed(firing, silences.load(connection, now), now, settings.alerts)
        stored_alerts = stored.load(connection).values() if everything else firing
        shown = [alert for alert in stored_alerts if client in ("", alert.stream.client)]
    if as_json:
        listed = [schemas.alert(alert, suppressions.get(alert.fingerprint, "")) for alert in shown]
        put_json([to_builtins(one) for one in listed])
        return
    for alert in shown:
        labels = "".join(f" {name}={value}" for name, value in alert.instance)
        since = iso(alert.fired_at) if alert.fired_at else "never fired"
        put(f"{alert.severity:<8}  {alert.state:<10}  {alert.stream}  {alert.rule}{labels}  since {since}")
        put(f"          {alert.fingerprint}  {alert.reason}")
        if alert.fingerprint in suppressions:
            put(f"          {suppressions[alert.fingerprint]}")
    if not shown:
        say("no open alerts")


def explain(
    name: Annotated[str, typer.Argument(help="An alert's id, a rule, client/model, or client/model/rule.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Explain the state of an alert: its figures, its history, and who was notified.

    Example: watchkeeper explain acme/fraud/HighErrorRate
    """
    from monitor.alerts import explain as explaining
    from monitor.alerts.inactive import explain_inactive
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.config.rule_files import rules_of

    settings, now = load(config), time.time()
    rules = rules_of(settings)
    with opened(settings).read() as connection:
        try:
            matching = explaining.find(connection, name)
        except NotFoundError:
            for line in explain_inactive(connection, name, rules):
                put(line)
            return
        for alert in matching:
            for line in explaining.explain(connection, alert, rules, settings.alerts, now).lines:
                put(line)


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
    say(f"comparing {current.num_rows:,} rows with {reference.num_rows:,} of the baseline ...")
    put(str(ReportProcess(settings.reports, say).write(reference, current, out)))


@silence.command("add")
def add_silence(
    matchers: Annotated[list[str], typer.Argument(help="Such as 'model=\"fraud\"' or 'alert=~\"High.*\"'.")],
    length: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")],
    comment: Annotated[str, typer.Option("--comment", help="The reason, for others to read.")],
    start: Annotated[str, typer.Option("--in", help="Start this much later (maintenance window).")] = "",
    author: Annotated[str, typer.Option("--author", help="Your name.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Silence new notifications of alerts that match all matchers.

    Example: watchkeeper silence add 'model="fraud"' --for 2h --comment 'planned retraining'
    """
    from monitor.alerts import silencing
    from monitor.cli import through_daemon
    from monitor.cli.store_option import opened
    from monitor.config.root import load

    now, after, seconds = time.time(), seconds_of(start) if start else 0.0, seconds_of(length)
    begins, name, settings = now + after, author or getpass.getuser(), load(config)
    if (daemon := through_daemon.running(settings)) is not None:
        new = {"matchers": list(matchers), "after": after, "seconds": seconds, "comment": comment}
        answer = daemon.post("silences", new)
        identity, until = visible(str(answer["id"])), visible(str(answer["until"]))
        say(f"silenced until {until}; to end it earlier: watchkeeper silence expire {identity}")
        put(identity)
        return
    with opened(settings).write() as connection:
        added = silencing.add(
            connection, matchers, starts_at=begins, seconds=seconds, author=name, comment=comment, now=now
        )
    say(f"silenced until {iso(added.ends_at)}; to end it earlier: watchkeeper silence expire {added.id}")
    put(added.id)


@silence.command("list")
def list_silences(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List active and future silences.

    Example: watchkeeper silence list --json
    """
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store import silences

    with opened(load(config)).read() as connection:
        listed = silences.load(connection, time.time())
    rows = [
        (s.id, ", ".join(s.matchers), iso(s.starts_at), iso(s.ends_at), s.author, s.comment) for s in listed
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
    from monitor.cli import through_daemon
    from monitor.cli.store_option import opened
    from monitor.config.root import load

    settings = load(config)
    if (daemon := through_daemon.running(settings)) is not None:
        daemon.post(f"silences/{through_daemon.part(identity)}/expire")
    else:
        with opened(settings).write() as connection:
            silencing.expire(connection, identity, time.time())
    say("silence expired")
