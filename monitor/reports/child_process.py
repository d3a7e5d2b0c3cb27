"""Makes a report from two tables in a child process with limits on memory and time, and without secrets.

Evidently needs seconds and hundreds of megabytes to load, so the daemon does not load it. Needs the extra `reports`.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.config.sections import format_size
from monitor.config.units import format_duration
from monitor.errors import InputError, WatchkeeperError
from monitor.predictions.intake.arrow_types import flat_table, readable
from monitor.predictions.log.columns import TEXT_FROM
from monitor.reports.settings import ReportSettings
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.sources.files.tables import read_table

MOST_ROWS = 10_000
MOST_LABELS = 1000
"""Different values of a column of short texts. Columns with more, such as ids, are left out."""
STEP = "step: "
_CHILD = "monitor.reports.child"
# Environment variables that a program needs. Others, which can hold keys and addresses, are not passed on.
_PASSED_ON = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT")
_OUT_OF_MEMORY = ("MemoryError", "Unable to allocate", "cannot allocate memory", "malloc of size")


def write(
    reference: Path, current: Path, out: Path, settings: ReportSettings, dialect: Dialect = DETECTED
) -> Path:
    """Write Evidently's data drift report of two files to `out`, on at most 10,000 evenly spread rows of each.

    Raises:
        InputError: a file cannot be read, or the files share no column.
        WatchkeeperError: Evidently is not installed, it failed, or it exceeded its limits.
    """
    return ReportProcess(settings).write(
        read_table(reference, dialect).rows, read_table(current, dialect).rows, out
    )


class ReportProcess:
    """One report in the making. `on_step` receives the text of each step; `cancel` stops it from another thread.

    The rows are written to a temporary folder in `scratch`, the system's by default.
    """

    def __init__(
        self,
        settings: ReportSettings,
        on_step: Callable[[str], None] = lambda _: None,
        scratch: Path | None = None,
    ) -> None:
        self._settings = settings
        self._scratch = scratch
        self._on_step = on_step
        self._child: subprocess.Popen[str] | None = None
        self._cancelled = ""
        self._lock = threading.Lock()

    def write(self, reference: pa.Table, current: pa.Table, out: Path) -> Path:
        """Write the report of two tables to `out`, atomically.

        Raises:
            InputError: the tables share no column, or `out` is a folder.
            WatchkeeperError: Evidently is not installed, it failed, or it exceeded its limits.
        """
        if out.is_dir():
            raise InputError(f"{out} is a folder", hint="name the file to write, such as report.html")
        base, new = shown(reference, current)
        if not base.num_columns:
            raise InputError("the two tables have no column in common that a report can show")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="watchkeeper-report-", dir=self._scratch) as folder:
            for name, some in (("reference", base), ("current", new)):
                with (
                    pa.OSFile(f"{folder}/{name}.arrow", "wb") as file,
                    pa.ipc.new_file(file, some.schema) as sink,
                ):
                    sink.write_table(some)
            self._run(Path(folder))
            shutil.move(Path(folder) / "report.html", out.with_suffix(".part"))
        out.with_suffix(".part").replace(out)
        return out

    def cancel(self, why: str = "cancelled") -> None:
        """Kill the child process, if there is one."""
        with self._lock:
            self._cancelled = self._cancelled or why
            if self._child is not None and self._child.poll() is None:
                os.killpg(self._child.pid, signal.SIGKILL)

    def _run(self, folder: Path) -> None:
        limit = self._settings.time_limit
        with (folder / "errors").open("w+", encoding="utf-8") as errors:
            with self._lock:
                if self._cancelled:
                    raise WatchkeeperError(f"no report: {self._cancelled}")
                self._child = _started(folder, self._settings, errors.fileno())
            alarm = threading.Timer(limit, self.cancel, [f"not finished after {format_duration(limit)}"])
            try:
                alarm.start()
                self._listen(self._child)
            finally:
                alarm.cancel()
                self.cancel()
                code = self._child.wait()
            errors.seek(0)
            if code:
                raise self._error(code, errors.read())

    def _listen(self, child: "subprocess.Popen[str]") -> None:
        assert child.stdout is not None
        with child.stdout as lines:
            for line in lines:
                if line.startswith(STEP):
                    self._on_step(line.removeprefix(STEP).strip())
        child.wait()

    def _error(self, code: int, output: str) -> WatchkeeperError:
        if self._cancelled and code == -signal.SIGKILL:
            return WatchkeeperError(f"no report: {self._cancelled}", hint="see reports.time_limit")
        last = (output.strip().splitlines() or [f"the child process exited with code {code} and no output"])[
            -1
        ]
        if any(text in output for text in _OUT_OF_MEMORY):
            size = format_size(self._settings.memory)
            return WatchkeeperError(f"the report needs more memory than {size}", hint="raise reports.memory")
        missing = "No module named" in last
        hint = "install it with: pip install 'watchkeeper[reports]'" if missing else ""
        return WatchkeeperError(f"Evidently failed: {last}", hint=hint)


def _started(folder: Path, settings: ReportSettings, errors: int) -> "subprocess.Popen[str]":
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", _CHILD, str(folder), str(settings.memory), str(int(settings.time_limit) + 1)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=environment | {"HOME": str(folder), "TMPDIR": str(folder)},
        start_new_session=True,
    )


def shown(reference: pa.Table, current: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The part of two tables that a report can show: at most 10,000 rows of their common columns, converted to common
    types.

    Of several columns with one name, the first is used. A column that has numbers in one table and texts in the other
    has texts in both.
    """
    base, new = _columns(reference), _columns(current)
    for name in base.keys() & new.keys():
        if base[name].type != new[name].type:
            base[name], new[name] = base[name].cast(pa.string()), new[name].cast(pa.string())
    shared = [name for name in base if name in new and _can_be_shown(base[name], new[name])]
    for name in shared:
        if pa.types.is_string(base[name].type) and not (_is_long(base[name]) or _is_long(new[name])):
            # Otherwise, Evidently compares the words of labels, and fails where a letter is no word.
            base[name], new[name] = base[name].dictionary_encode(), new[name].dictionary_encode()
    return pa.table({name: base[name] for name in shared}), pa.table({name: new[name] for name in shared})


def _can_be_shown(base: pa.Array, new: pa.Array) -> bool:
    """Whether both have a value, and not nearly as many labels as rows. Evidently fails as a whole otherwise."""
    for values in (base, new):
        if not len(values) or pc.all(pc.is_null(values, nan_is_null=True)).as_py():
            return False
        if (
            pa.types.is_string(values.type)
            and not _is_long(values)
            and pc.count_distinct(values).as_py() > MOST_LABELS
        ):
            return False
    return True


def _is_long(texts: pa.Array) -> bool:
    """Whether texts are compared by their words, not as labels."""
    return float(pc.mean(pc.utf8_length(texts)).as_py() or 0) > TEXT_FROM


def _columns(table: pa.Table) -> dict[str, pa.Array]:
    table = flat_table(table)
    rows = np.arange(table.num_rows)
    if len(rows) > MOST_ROWS:
        rows = np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)
    columns: dict[str, pa.Array] = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        values = None if name in columns else readable(column.combine_chunks())
        if values is not None and not pa.types.is_list(values.type):
            some = values.take(pa.array(rows))
            if pa.types.is_floating(
                some.type
            ):  # of numbers that are not finite, Evidently makes no histogram
                some = pc.if_else(pc.is_finite(some), some, pa.scalar(None, some.type))
            columns[name] = some.cast(pa.string()) if pa.types.is_dictionary(some.type) else some
    return columns
