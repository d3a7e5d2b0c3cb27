"""`rehearse`: the drift alarms that your history would have raised."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DatesOption, EncodingOption, JsonOption, SeparatorOption
from monitor.cli.output import bar, put, put_json
from monitor.errors import InputError

if TYPE_CHECKING:
    from monitor.drift import DriftSettings


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("rehearse")(rehearse)


def rehearse(
    file: Annotated[
        Path, typer.Argument(help="Parquet, CSV, JSON or Arrow: several weeks of rows with timestamps.")
    ],
    time: Annotated[str, typer.Option(help="The column with the time of each row.")] = "timestamp",
    ignore: Annotated[list[str] | None, typer.Option(help="A column to ignore.")] = None,
    reference: Annotated[
        str, typer.Option(help="The period to learn from (at most half of the data).")
    ] = "28d",
    window: Annotated[str, typer.Option(help="Length of a window, such as 1h; auto: 15m to 1h.")] = "auto",
    false_alarms: Annotated[str, typer.Option(help="The budget of false alarms.")] = "1 per 30 days",
    min_effect: Annotated[
        float, typer.Option(help="Ignore changes smaller than this, in standard deviations.")
    ] = 0.1,
    time_zone: Annotated[str, typer.Option(help="The time zone of the daily and weekly season.")] = "UTC",
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
    dates: DatesOption = "",
    as_json: JsonOption = False,
) -> None:
    """Learn from the first weeks of a file, evaluate the rest as the daemon would, and print the drift alarms.

    Needs no daemon and no configuration; stores and sends nothing.

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
        result = run(
            file,
            time=time,
            settings=settings,
            ignore=ignore or (),
            progress=progress,
            separator=separator,
            encoding=encoding,
            dates=dates,
        )
    if as_json:
        put_json(result.to_dict())
    else:
        put(result.text())


def _settings(**options: object) -> "DriftSettings":
    """The options as the settings of the `drift` section."""
    from pydantic import ValidationError

    from monitor.drift import DriftSettings

    try:
        return DriftSettings.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise InputError(f"{option}: {first['msg'].removeprefix('Value error, ')}") from error
