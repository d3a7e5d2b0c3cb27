"""`baseline`, `compare`: what models are held against."""

import time
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import comparing
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, EncodingOption, JsonOption, SeparatorOption
from monitor.cli.output import bar, put, put_json, say
from monitor.cli.streams import StreamArgument, moment, stream_of
from monitor.clock import iso
from monitor.errors import NotFoundError

baseline = typer.Typer(
    help="What a model's windows are held against.\n\nExample: watchkeeper baseline set acme/fraud training.parquet",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(baseline, name="baseline")
    app.command("compare")(compare)


@baseline.command("show")
def show(model: StreamArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Say what a model is held against: where it comes from, how many rows, which columns of which kind.

    Example: watchkeeper baseline show acme/fraud
    """
    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.windows import baseline as baselines

    stream = stream_of(model)
    with opened(load(config)).read() as connection:
        found = baselines.load(connection, stream)
    if found is None:
        raise NotFoundError(f"{stream} has no baseline yet", hint="see: watchkeeper baseline set --help")
    columns = {column.name: column.kind.value for column in found.layout.columns}
    about = {
        "source": found.source,
        "made": iso(found.created_at),
        "rows": found.profile.rows,
        "columns": columns,
        "notes": list(found.layout.notes),
    }
    if as_json:
        put_json({"stream": str(stream), **about})
        return
    put(f"{stream}: {found.profile.rows:,} rows from {found.source}, made {iso(found.created_at)}")
    for name, kind in columns.items():
        put(f"  {name}: {kind}")
    for note in found.layout.notes:
        put(f"  note: {note}")


@baseline.command("set")
def set_baseline(
    model: StreamArgument,
    file: Annotated[Path, typer.Argument(help="The training set: Parquet, CSV, JSON or Arrow.")],
    config: ConfigOption = DEFAULT_CONFIG,
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
) -> None:
    """Make a baseline from a file and put it in force; rows that are kept are counted again.

    Example: watchkeeper baseline set acme/fraud training.parquet
    """
    from monitor.cli import stores
    from monitor.config import load
    from monitor.sources.dialect import dialect
    from monitor.upkeep.baselines import Baselines, accepted
    from monitor.windows import baseline as baselines

    settings, now = load(config), time.time()
    store = stores.made(settings)
    found = baselines.from_file(stream_of(model), file, now, said=dialect(separator, encoding))
    made = accepted(found, f"{file}, by hand")
    with bar("counting again") as progress:
        keeper = Baselines(store, int(settings.predictions.base_window), settings.windows, {})
        since = keeper.put_in_force(made, now, progress)
    say(
        f"{made.profile.rows:,} rows with {len(made.layout.columns)} columns are the baseline of {made.stream} now"
    )
    for note in made.layout.notes:
        say(f"  {note}")
    if since is not None:
        say(f"rows since {iso(since)} were counted again: from then on figures can be compared with it")


@baseline.command("accept")
def accept(
    model: StreamArgument,
    since: Annotated[
        str, typer.Option("--since", help="From when on the new state holds: 2026-11-20T08:00:00Z.")
    ],
    author: Annotated[str, typer.Option("--author", help="Who says so.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take a model's state since then for the new normal: drift is judged against it from now on.

    Example: watchkeeper baseline accept acme/fraud --since 2026-11-20T08:00:00Z
    """
    import getpass

    from monitor.cli.stores import opened
    from monitor.config import load
    from monitor.drift.acceptance import accept as accept_drift
    from monitor.store.register import figures as figures_of
    from monitor.store.register import streams
    from monitor.windows import cut

    settings, now, stream = load(config), time.time(), stream_of(model)
    store = opened(settings)
    with store.read() as connection:
        figures = figures_of(connection, stream)
        models = len(streams(connection))
    if figures is None:
        raise NotFoundError(f"nothing of {stream} ever came in", hint="see: watchkeeper status")
    until = cut.horizon(figures.watermark, figures.last_received, now, settings.windows)
    base = int(settings.predictions.base_window)
    begin = moment(since)
    count = accept_drift(
        store, stream, settings.drift, base, begin, until, now, author or getpass.getuser(), models
    )
    say(f"{count} windows since {iso(begin)} are the new normal of {stream}")


def compare(
    reference: Annotated[Path, typer.Argument(help="Parquet, CSV, JSON or Arrow: what is held against.")],
    current: Annotated[Path, typer.Argument(help="The table to look at.")],
    as_json: JsonOption = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write Evidently's report here (extra `reports`).")
    ] = None,
    separator: SeparatorOption = "",
    encoding: EncodingOption = "",
) -> None:
    """Compare two tables column by column, the most different first; needs no daemon and no configuration.

    Example: watchkeeper compare training.parquet yesterday.parquet
    """
    comparing.compare(reference, current, as_json=as_json, html=html, separator=separator, encoding=encoding)
