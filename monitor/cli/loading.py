"""`load`: predictions of the past, from files into the log."""

from typing import Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, EncodingOption, SeparatorOption
from monitor.cli.output import rows_bar, say
from monitor.cli.refusals import tell_ignored, tell_refused
from monitor.cli.streams import StreamArgument, stream_of


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command("load")(load_history)


def load_history(
    model: StreamArgument,
    files: Annotated[
        list[str], typer.Argument(help="Parquet, CSV, JSON or Arrow files of predictions, or s3://...")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
) -> None:
    """Load predictions of the past into the log, to be measured without paging anybody; a second time does nothing.

    Columns are named as in a record (timestamp, prediction, confidence, ...); all others are features. What became
    known (truth, reviewed, corrected, feedback) stands beside them, or in files of its own by id.

    Example: watchkeeper load acme/fraud history/*.parquet
    """
    from monitor.cli.stores import made
    from monitor.clock import SystemClock
    from monitor.config import load
    from monitor.predictions.log import PredictionLog
    from monitor.sources import places
    from monitor.sources.dialect import dialect
    from monitor.sources.history import HistoryReader
    from monitor.store import quarantine

    settings, clock = load(config), SystemClock()
    found = places.find(files)
    store = made(settings)
    log = PredictionLog(store, settings.predictions, clock)
    said = dialect(separator, encoding)
    reader = HistoryReader(found, stream_of(model), settings.predictions, clock.now(), said=said)
    with rows_bar("loading") as progress:
        for part in reader.parts(progress):
            log.append(part.batches)
            for stream, rows in part.known:
                log.append_outcomes(stream, rows)
    with store.write() as connection:
        quarantine.put(connection, reader.quarantined(clock.now()))
    told = f", {reader.outcomes:,} with what became known" if reader.outcomes else ""
    say(f"{reader.taken:,} rows taken{told}, {sum(reader.refused.values()):,} refused")
    tell_refused(reader.refused, reader.others, reader.examples)
    tell_ignored(reader.ignored)
