"""`load`, `profile`: predictions of the past, from files."""

import time
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from monitor.cli.output import put_json, rows_bar, say
from monitor.cli.streams import StreamArgument, seconds_of, stream_of
from monitor.errors import InputError
from monitor.records import Rejected

if TYPE_CHECKING:
    from monitor.lake.work import Engine


class EngineName(StrEnum):
    """What counts a lake."""

    LOCAL = "local"
    SPARK = "spark"


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("load")(load_history)
    app.command("profile")(profile)


def load_history(
    model: StreamArgument,
    files: Annotated[
        list[str], typer.Argument(help="Parquet, CSV or JSON lines of predictions, or s3://...")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Load predictions of the past into the log, to be measured without paging anybody; a second time does nothing.

    Columns are named as in a record (timestamp, prediction, confidence, ...); all others are features. What became
    known (truth, reviewed, corrected, feedback) stands beside them, or in files of its own by id.

    Example: watchkeeper load acme/fraud history/*.parquet
    """
    from monitor.clock import SystemClock
    from monitor.config import load
    from monitor.predictions.log import PredictionLog
    from monitor.sources import places
    from monitor.sources.history import HistoryReader
    from monitor.store import quarantine
    from monitor.store.db import Store
    from monitor.store.migrate import migrate

    settings, clock = load(config), SystemClock()
    found = places.find(files)
    store = Store(settings.store.url)
    migrate(store)
    log = PredictionLog(store, settings.predictions, clock)
    reader = HistoryReader(found, stream_of(model), settings.predictions, clock.now())
    with rows_bar("loading") as progress:
        for part in reader.parts(progress):
            log.append(part.batches)
            for stream, rows in part.known:
                log.append_outcomes(stream, rows)
    with store.write() as connection:
        quarantine.put(connection, reader.quarantined(clock.now()))
    told = f", {reader.outcomes:,} with what became known" if reader.outcomes else ""
    say(f"{reader.taken:,} rows taken{told}, {sum(reader.refused.values()):,} refused")
    _tell_refused(reader.refused, reader.others, reader.examples)
    _tell_ignored(reader.ignored)


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
    as_json: JsonOption = False,
) -> None:
    """Profile a lake: count files of any size into windows and measure them, without keeping the rows.

    What the daemon counted itself is left as it is. S3 is reached by the usual AWS variables.

    Example: watchkeeper profile acme/fraud --source 's3://lake/fraud/*.parquet' --window 1h
    """
    from monitor.config import load
    from monitor.health.daybook import DayBook
    from monitor.lake.run import Lake, profile_lake
    from monitor.sources import places
    from monitor.store.db import Store
    from monitor.store.migrate import migrate

    settings = load(config)
    seconds = int(seconds_of(window))
    if not source:
        raise InputError("no source is named", hint="--source FILE, FOLDER or 's3://bucket/**/*.parquet'")
    found = places.find(source)
    store, began, now = Store(settings.store.url), time.monotonic(), time.time()
    migrate(store)
    lake = Lake(settings.predictions, settings.windows, settings.metrics.settings())
    with rows_bar("profiling") as progress:
        done = profile_lake(
            store,
            found,
            stream_of(model) if model else None,
            seconds,
            lake,
            now,
            progress,
            _engine(engine),
            anew=anew,
        )
    days = DayBook(store, settings.clients)
    days.touch(done.windows)
    days.update(now)
    rate = done.rows / max(time.monotonic() - began, 1e-9)
    refused = sum(done.refused.values())
    if as_json:
        put_json({"rows": done.rows, "windows": len(done.windows), "left": len(done.left), "refused": done.refused,
                  "others": done.others, "ignored": sorted(done.ignored), "files": len(found),
                  "rows_per_second": round(rate)})  # fmt: skip
        return
    say(f"{done.rows:,} rows of {len(found):,} files in {len(done.windows):,} windows ({rate:,.0f} rows/s), "
        f"{refused:,} refused")  # fmt: skip
    _tell_refused(done.refused, done.others, done.examples)
    _tell_ignored(done.ignored)
    if done.left:
        say(f"{len(done.left):,} windows were left as they are: the daemon counted rows in them itself")
    oldest = min((one.start for _, one in done.windows), default=now)
    if oldest < now - settings.windows.retention:
        say("some windows are older than windows.retention, and will be forgotten within the hour")


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


def _tell_ignored(names: Collection[str]) -> None:
    if names:
        say(f"  left out, because of their name or type nothing can be measured: {', '.join(sorted(names))}")


def _tell_refused(refused: Mapping[str, int], others: int, examples: Iterable[Rejected]) -> None:
    for reason, count in sorted(refused.items()):
        say(f"  {count:,} refused: {reason.replace('_', ' ')}")
    for rejected in list(examples)[:5]:
        say(f"  {rejected.error}" + (f" ({rejected.hint})" if rejected.hint else ""))
    if others:
        say(f"  {others:,} rows of other models were passed over")
