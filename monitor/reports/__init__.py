"""The one border to Evidently: a drill-down report as one HTML file, made in a process of its own.

Evidently takes seconds and hundreds of megabytes to load, which a pager must not carry. It needs the extra `reports`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.errors import InputError, WatchkeeperError
from monitor.windows.reference import read_table

MOST_ROWS = 10_000
_CHILD = "monitor.reports.child"
_SECONDS = 600


def write(reference: Path, current: Path, out: Path) -> Path:
    """Write Evidently's data drift report of two files to `out`, on at most 10,000 evenly spread rows of each.

    Raises:
        InputError: a file cannot be read, or the files share no column.
        WatchkeeperError: Evidently is not installed, or it failed.
    """
    return write_tables(read_table(reference), read_table(current), out)


def write_tables(reference: pa.Table, current: pa.Table, out: Path) -> Path:
    """The same for tables in memory: the sample of a baseline, and the rows of an alert's window."""
    shared = [name for name in dict.fromkeys(reference.schema.names) if name in current.schema.names]
    plain = [name for name in shared if not pa.types.is_nested(reference.schema.field(name).type)]
    if not plain:
        raise InputError("the two tables share no column that a report can show")
    with tempfile.TemporaryDirectory(prefix="watchkeeper-report-") as folder:
        paths = []
        for name, table in (("reference", reference), ("current", current)):
            paths.append(Path(folder) / f"{name}.parquet")
            pq.write_table(_some(table.select(plain)), paths[-1])
        _run([*map(str, paths), str(out.resolve())])
    return out


def _some(table: pa.Table) -> pa.Table:
    if table.num_rows <= MOST_ROWS:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, MOST_ROWS).astype(np.int64)))


def _run(arguments: list[str]) -> None:
    command = [sys.executable, "-m", _CHILD, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise WatchkeeperError(f"the report was not ready after {_SECONDS} seconds") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        hint = "install it with: pip install 'watchkeeper[reports]'" if "No module named" in last else ""
        raise WatchkeeperError(f"Evidently could not make the report: {last}", hint=hint)
