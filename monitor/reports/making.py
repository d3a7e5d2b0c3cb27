"""A report from two tables: written by a process of its own, which has limits on memory and time and no secrets.

Evidently takes seconds and hundreds of megabytes to load, which a pager must not carry. It needs the extra `reports`.
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

from monitor.durations import format_duration
from monitor.errors import InputError, WatchkeeperError
from monitor.predictions.readable import flat_table, readable
from monitor.reports.settings import ReportSettings
from monitor.settings import format_size
from monitor.sources.dialect import FOUND, Dialect
from monitor.sources.tables import read_table

MOST_ROWS = 10_000
STEP = "step: "
_CHILD = "monitor.reports.child"
# What a program needs to run at all. Everything else of our environment (keys, addresses) stays here.
_HANDED_ON = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT")
_TOO_MUCH = ("MemoryError", "Unable to allocate", "cannot allocate memory", "malloc of size")


def write(reference: Path, current: Path, out: Path, settings: ReportSettings, said: Dialect = FOUND) -> Path:
    """Write Evidently's data drift report of two files to `out`, on at most 10,000 evenly spread rows of each.

    Raises:
        InputError: a file cannot be read, or the files share no column.
        WatchkeeperError: Evidently is not installed, it failed, or it went beyond its limits.
    """
    return Making(settings).write(read_table(reference, said).rows, read_table(current, said).rows, out)


class Making:
    """One report on its way. `say` is told each step; `give_up` ends it from another thread."""

    def __init__(self, settings: ReportSettings, say: Callable[[str], None] = lambda _: None) -> None:
        self._settings = settings
        self._say = say
        self._child: subprocess.Popen[str] | None = None
        self._ended = ""
        self._lock = threading.Lock()

    def write(self, reference: pa.Table, current: pa.Table, out: Path) -> Path:
        """Write the report of two tables; what is at `out` afterwards is whole.

        Raises:
            InputError: the tables share no column, or `out` is a folder.
            WatchkeeperError: Evidently is not installed, it failed, or it went beyond its limits.
        """
        if out.is_dir():
            raise InputError(f"{out} is a folder", hint="name the file to write, such as report.html")
        base, new = shown(reference, current)
        if not base.num_columns:
            raise InputError("the two tables share no column that a report can show")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="watchkeeper-report-") as folder:
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

    def give_up(self, why: str = "it was stopped") -> None:
        """End the process, if there is one."""
        with self._lock:
            self._ended = self._ended or why
            if self._child is not None and self._child.poll() is None:
                os.killpg(self._child.pid, signal.SIGKILL)

    def _run(self, folder: Path) -> None:
        limit = self._settings.time_limit
        with (folder / "said").open("w+", encoding="utf-8") as said:
            with self._lock:
                if self._ended:
                    raise WatchkeeperError(f"there is no report: {self._ended}")
                self._child = _started(folder, self._settings, said.fileno())
            alarm = threading.Timer(limit, self.give_up, [f"it was not ready after {format_duration(limit)}"])
            alarm.start()
            try:
                self._listen(self._child)
            finally:
                alarm.cancel()
                self.give_up()
                code = self._child.wait()
            said.seek(0)
            if code:
                raise self._refused(code, said.read())

    def _listen(self, child: "subprocess.Popen[str]") -> None:
        assert child.stdout is not None
        with child.stdout as lines:
            for line in lines:
                if line.startswith(STEP):
                    self._say(line.removeprefix(STEP).strip())
        child.wait()

    def _refused(self, code: int, said: str) -> WatchkeeperError:
        if self._ended and code == -signal.SIGKILL:
            return WatchkeeperError(f"there is no report: {self._ended}", hint="see reports.time_limit")
        last = (said.strip().splitlines() or [f"it ended with {code} and said nothing"])[-1]
        if any(text in said for text in _TOO_MUCH):
            size = format_size(self._settings.memory)
            return WatchkeeperError(f"the report needed more memory than {size}", hint="raise reports.memory")
        missing = "No module named" in last
        hint = "install it with: pip install 'watchkeeper[reports]'" if missing else ""
        return WatchkeeperError(f"Evidently could not make the report: {last}", hint=hint)


def _started(folder: Path, settings: ReportSettings, said: int) -> "subprocess.Popen[str]":
    kept = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", _CHILD, str(folder), str(settings.memory), str(int(settings.time_limit) + 1)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        env=kept | {"HOME": str(folder), "TMPDIR": str(folder)},
        start_new_session=True,
    )


def shown(reference: pa.Table, current: pa.Table) -> tuple[pa.Table, pa.Table]:
    """What a report can show of two tables: at most 10,000 rows of the columns that both have, in types that both have.

    The first of several columns of one name counts; one that holds numbers here and texts there holds texts in both.
    """
    base, new = _columns(reference), _columns(current)
    for name in base.keys() & new.keys():
        if base[name].type != new[name].type:
            base[name], new[name] = base[name].cast(pa.string()), new[name].cast(pa.string())
    shared = [name for name in base if name in new]
    return pa.table({name: base[name] for name in shared}), pa.table({name: new[name] for name in shared})


def _columns(table: pa.Table) -> dict[str, pa.Array]:
    table = flat_table(table)
    rows = np.arange(table.num_rows)
    if len(rows) > MOST_ROWS:
        rows = np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)
    found: dict[str, pa.Array] = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        values = None if name in found else readable(column.combine_chunks())
        if values is not None and not pa.types.is_list(values.type):
            some = values.take(pa.array(rows))
            found[name] = some.cast(pa.string()) if pa.types.is_dictionary(some.type) else some
    return found
