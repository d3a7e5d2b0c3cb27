"""`profile`: windows and measurements of a lake."""

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.load_report import report_ignored, report_rejected
from monitor.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    DatesOption,
    EncodingOption,
    JsonOption,
    SeparatorOption,
)
from monitor.cli.output import put_json, rows_bar, say
from monitor.cli.stream_names import seconds_of, stream_of
from monitor.errors import InputError
from monitor.visible import counted

if TYPE_CHECKING:
    from monitor.config.root import Config
    from monitor.lake.run import LakeResult
    from monitor.lake.task import Engine
    from monitor.store.db import Store


class EngineName(StrEnum):
    """The engine that counts a lake."""

    LOCAL = "local"
    SPARK = "spark"


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("profile")(profile)


def profile(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="client/model; without it, rows name client and model.")
    ] = "",
    source: Annotated[
        list[str] | None,
        typer.Option("--source", "-s", help="Files, folders or s3://..., with * and ** (in quotes)."),
    ] = None,
    window: Annotated[str, typer.Option(help="Length of a window, such as 1h.")] = "1h",
    engine: Annotated[
        EngineName, typer.Option(help="This process, or Spark (extra `spark`).")
    ] = EngineName.LOCAL,
    anew: Annotated[bool, typer.Option(help="Delete earlier profiles of these models first.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
    dates: DatesOption = "",
    as_json: JsonOption = False,
) -> None:
    """Profile a lake: count files of any size into windows and measure them, without storing the rows.

    Windows that the daemon counted itself are not changed. S3 uses the usual AWS environment variables.

    Example: watchkeeper profile acme/fraud --source 's3://lake/fraud/*.parquet' --window 1h
    """
    from monitor.cli.store_option import made
    from monitor.config.root import load
    from monitor.lake.run import LakeSettings, profile_lake
    from monitor.sources.files import locations
    from monitor.sources.files.csv_dialect import dialect
    from monitor.sources.objects import delta_snapshot

    settings, stream = load(config), stream_of(model) if model else None
    csv_dialect = dialect(separator, encoding, dates)
    if not source:
        raise InputError("no source given", hint="--source FILE, FOLDER or 's3://bucket/**/*.parquet'")
    seconds, counting = int(seconds_of(window)), _engine(engine)
    places = delta_snapshot.current(locations.find_locations(source))
    store, began, now = made(settings), time.monotonic(), time.time()
    lake = LakeSettings(settings.predictions, settings.windows, settings.measuring())
    with rows_bar("profiling") as progress:
        result = profile_lake(
            store, places, stream, seconds, lake, now, progress, counting, csv_dialect, anew=anew
        )
    _touch_days(store, settings, result, now)
    rate = result.rows / max(time.monotonic() - began, 1e-9)
    if as_json:
        put_json(_as_json(result, len(places), rate))
    else:
        _tell(result, len(places), rate, oldest=now - settings.windows.retention)


def _engine(name: EngineName) -> "Engine":
    if name is EngineName.LOCAL:
        from monitor.lake import local

        return local.run
    try:
        from monitor.lake import spark
    except ImportError as error:
        raise InputError(
            f"Spark is not installed here ({error})",
            hint="pip install 'watchkeeper[spark]', and a Java 17 runtime",
        ) from error
    return spark.run


def _touch_days(store: "Store", settings: "Config", result: "LakeResult", now: float) -> None:
    """Update the daily summaries of the profiled days."""
    from monitor.health.daily_summary import DailySummaries

    days = DailySummaries(store, settings.clients)
    days.touch(result.windows)
    days.update(now)


def _as_json(result: "LakeResult", files: int, rate: float) -> dict[str, object]:
    return {
        "rows": result.rows,
        "windows": len(result.windows),
        "left": len(result.left),
        "refused": result.rejected,
        "others": result.others,
        "ignored": sorted(result.ignored),
        "files": files,
        "rows_per_second": round(rate),
    }


def _tell(result: "LakeResult", files: int, rate: float, *, oldest: float) -> None:
    """Print the result; windows before `oldest` are not kept."""
    rejected = sum(result.rejected.values())
    say(
        f"{counted(result.rows, 'row')} of {counted(files, 'file')} in "
        f"{counted(len(result.windows), 'window')} ({rate:,.0f} rows/s), {rejected:,} rejected"
    )
    report_rejected(result.rejected, result.others, result.examples)
    report_ignored(result.ignored)
    if result.left:
        say(f"{counted(len(result.left), 'window')} not changed: the daemon already counted rows in them")
    if any(one.start < oldest for _, one in result.windows):
        say("some windows are older than windows.retention and will be deleted within an hour")
