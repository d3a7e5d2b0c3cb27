"""`rehearse`: what the drift watch would have raised on a past of your own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import EncodingOption, JsonOption, SeparatorOption
from monitor.cli.output import bar, put, put_json
from monitor.errors import InputError

if TYPE_CHECKING:
    from monitor.drift import DriftSettings


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command("rehearse")(rehearse)


def rehearse(
    file: Annotated[
        Path, typer.Argument(help="Parquet, CSV, JSON or Arrow: rows of some weeks, with their time.")
    ],
    time: Annotated[str, typer.Option(help="The column with the time of each row.")] = "timestamp",
    ignore: Annotated[list[str] | None, typer.Option(help="A column that is not watched.")] = None,
    reference: Annotated[str, typer.Option(help="Learn from so much (at most half of it).")] = "28d",
    window: Annotated[str, typer.Option(help="Length of a window, such as 1h; auto: 15m to 1h.")] = "auto",
    false_alarms: Annotated[str, typer.Option(help="How many can be borne.")] = "1 per 30 days",
    min_effect: Annotated[float, typer.Option(help="Smaller changes never matter, in sd.")] = 0.1,
    time_zone: Annotated[str, typer.Option(help="Whose hours and weekends make the season.")] = "UTC",
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
    as_json: JsonOption = False,
) -> None:
    """Learn from the first weeks of a file, judge the rest as the daemon would, and say what it would have raised.

    Needs no daemon and no configuration, stores nothing and tells nobody.

    Example: watchkeeper rehearse last-quarter.parquet --time scored_at --false-alarms '1 per 30 days'
    """
    from monitor.rehearsal import rehearse as run

    settings = _settings(
        reference=reference,
        window=window,
        false_alarms=false_alarms,
        min_effect=min_effect,
        time_zone=time_zone,
    )
    with bar("counting windows") as progress:
        found = run(
            file,
            time=time,
            settings=settings,
            ignore=ignore or (),
            progress=progress,
            separator=separator,
            encoding=encoding,
        )
    if as_json:
        put_json(found.to_dict())
    else:
        put(found.text())


def _settings(**options: object) -> "DriftSettings":
    """The options as the configuration's section `drift` would read them."""
    from pydantic import ValidationError

    from monitor.drift import DriftSettings

    try:
        return DriftSettings.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise InputError(f"{option}: {first['msg'].removeprefix('Value error, ')}") from error
