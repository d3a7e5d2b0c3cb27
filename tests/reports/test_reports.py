"""Drill-down reports by Evidently: which columns are shown, and which rows around an alert are compared."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.errors import InputError, NotFoundError, WatchkeeperError
from monitor.records import Alert, Severity
from monitor.reports import child_process
from monitor.reports.alert_rows import tables
from monitor.reports.child_process import ReportProcess
from monitor.reports.settings import ReportSettings
from monitor.windows import baseline
from tests.support.log import NOW, STREAM
from tests.support.measuring import measuring_daemon


def write_tables(reference: pa.Table, current: pa.Table, out: Path) -> Path:
    return ReportProcess(ReportSettings()).write(reference, current, out)


def table(rows: int, shift: float) -> pa.Table:
    rng = np.random.default_rng(0)
    empty = pa.nulls(rows, pa.float64())
    return pa.table(
        {"amount": rng.normal(shift, 1, rows), "label": rng.choice(["a", "b"], rows), "empty": empty}
    )


def test_columns_of_any_name_and_type_are_shown_or_left_out(tmp_path):
    """Two of one name, numbers here and texts there, types that Evidently cannot show."""
    count = 200
    numbers = pa.array([float(n % 7) for n in range(count)])
    blob, wait = pa.array([b"\xff"] * count), pa.array([n % 9 for n in range(count)], pa.duration("s"))
    label = pa.array(["a", "b"] * (count // 2)).dictionary_encode()
    names = ["amount", "amount", "mixed", "blob", "wait", "label", "user"]
    user = pa.array([{"age": n % 5} for n in range(count)])
    reference = pa.table([numbers, label, numbers, blob, wait, label, user], names)
    current = pa.table([numbers, label, label, blob, wait, label.cast(pa.string()), user], names)
    base, new = child_process.shown(reference, current)
    assert base.column_names == ["amount", "mixed", "wait", "label", "user.age"]
    assert base.schema == new.schema
    before = "evidently" in sys.modules
    text = write_tables(reference, current, tmp_path / "report.html").read_text()
    assert "<html" in text
    assert "user.age" in text
    assert ("evidently" in sys.modules) == before
    long, short = child_process.shown(pa.table({"x": range(25_000)}), pa.table({"x": range(20)}))
    assert (long.num_rows, short.num_rows) == (child_process.MOST_ROWS, 20)


def test_no_column_keeps_the_others_from_the_report(tmp_path):
    """Letters and ids are no words, dashes neither; infinite numbers have no histogram."""
    count = 200
    numbers = [float(n % 7) for n in range(count)]
    columns = {
        "amount": numbers,
        "letters": [chr(0x4E00 + n) for n in range(count)],
        "seldom": ["a", *[None] * (count - 1)],
        "dashes": ["-" * (100 + n) for n in range(count)],
        "sometimes": [np.inf, *numbers[1:]],
        "infinite": [np.inf] * count,
        "constant": ["x"] * count,
    }
    steps = []
    process = ReportProcess(ReportSettings(), steps.append)
    out = process.write(pa.table(columns), pa.table(columns), tmp_path / "report.html")
    text = out.read_text()
    assert all(name in text for name in ("amount", "letters", "seldom", "sometimes", "constant"))
    assert any("without the columns of texts" in step for step in steps)


def test_columns_of_ids_and_without_values_are_left_out():
    count = child_process.MOST_LABELS + 1
    ids = pa.array([f"u{n}" for n in range(count)])
    known = pa.array(["a"] * count)
    base = pa.table({"id": ids, "kept": known, "gone": known, "nan": pa.array([np.nan] * count)})
    new = pa.table({"id": ids, "kept": known, "gone": pa.nulls(count, pa.string()), "nan": [1.0] * count})
    assert [one.column_names for one in child_process.shown(base, new)] == [["kept"]] * 2
    with pytest.raises(InputError, match="no column in common that a report can show"):
        write_tables(base.slice(0, 0), new, Path("no.html"))


def test_what_cannot_be_reported_is_said_in_words(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no column in common"):
        write_tables(table(10, 0), pa.table({"other": [1]}), tmp_path / "no.html")
    monkeypatch.setattr(child_process, "_CHILD", "monitor.reports.missing")
    with pytest.raises(WatchkeeperError, match="No module named") as refused:
        write_tables(table(10, 0), table(10, 0), tmp_path / "no.html")
    assert "watchkeeper[reports]" in refused.value.hint


def test_the_rows_around_an_alert_are_compared_with_the_baseline(tmp_path: Path) -> None:
    with measuring_daemon(tmp_path) as daemon:
        reference = pa.table({"amount": [float(n % 50) for n in range(500)]})
        with daemon.store.write() as connection:
            baseline.save(connection, baseline.from_table(STREAM, reference, NOW), NOW)
        daemon.predict(60, features={"amount": 90.0})
        daemon.count()
        alert = Alert("f" * 16, "Drifted", Severity.WARNING, STREAM, fired_at=NOW)
        with daemon.store.read() as connection:
            usual, current = tables(connection, alert, NOW + 60)
    assert (usual.num_rows, current.num_rows) == (500, 60)
    assert usual.column_names == ["features.amount"]
    assert "features.amount" in current.column_names


def test_without_a_baseline_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    with measuring_daemon(tmp_path) as daemon:
        daemon.predict(5)
        alert = Alert("f" * 16, "Drifted", Severity.WARNING, STREAM, fired_at=NOW)
        with (
            daemon.store.read() as connection,
            pytest.raises(NotFoundError, match="has no baseline with sample rows"),
        ):
            tables(connection, alert, NOW)
