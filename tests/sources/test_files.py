"""Loading files: formats, repeated loads, progress, and rows that cannot be read."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from monitor.errors import InputError
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources.files.load import HistoryReader
from monitor.sources.files.prediction_rows import ColumnMap
from monitor.store import predictions, streams
from tests.support.log import NOW, running

STREAM = Stream("acme", "fraud")
OLD = NOW - 400 * 86400


def table(count=500):
    return pa.table(
        {
            "id": [f"row-{n}" for n in range(count)],
            "timestamp": pa.array([int((OLD + 60 * n) * 1e3) for n in range(count)], pa.timestamp("ms")),
            "y_hat": ["fraud" if n % 7 == 0 else "ok" for n in range(count)],
            "confidence": [n % 100 / 100 for n in range(count)],
            "amount": list(range(count)),
            "country": [("DE", "FR")[n % 2] for n in range(count)],
            "note": ["internal"] * count,
        }
    )


def write(path, rows):
    if path.suffix == ".parquet":
        pa.parquet.write_table(rows, path, row_group_size=100)
    elif path.suffix == ".csv":
        pa.csv.write_csv(rows, path)
    else:
        records = [{**row, "timestamp": row["timestamp"].isoformat()} for row in rows.to_pylist()]
        path.write_text("\n".join(json.dumps(record) for record in records))
    return path


def reader(*paths, columns=None):
    columns = columns or ColumnMap(fields={"prediction": "y_hat"}, segments=["country"], skip=["note"])
    return HistoryReader(paths, STREAM, PredictionSettings(), NOW, columns)


def batches_of(source, progress=lambda _rows, _share: None):
    return [batch for part in source.parts(progress) for batch in part.batches]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson"])
def test_every_format_gives_the_same_rows(tmp_path, suffix):
    source = reader(write(tmp_path / f"rows.{suffix}", table()))
    batches = batches_of(source)
    assert (source.accepted, source.rejected) == (500, Counter())
    assert len({batch.window for batch in batches}) == 500
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    assert rows[7] == {
        "id": "row-7",
        "timestamp": int((OLD + 420) * 1e6),
        "prediction": "fraud",
        "confidence": 0.07,
        "features.amount": 7.0,
        "segments.country": "FR",
    }


def test_loading_a_file_twice_gives_its_rows_once(tmp_path):
    path = write(tmp_path / "rows.parquet", table())
    with running(tmp_path) as (log, store):
        for _ in range(2):
            for part in reader(path).parts():
                log.append(part.batches)
        with store.read() as connection:
            assert predictions.count_rows(connection, STREAM) == 500
            assert streams.figures(connection, STREAM).rows == 500


def test_progress_rises_to_the_whole_over_all_files(tmp_path):
    paths = [write(tmp_path / f"rows{n}.{suffix}", table()) for n, suffix in enumerate(("parquet", "csv"))]
    told = []
    batches_of(reader(*paths), lambda rows, share: told.append((rows, share)))
    assert told == sorted(told)
    assert told[-1] == (1000, 1.0)


def test_bad_rows_are_counted_with_their_reason_and_the_others_are_taken(tmp_path):
    rows = table(10).to_pylist()
    rows[3]["y_hat"], rows[5]["confidence"], rows[8]["id"] = None, 7.0, "row-9"
    path = write(tmp_path / "rows.parquet", pa.Table.from_pylist(rows))
    source = reader(path)
    taken = [row["id"] for batch in batches_of(source) for row in batch.rows.to_pylist()]
    assert source.rejected == {"incomplete": 1, "invalid": 1, "repeated_id": 1}
    assert taken == [f"row-{n}" for n in (0, 1, 2, 4, 6, 7, 9)]
    assert [(one.index, one.error) for one in source.examples][:2] == [
        (3, f"{path}:4: prediction is missing"),
        (5, f"{path}:6: confidence is 7.0, outside 0 to 1"),
    ]


def test_only_named_features_are_taken_when_some_are_named():
    columns = ColumnMap(features=["amount"])
    assert [columns.named(name) for name in ("id", "amount", "country", "features.x")] == [
        "id",
        "features.amount",
        None,
        "features.x",
    ]


@pytest.mark.parametrize(("name", "content"), [("a.parquet", b"no"), ("a.xlsx", b""), ("a.csv", b"")])
def test_what_cannot_be_read_is_said_with_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        batches_of(reader(tmp_path / name))


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson"])
def test_one_time_that_cannot_be_read_is_told_by_file_and_line_and_costs_no_other_row(tmp_path, suffix):
    rows = table(10).to_pylist()
    for row in rows:
        row["timestamp"] = row["timestamp"].isoformat()
    rows[4]["timestamp"] = "next Tuesday"
    path = tmp_path / f"history.{suffix}"
    if suffix == "ndjson":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        write(path, pa.Table.from_pylist(rows))
    source = reader(path)
    taken = [row["id"] for batch in batches_of(source) for row in batch.rows.to_pylist()]
    assert taken == [f"row-{n}" for n in range(10) if n != 4]
    (kept,) = source.quarantined(NOW)
    line = 6 if suffix == "csv" else 5
    assert (kept.reason, kept.count) == ("invalid", 1)
    assert kept.rejected.error == f"{path}:{line}: timestamp is 'next Tuesday', not a time"
    assert json.loads(kept.rejected.record)["id"] == "row-4"


def test_a_bad_time_far_behind_in_a_file_does_not_end_it(tmp_path):
    size = 120_000  # more than one block: the first one decides of what kind a column is
    lines = ["timestamp,prediction,amount,note"]
    lines += [f"{(OLD + n):.0f},ok,{n},{'x' * 80}" for n in range(size)]
    lines[-2] = lines[-2].replace(lines[-2].partition(",")[0], "gone")
    path = tmp_path / "history.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    source = reader(path, columns=ColumnMap(skip=["note"]))
    assert sum(batch.rows.num_rows for batch in batches_of(source)) == size - 1
    assert [one.error for one in source.examples] == [f"{path}:{size}: timestamp is 'gone', not a time"]


@pytest.mark.parametrize(("count", "is_number"), [(10, True), (10, False), (120_000, True), (120_000, False)])
def test_lines_whose_times_are_of_two_kinds_are_read_one_by_one(tmp_path, count, is_number):
    rows = [
        {
            "timestamp": OLD + n if is_number else f"2025-10-19T08:00:{n % 60:02d}Z",
            "prediction": "ok",
            "amount": n,
        }
        | {"note": "x" * 80, "features": {"inner": n / 2}}
        for n in range(count)
    ]
    rows[-2]["timestamp"] = "gone"
    path = tmp_path / "history.ndjson"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    source = reader(path, columns=ColumnMap(skip=["note"]))
    amounts = [row for batch in batches_of(source) for row in batch.rows["features.amount"].to_pylist()]
    assert sorted(amounts) == [n for n in range(count) if n != count - 2]
    assert [one.error for one in source.examples] == [f"{path}:{count - 1}: timestamp is 'gone', not a time"]
