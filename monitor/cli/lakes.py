"""`profile`: a lake of predictions into windows and measurements."""

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, EncodingOption, JsonOption, SeparatorOption
from monitor.cli.output import put_json, rows_bar, say
from monitor.cli.refusals import tell_ignored, tell_refused
from monitor.cli.streams import seconds_of, stream_of
from monitor.errors import InputError

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.lake.run import Profiled
    from monitor.lake.work import Engine
    from monitor.store.db import Store


class EngineName(StrEnum):
    """What counts a lake."""

    LOCAL = "local"
    SPARK = "spark"


def register(app: typer.Typer) -> None:
    """Add this file's command."""
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
    anew: Annotated[bool, typer.Option(help="Forget what was profiled of these models before.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
    as_json: JsonOption = False,
) -> None:
    """Profile a lake: count files of any size into windows and measure them, without keeping the rows.

    What the daemon counted itself is left as it is. S3 is reached by the usual AWS variables.

    Example: watchkeeper profile acme/fraud --source 's3://lake/fraud/*.parquet' --window 1h
    """
    from monitor.cli.stores import made
    from monitor.config import load
    from monitor.lake.run import Lake, profile_lake
    from monitor.sources import places
    from monitor.sources.dialect import dialect

    settings, stream, said = load(config), stream_of(model) if model else None, dialect(separator, encoding)
    if not source:
        raise InputError("no source is named", hint="--source FILE, FOLDER or 's3://bucket/**/*.parquet'")
    seconds, counting = int(seconds_of(window)), _engine(engine)
    found = places.find(source)
    store, began, now = made(settings), time.monotonic(), time.time()
    lake = Lake(settings.predictions, settings.windows, settings.metrics.settings())
    with rows_bar("profiling") as progress:
        done = profile_lake(store, found, stream, seconds, lake, now, progress, counting, said, anew=anew)
    _touch_days(store, settings, done, now)
    rate = done.rows / max(time.monotonic() - began, 1e-9)
    if as_json:
        put_json(_as_json(done, len(found), rate))
    else:
        _tell(done, len(found), rate, oldest=now - settings.windows.retention)


def _engine(name: EngineName) -> "Engine":
    if name is EngineName.LOCAL:
        from monitor.lake import here

        return here.run
    try:
        from monitor.lake import spark
    except ImportError as error:
        raise InputError(
            f"Spark is not installed here ({error})",
            hint="pip install 'watchkeeper[spark]', and a Java 17 runtime",
        ) from error
    return spark.run


def _touch_days(store: "Store", settings: "Config", done: "Profiled", now: float) -> None:
    """Have the pages' days say what was profiled."""
    from monitor.health.daybook import DayBook

    days = DayBook(store, settings.clients)
    days.touch(done.windows)
    days.update(now)


def _as_json(done: "Profiled", files: int, rate: float) -> dict[str, object]:
    return {
        "rows": done.rows,
        "windows": len(done.windows),
        "left": len(done.left),
        "refused": done.refused,
        "others": done.others,
        "ignored": sorted(done.ignored),
        "files": files,
        "rows_per_second": round(rate),
    }


def _tell(done: "Profiled", files: int, rate: float, *, oldest: float) -> None:
    """What was done, for the person at the terminal; windows before `oldest` will not be kept."""
    refused = sum(done.refused.values())
    say(
        f"{done.rows:,} rows of {files:,} files in {len(done.windows):,} windows ({rate:,.0f} rows/s), "
        f"{refused:,} refused"
    )
    tell_refused(done.refused, done.others, done.examples)
    tell_ignored(done.ignored)
    if done.left:
        say(f"{len(done.left):,} windows were left as they are: the daemon counted rows in them itself")
    if any(one.start < oldest for _, one in done.windows):
        say("some windows are older than windows.retention, and will be forgotten within the hour")
