"""`load`: history from files into the prediction log."""

from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.load_report import report_ignored, report_rejected
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, DatesOption, EncodingOption, SeparatorOption
from monitor.cli.output import rows_bar, say
from monitor.cli.stream_names import StreamArgument, stream_of
from monitor.visible import counted

if TYPE_CHECKING:
    from monitor.sources.formats.format import Format


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("load")(load_history)


def load_history(
    model: StreamArgument,
    files: Annotated[
        list[str], typer.Argument(help="Parquet, CSV, JSON or Arrow files of predictions, or s3://...")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
    dates: DatesOption = "",
    form: Annotated[
        str, typer.Option("--format", help="The files are captures, such as sagemaker, vertex or kserve.")
    ] = "",
    columns: Annotated[
        str, typer.Option(help="For captures: names of the inputs in their order, separated by commas.")
    ] = "",
) -> None:
    """Load past predictions from files. They are measured, but page no one. Loading a file again changes nothing.

    Columns are named as in a record (timestamp, prediction, confidence, ...); all others are features. Outcomes (truth,
    reviewed, corrected, feedback) are further columns, or in separate files with the id.

    Example: watchkeeper load acme/fraud history/*.parquet
    """
    from monitor.cli.store_option import made
    from monitor.clock import SystemClock
    from monitor.config.root import load
    from monitor.predictions.log.writer import PredictionLog
    from monitor.sources.files import locations
    from monitor.sources.files.csv_dialect import dialect
    from monitor.sources.files.load import HistoryReader
    from monitor.sources.objects import delta_snapshot
    from monitor.store import quarantine
    from monitor.wiring import signal_meter

    settings, clock = load(config), SystemClock()
    places = delta_snapshot.current(locations.find_locations(files))
    store = made(settings)
    log = PredictionLog(store, settings.predictions, clock, meter=signal_meter(settings, clock, store))
    csv_dialect = dialect(separator, encoding, dates)
    captures = _captures(form, columns)
    reader = HistoryReader(
        places, stream_of(model), settings.predictions, clock.now(), dialect=csv_dialect, form=captures
    )
    with rows_bar("loading") as progress:
        for part in reader.parts(progress):
            log.append(part.batches)
            for stream, rows in part.outcomes:
                log.append_outcomes(stream, rows)
    with store.write() as connection:
        quarantine.put(connection, reader.quarantined(clock.now()))
    with_outcomes = f", {reader.outcomes:,} with an outcome" if reader.outcomes else ""
    say(
        f"{counted(reader.accepted, 'row')} accepted{with_outcomes}, {sum(reader.rejected.values()):,} rejected"
    )
    report_rejected(reader.rejected, reader.others, reader.examples)
    report_ignored(reader.ignored)


def _captures(form: str, columns: str) -> "Format | None":
    from monitor.errors import InputError
    from monitor.sources.formats import catalog
    from monitor.sources.formats.format import FieldMapping

    if not form:
        return None
    try:
        return catalog.make(form, FieldMapping(columns=tuple(filter(None, columns.split(",")))))
    except ValueError as error:
        raise InputError(str(error), hint="such as --format sagemaker") from error
