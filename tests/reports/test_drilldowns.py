"""Finished reports: encrypted where the store is, and deleted after their time."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.clock import ManualClock
from monitor.errors import NotFoundError, StoreError
from monitor.records import Alert, Severity
from monitor.reports import drilldowns
from monitor.reports.child_process import ReportProcess
from monitor.reports.drilldowns import Drilldowns, ReportStage
from monitor.reports.settings import ReportSettings
from monitor.store.db import Store
from tests.support import schema
from tests.support.log import NOW, STREAM
from tests.support.waiting import until

KEY, OTHER = "a1" * 32, "b2" * 32
HOUR = 3600.0
PLANTED = "Ada Lovelace, 12 St James's Square"
FIRST, SECOND = (Alert(name * 16, "Drifted", Severity.WARNING, STREAM, fired_at=NOW) for name in "fe")


class Maker:
    """Makes reports of rows with a planted name. In place of Evidently's process, which writes a file of 4 MB, the rows
    are copied into the page; `folders` are those that the process was given.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.clock, self.folders = folder / "reports", ManualClock(NOW), list[Path]()
        rows = pa.table({"name": [PLANTED] * 3})
        monkeypatch.setattr(drilldowns, "tables", lambda *_: (rows, rows))
        monkeypatch.setattr(ReportProcess, "_run", lambda _, folder: self._run(folder))
        self._stores = list[Store]()
        self._database = f"sqlite:///{folder}/a.db"

    def _run(self, folder: Path) -> None:
        self.folders.append(folder)
        rows = pa.ipc.open_file((folder / "current.arrow").read_bytes()).read_all()
        (folder / "report.html").write_text(f"<html>{rows.column('name')[0]}</html>", encoding="utf-8")

    def opened(self, key: str) -> Drilldowns:
        store = Store(self._database.replace("a.db", f"{key[:2] or 'plain'}.db"), key=key)
        schema.create(store)
        self._stores.append(store)
        return Drilldowns(store, self.clock, ReportSettings(folder=self.folder, kept=HOUR))

    def made(self, reports: Drilldowns, alert: Alert = FIRST) -> bytes:
        reports.ask(alert)
        until(lambda: (state := reports.state(alert)) is not None and not state.is_under_way, "it is made")
        return reports.read(alert)

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def close(self) -> None:
        for store in self._stores:
            store.close()


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Maker]:
    made = Maker(tmp_path, monkeypatch)
    yield made
    made.close()


def test_with_a_key_no_byte_of_a_report_is_plain_on_the_disk(maker: Maker, tmp_path: Path) -> None:
    reports = maker.opened(KEY)
    assert PLANTED in maker.made(reports).decode()
    (path,) = maker.folder.iterdir()
    assert (path.suffix, path.stat().st_mode & 0o777) == (".sealed", 0o600)
    everything = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"Lovelace" not in everything
    assert b"<html" not in everything
    assert all(folder.is_relative_to("/dev/shm") for folder in maker.folders), "rows lay in memory"
    assert not any(folder.exists() for folder in maker.folders)
    reports.stop()


def test_another_key_and_a_changed_byte_are_named(maker: Maker) -> None:
    reports, other = maker.opened(KEY), maker.opened(OTHER)
    maker.made(reports)
    with pytest.raises(StoreError, match="encrypted with another key, or was changed"):
        other.read(FIRST)
    (path,) = maker.folder.iterdir()
    content, times = bytearray(path.read_bytes()), path.stat()
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, (times.st_atime, times.st_mtime))
    with pytest.raises(StoreError, match="was changed"):
        reports.read(FIRST)
    with pytest.raises(NotFoundError):
        maker.opened("").read(FIRST)  # without a key, an encrypted report is none
    reports.stop()


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "encrypted"])
def test_a_report_is_served_and_kept_for_its_time_and_not_longer(maker: Maker, key: str) -> None:
    reports = maker.opened(key)
    maker.made(reports)
    first = maker.files()
    maker.clock.advance(HOUR / 2)
    maker.made(reports, SECOND)
    maker.clock.advance(HOUR / 2)
    reports.delete_old()
    assert len(maker.files()) == 2, "an hour is its time"
    maker.clock.advance(1)
    assert reports.state(FIRST) is None, "past its time it is not served, also before it is deleted"
    with pytest.raises(NotFoundError):
        reports.read(FIRST)
    reports.delete_old()
    assert first.isdisjoint(maker.files())
    state = reports.state(SECOND)
    assert state is not None
    assert state.stage is ReportStage.READY
    maker.clock.advance(HOUR)
    maker.opened(key).delete_old()  # after a restart
    assert maker.files() == set()
    reports.stop()


def test_what_a_crash_left_goes_and_what_cannot_be_deleted_keeps_no_other(maker: Maker) -> None:
    reports = maker.opened("")
    maker.folder.mkdir()
    names = ["a.html", "b.part", "c.sealed", "d.html", "notes.txt"]
    for name in names:
        (maker.folder / name).write_text("x")
    (maker.folder / "a.html").unlink()
    (maker.folder / "a.html").mkdir()
    (maker.folder / "c.sealed").unlink()
    (maker.folder / "c.sealed").symlink_to("nowhere")
    for path in maker.folder.iterdir():
        os.utime(path, (NOW - 2 * HOUR, NOW - 2 * HOUR), follow_symlinks=False)
    reports.delete_old()
    assert maker.files() == {"a.html", "c.sealed", "notes.txt"}
    assert {fault.subject for fault in maker._stores[0].faults.active()} == {"a.html", "c.sealed"}
