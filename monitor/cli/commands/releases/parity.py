"""`parity`: what differs between two environments of a model."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, put_json, put_table, say
from monitor.cli.stream_names import seconds_of, stream_of
from monitor.errors import InputError, NotFoundError
from monitor.visible import visible

if TYPE_CHECKING:
    from monitor.records import Stream
    from monitor.releases.parity.pairs import Pair
    from monitor.store.db import Store

MOST_ROWS = 20_000
MOST_SEARCHED = 2_000_000
_REPLAY_HINT = "--replay 1d --command 'python ask_staging.py'"


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("parity")(parity)


def parity(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="client/model.")],
    left: Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="Such as staging.")] = "staging",
    right: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="The environment to compare with, such as production.")
    ] = "production",
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the table to this HTML file.")
    ] = None,
    replay: Annotated[
        str,
        typer.Option("--replay", help="Answer stored inputs of REFERENCE by --command, so far back (1d)."),
    ] = "",
    command: Annotated[
        str,
        typer.Option("--command", help="Asks ENVIRONMENT: reads items as JSON lines, writes answers."),
    ] = "",
    most: Annotated[int, typer.Option("--most", min=1, help="How many items --replay samples.")] = 1000,
    within: Annotated[str, typer.Option("--within", help="The time for all items of --replay.")] = "10m",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Compare two environments of a model, worst first. Exit code: 1 if they differ beyond what is agreed, else 0.

    Example: watchkeeper parity acme/fraud staging production
    """
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.config.rule_files import rules_of
    from monitor.releases.parity import compare, report, side
    from monitor.store import releases, streams

    settings, now = load(config), time.time()
    if model.count("/") != 1 or left == right:
        raise InputError(
            "name one model and two environments", hint="watchkeeper parity acme/fraud staging production"
        )
    pair = [stream_of(f"{model}/{environment}") for environment in (left, right)]
    if bool(replay) != bool(command):
        raise InputError("--replay and --command must be used together", hint=_REPLAY_HINT)
    rules, store = rules_of(settings), opened(settings)
    with store.read() as connection:
        known = [one for one in pair if streams.figures(connection, one) or releases.of(connection, one)]
        if not known:
            raise NotFoundError(
                f"nothing is known of {visible(model)} in {visible(left)} or {visible(right)}",
                hint="see: watchkeeper status",
            )
        sides = side.load_both(connection, (pair[0], pair[1]), rules, now, MOST_ROWS, MOST_SEARCHED)
    replayed = (
        _replayed(store, pair[1], now - seconds_of(replay), now, command, within, most) if replay else None
    )
    rows = compare.compare(sides[0], sides[1], settings.model(pair[1]).releases.parity, replayed)
    if html is not None:
        _write(html, report.page(pair[0], pair[1], rows))
    if as_json:
        put_json(report.as_json(pair[0], pair[1], rows))
    else:
        put_table(report.columns(pair[0], pair[1]), [report.cells(row) for row in rows])
        say(compare.summary(rows))
    if compare.differs(rows):
        raise typer.Exit(Exit.FAILED)


def _replayed(
    store: "Store", stream: "Stream", start: float, end: float, command: str, within: str, most: int
) -> "list[Pair]":
    """What a command answers to stored inputs, beside what was answered then."""
    from monitor.gating.replay.answer_pairs import answer_pairs
    from monitor.gating.replay.command import of_text

    answers, notes = answer_pairs(store, stream, start, end, of_text(command, seconds_of(within)), most)
    for note in notes:
        say(note)
    return answers


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{visible(str(path))} cannot be written: {visible(str(error.strerror))}") from error
