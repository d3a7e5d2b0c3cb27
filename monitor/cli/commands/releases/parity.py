"""`parity`: what differs between two environments of a model."""

import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import Exit, put_json, put_table, say
from monitor.cli.stream_names import stream_of
from monitor.errors import InputError, NotFoundError
from monitor.visible import visible

MOST_ROWS = 20_000


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("parity")(parity)


def parity(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="client/model.")],
    left: Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="Such as staging.")] = "staging",
    right: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="What it should be like, such as production.")
    ] = "production",
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the table to this HTML file.")
    ] = None,
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
    rules = rules_of(settings)
    with opened(settings).read() as connection:
        known = [one for one in pair if streams.figures(connection, one) or releases.of(connection, one)]
        if not known:
            raise NotFoundError(
                f"nothing is known of {visible(model)} in {visible(left)} or {visible(right)}",
                hint="see: watchkeeper status",
            )
        sides = [side.load(connection, one, rules, now, MOST_ROWS) for one in pair]
    rows = compare.compare(sides[0], sides[1], settings.model(pair[1]).releases.parity)
    if html is not None:
        _write(html, report.page(pair[0], pair[1], rows))
    if as_json:
        put_json(report.as_json(pair[0], pair[1], rows))
    else:
        put_table(report.columns(pair[0], pair[1]), [report.cells(row) for row in rows])
        say(compare.summary(rows))
    if compare.differs(rows):
        raise typer.Exit(Exit.FAILED)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{visible(str(path))} cannot be written: {visible(str(error.strerror))}") from error
