"""`anonymise`: a production-like table for staging."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.output import put_table, say
from monitor.cli.stream_names import stream_of
from monitor.errors import InputError, NotFoundError
from monitor.visible import cell, counted, visible

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.anonymisation.from_rows import Anonymised
    from monitor.windows.baseline_from_table import Baseline

WRITTEN = (".parquet", ".csv")


def register(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("anonymise")(anonymise)


def anonymise(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A file of rows; or client/model, for the profile of its baseline."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write: .parquet or .csv.")],
    rows: Annotated[int, typer.Option("--rows", help="How many rows to draw.")] = 1000,
    k: Annotated[
        int, typer.Option("--k", help="Minimum number of rows that share each value, label or range.")
    ] = 10,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="Leave out a column, such as a numeric id; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same rows.")] = 0,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="The configuration file, for a model.", envvar="WATCHKEEPER_CONFIG"
        ),
    ] = None,
) -> None:
    """Draw rows that are like those of production, for staging, and show the distance of each column.

    No row of the source is written, and no value that fewer than k rows have. Ids and free texts are left out.

    Example: watchkeeper anonymise training.parquet --out staging.parquet --rows 2000 --seed 7
    """
    if out.suffix.lower() not in WRITTEN:
        raise InputError(f"{visible(str(out))} is neither .parquet nor .csv", hint="--out staging.parquet")
    path = Path(source)
    if path.exists():
        drawn, baseline = _of_file(path, without or [], rows, k, seed)
    else:
        drawn, baseline = _of_model(source, rows, k, seed, config)
    _write(drawn.table, out)
    _show(drawn, baseline)
    if drawn.table.num_rows < rows:
        say(f"only {counted(drawn.table.num_rows, 'row')} could be drawn without a row of the source")
    say(f"written: {visible(str(out))}, {counted(drawn.table.num_rows, 'row')}")


def _of_file(path: Path, without: list[str], rows: int, k: int, seed: int) -> tuple["Anonymised", "Baseline"]:
    from monitor.anonymisation.from_rows import anonymise as draw
    from monitor.records import DAEMON
    from monitor.sources.files.tables import read_table
    from monitor.windows.baseline_from_table import from_table

    read = read_table(path)
    for note in read.notes:
        say(note)
    unknown = [name for name in without if name not in read.rows.schema.names]
    if unknown:
        raise InputError(f"{visible(str(path))} has no column {visible(unknown[0])!r}", hint="see --without")
    table = read.rows.drop_columns(list(dict.fromkeys(without)))
    return draw(table, rows, k=k, seed=seed), from_table(DAEMON, table, 0.0)


def _of_model(
    model: str, rows: int, k: int, seed: int, config: Path | None
) -> tuple["Anonymised", "Baseline"]:
    from monitor.anonymisation.from_profile import anonymise_profile
    from monitor.cli.store_option import opened
    from monitor.config.location import find
    from monitor.config.root import load
    from monitor.windows import baseline as baselines

    if model.count("/") not in (1, 2):
        raise InputError(
            f"{visible(model)} is neither a file nor a model", hint="name a file, or client/model"
        )
    stream = stream_of(model)
    with opened(load(config or find())).read() as connection:
        baseline = baselines.load(connection, stream)
    if baseline is None:
        raise NotFoundError(f"{visible(str(stream))} has no baseline", hint="watchkeeper baseline set --help")
    return anonymise_profile(baseline.profile, rows, k=k, seed=seed), baseline


def _write(table: "pa.Table", out: Path) -> None:
    from pyarrow import csv, parquet

    part = out.with_name(f".{out.name}.part")
    try:
        if out.suffix.lower() == ".csv":
            csv.write_csv(_as_cells(table), part)
        else:
            parquet.write_table(table, part)
        part.replace(out)
    except OSError as error:
        raise InputError(f"{visible(str(out))} cannot be written: {visible(str(error))}") from error
    finally:
        part.unlink(missing_ok=True)


def _as_cells(table: "pa.Table") -> "pa.Table":
    """A table whose texts and headings no spreadsheet takes for formulas."""
    import pyarrow as pa

    columns, changed = [], 0
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            values = column.to_pylist()
            cells = [None if value is None else cell(value) for value in values]
            changed += sum(one != was for one, was in zip(cells, values, strict=True))
            column = pa.chunked_array([cells], column.type)
        columns.append(column)
    if changed:
        what = f"{counted(changed, 'text')} that a spreadsheet would take for formulas"
        say(f"{what}: written with a leading '; a .parquet file has them unchanged")
    return pa.table(columns, names=[cell(name) for name in table.column_names])


def _show(drawn: "Anonymised", baseline: "Baseline") -> None:
    from monitor.anonymisation.distance import distances

    far = distances(baseline, drawn.table)
    names = [name.removeprefix("features.") for name in drawn.table.schema.names]
    table = [
        (visible(name), f"{far[name]:.3f}" if name in far else "not measured", str(drawn.rare.get(name, 0)))
        for name in names
    ]
    table += [(visible(name), "left out", visible(reason)) for name, reason in drawn.left_out.items()]
    put_table(("column", "distance (PSI)", "rare values left out"), table)
