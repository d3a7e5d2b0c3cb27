"""`baseline`, `compare`: baselines of models, and comparisons of tables."""

import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import compare as compare_command
from monitor.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    DatesOption,
    EncodingOption,
    JsonOption,
    SeparatorOption,
)
from monitor.cli.output import bar, put_json, put_line, say
from monitor.cli.stream_names import StreamArgument, moment, stream_of
from monitor.clock import iso
from monitor.errors import NotFoundError
from monitor.visible import counted

baseline = typer.Typer(
    help="The baseline of a model.\n\nExample: watchkeeper baseline set acme/fraud training.parquet",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.add_typer(baseline, name="baseline")
    app.command("compare")(compare)


@baseline.command("show")
def show(model: StreamArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show the baseline of a model: its source, number of rows, and columns with their kinds.

    Example: watchkeeper baseline show acme/fraud
    """
    from msgspec import to_builtins

    from monitor.cli.lists import model_listing
    from monitor.config.root import load

    known = model_listing.baseline(load(config), stream_of(model))
    if as_json:
        put_json(to_builtins(known))
        return
    put_line(f"{known.stream}: {counted(known.rows, 'row')} from {known.source}, made {known.made}")
    for name, kind in known.columns.items():
        put_line(f"  {name}: {kind}")
    for name in known.relations:
        put_line(f"  {name}")
    for note in known.notes:
        put_line(f"  note: {note}")


@baseline.command("set")
def set_baseline(
    model: StreamArgument,
    file: Annotated[Path, typer.Argument(help="The training set: Parquet, CSV, JSON or Arrow.")],
    config: ConfigOption = DEFAULT_CONFIG,
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
    dates: DatesOption = "",
) -> None:
    """Make a baseline from a file and put it in force; stored rows are recounted.

    Example: watchkeeper baseline set acme/fraud training.parquet
    """
    from monitor.cli import store_option
    from monitor.config.root import load
    from monitor.maintenance.baseline_completion import mark
    from monitor.maintenance.baseline_selection import BaselineSelector, accepted
    from monitor.sources.files.csv_dialect import dialect
    from monitor.windows import baseline as baselines

    settings, now = load(config), time.time()
    store = store_option.made(settings)
    stream = stream_of(model)
    chosen = settings.model(stream).held_against
    from_training_set = baselines.from_file(
        stream,
        file,
        now,
        overrides=chosen.columns,
        dialect=dialect(separator, encoding, dates),
        with_relations=chosen.relations,
        declared=settings.declared_of(stream),
    )
    new = accepted(from_training_set, f"{file}, by hand{mark(settings.declared_of(stream).season)}")
    with bar("counting again") as progress:
        keeper = BaselineSelector(store, int(settings.predictions.base_window), settings.windows, {})
        since = keeper.put_in_force(new, now, progress, store_option.user())
    columns = len(new.layout.columns) - len(new.layout.relations)
    say(f"{counted(new.profile.rows, 'row')} with {columns} columns are now the baseline of {new.stream}")
    for note in new.layout.notes:
        say(f"  {note}")
    if since is not None:
        say(
            f"rows since {iso(since)} were counted again; figures from that time can be compared with the baseline"
        )


@baseline.command("accept")
def accept(
    model: StreamArgument,
    since: Annotated[
        str, typer.Option("--since", help="Start of the new normal, such as 2026-11-20T08:00:00Z.")
    ],
    author: Annotated[str, typer.Option("--author", help="Your name.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Accept the data of a model since a time as the new normal for drift.

    Example: watchkeeper baseline accept acme/fraud --since 2026-11-20T08:00:00Z
    """
    import getpass

    from monitor.cli import daemon_client
    from monitor.cli.store_option import opened
    from monitor.config.root import load
    from monitor.drift.acceptance import accept as accept_drift
    from monitor.store.streams import figures as figures_of
    from monitor.store.streams import streams
    from monitor.windows import closing

    settings, now, stream, begin = load(config), time.time(), stream_of(model), moment(since)
    if (daemon := daemon_client.running(settings)) is not None:
        accepted = daemon.post("baselines/accept", daemon_client.named(stream) | {"since": begin})
        say(f"{int(accepted['windows'])} windows since {iso(begin)} are the new reference of {stream}")
        return
    store = opened(settings)
    with store.read() as connection:
        figures = figures_of(connection, stream)
        models = len(streams(connection))
    if figures is None:
        raise NotFoundError(f"no predictions of {stream} have been received", hint="see: watchkeeper status")
    until = closing.horizon_of(figures, now, settings.windows)
    base = int(settings.predictions.base_window)
    who = author or getpass.getuser()
    count = accept_drift(
        store, stream, settings.drift, base, begin, until, now, who, models, address="command line"
    )
    say(f"the new reference of {stream}: {counted(count, 'window')} since {iso(begin)}")


def compare(
    reference: Annotated[Path, typer.Argument(help="The reference table: Parquet, CSV, JSON or Arrow.")],
    current: Annotated[Path, typer.Argument(help="The table to compare with it.")],
    as_json: JsonOption = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write a report with pictures here: one file, no scripts.")
    ] = None,
    evidently: Annotated[
        Path | None, typer.Option(help="Also write Evidently's report here (extra `reports`).")
    ] = None,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit with 1 if a column drifted or vanished.")
    ] = False,
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
    dates: DatesOption = "",
) -> None:
    """Compare two tables column by column, largest difference first; needs no daemon and no configuration.

    Example: watchkeeper compare training.parquet yesterday.parquet --html report.html --fail-on-drift
    """
    compare_command.compare(
        reference,
        current,
        as_json=as_json,
        html=html,
        evidently=evidently,
        fail_on_drift=fail_on_drift,
        separator=separator,
        encoding=encoding,
        dates=dates,
    )
