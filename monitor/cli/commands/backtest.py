"""`backtest`: which alerts rules would have raised."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import bar, put_json, put_table, say
from monitor.cli.stream_names import moment, stream_of
from monitor.config.units import format_duration
from monitor.errors import InputError
from monitor.visible import counted

if TYPE_CHECKING:
    from monitor.backtest.report import ReportLine
    from monitor.config.root import Config
    from monitor.rules.rule import RuleSet


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("backtest")(backtest)


def backtest(
    start: Annotated[str, typer.Option("--from", help="2026-10-23 or 2026-10-23T08:00:00Z.")],
    end: Annotated[str, typer.Option("--to", help="Default: now.")] = "",
    rules: Annotated[
        list[Path] | None,
        typer.Option(
            "--rules",
            "-r",
            help="A rule file to use instead of the active rules. Pass it twice to compare two files.",
        ),
    ] = None,
    model: Annotated[str, typer.Option("--model", help="Only this client/model.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Evaluate rules on stored measurements, with the daemon's code: which would have fired, how often, how long.

    The result is compared with the alerts that did fire or, if --rules is given twice, with the second file.

    Example: watchkeeper backtest --from 2026-10-23 --to 2026-11-23 --rules rules/mine.yaml
    """
    from monitor import backtest as past
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.store import alerts

    settings = load(config)
    begin, until = moment(start), moment(end) if end else time.time()
    sets = _sets(settings, rules or [])
    store, base = opened(settings), int(settings.predictions.base_window)
    streams = [stream_of(model)] if model else []
    results = []
    for one in sets:
        with bar("judging") as progress:
            results.append(
                past.backtest(store, one, begin, until, base_seconds=base, streams=streams, progress=progress)
            )
    if len(results) == 2:
        lines, other = past.compare(*results), "with the second file"
    else:
        with store.read() as connection:
            really = past.actual(alerts.load_transitions(connection, begin, until))
        lines, other = past.summary(results[0], really), "really"
    _show(lines, other, as_json=as_json)


def _sets(settings: "Config", files: list[Path]) -> "list[RuleSet]":
    """The rules of one file, of two to be compared, or those in force."""
    from monitor.config.rule_files import rules_of
    from monitor.metrics import METRICS
    from monitor.rules import load as load_rules
    from monitor.shipped import shipped

    if len(files) > 2:
        raise InputError(
            f"{counted(len(files), 'rule file')} cannot be compared", hint="pass --rules once or twice"
        )
    return [load_rules([file], METRICS, shipped("rules")) for file in files] or [rules_of(settings)]


def _show(lines: "list[ReportLine]", other: str, *, as_json: bool) -> None:
    if as_json:
        keys = ("rule", "times", "seconds", "other_times", "other_seconds")
        put_json([{key: getattr(line, key) for key in keys} for line in lines])
        return
    put_table(
        ("rule", "would have fired", "for", f"fired {other}", "for"),
        [
            (
                line.rule,
                str(line.times),
                format_duration(round(line.seconds)),
                str(line.other_times),
                format_duration(round(line.other_seconds)),
            )
            for line in lines
        ],
    )
    if not lines:
        say("no rule would have fired, and no rule fired")
