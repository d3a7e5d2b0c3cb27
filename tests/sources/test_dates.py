"""Times in files: none is made up, and the order of day and month is that of the whole column, or is asked for."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from monitor.errors import InputError
from monitor.predictions.settings import PredictionSettings
from monitor.rehearsal import rehearse
from monitor.sources.files.csv_dialect import DETECTED, dialect
from monitor.sources.files.load import HistoryReader
from tests.support.log import NOW, STREAM
from tests.support.thorough import thinned

OLD = int(NOW) // 86_400 * 86_400 - 100 * 86_400
KINDS = ["csv", "parquet", "feather", "ndjson", "json"]


def write(path: Path, times: Sequence[object], **more: Sequence[object]) -> Path:
    columns = {"timestamp": times, "prediction": ["ok"] * len(times), **more}
    kind = path.suffix
    if kind in (".ndjson", ".json"):
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        path.write_text("\n".join(map(json.dumps, rows)) if kind == ".ndjson" else json.dumps(rows))
        return path
    table = pa.table(columns)
    {".csv": pa.csv.write_csv, ".parquet": pq.write_table, ".feather": pa.feather.write_feather}[kind](
        table, path
    )
    return path


def loaded(*paths: Path, said: str = "") -> tuple[list[int], HistoryReader]:
    """The times that were taken, in seconds and in order, and the reader."""
    reader = HistoryReader(
        paths, STREAM, PredictionSettings(), NOW, dialect=dialect(dates=said) if said else DETECTED
    )
    found = [
        time
        for part in reader.parts()
        for batch in part.batches
        for time in batch.rows["timestamp"].to_pylist()
    ]
    return sorted(time // 1_000_000 for time in found), reader


def text(seconds: float, form: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_a_time_is_refused_by_its_line(tmp_path: Path, kind: str) -> None:
    path = write(
        tmp_path / f"rows.{kind}", [text(OLD, "%Y-%m-%dT%H:%M:%SZ"), None, text(OLD + 60, "%Y-%m-%d %H:%M")]
    )
    times, reader = loaded(path)
    assert times == [OLD, OLD + 60]
    line = 3 if kind == "csv" else 2
    assert [one.error for one in reader.examples] == [f"{path}:{line}: timestamp is missing"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (0, "not a time"),
        (-1, "not a time"),
        (-(10**9), "timestamp is 1938-04-24T22:13:20Z"),
        (int(NOW) + 86_400 * 365, "timestamp is 365d ahead"),
        (-(2**63), "not a time"),
    ],
)
def test_numbers_that_are_no_time_of_a_row_are_refused_by_their_line(
    tmp_path: Path, kind: str, value: int, why: str
) -> None:
    path = write(tmp_path / f"rows.{kind}", [OLD, value, OLD * 1000, OLD * 10**6, OLD * 10**9])
    times, reader = loaded(path)
    assert times == [OLD] * 4, "seconds, ms, µs and ns are told apart value by value"
    (refused,) = reader.examples
    assert refused.error.startswith(f"{path}:{3 if kind == 'csv' else 2}: timestamp is ")
    assert why in refused.error


@pytest.mark.parametrize("value", [None, float("nan")])
def test_missing_times_of_parquet(tmp_path: Path, value: float | None) -> None:
    path = tmp_path / "rows.parquet"
    times = pa.array([float(OLD), value], pa.float64(), from_pandas=False)
    pq.write_table(pa.table({"timestamp": times, "prediction": ["a", "b"]}), path)
    found, reader = loaded(path)
    assert found == [OLD]
    assert reader.examples[0].error.startswith(f"{path}:2: timestamp is")
    moments = pa.array([OLD * 10**9, None], pa.timestamp("ns"))
    pq.write_table(
        pa.table({"timestamp": moments, "prediction": ["a", "b"]}), path, use_deprecated_int96_timestamps=True
    )
    assert loaded(path)[0] == [OLD]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d-%m-%Y %I:%M %p", "%d.%m.%Y %H:%M"])
def test_a_column_is_read_in_the_order_that_its_values_say(tmp_path: Path, kind: str, form: str) -> None:
    expected = [OLD + 3600 * 12 * n for n in range(120)]
    path = write(tmp_path / f"rows.{kind}", [text(one, form) for one in expected])
    times, reader = loaded(path)
    assert (times, reader.rejected) == (expected, {})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_order_that_is_not_known_is_asked_for_and_then_used(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"rows.{kind}", ["10/06/2026 12:00", "11/06/2026"])
    with pytest.raises(
        InputError, match=r"'timestamp' may be day first or month first, such as '10/06/2026 12:00'"
    ) as raised:
        loaded(path)
    assert "--dates day-first" in raised.value.hint
    day_first = datetime(2026, 6, 10, 12, tzinfo=UTC).timestamp()
    assert loaded(path, said="day-first")[0] == [day_first, day_first + 43_200]
    assert loaded(path, said="month-first")[0] == [datetime(2026, 10, 6, 12, tzinfo=UTC).timestamp(),
                                                   datetime(2026, 11, 6, tzinfo=UTC).timestamp()]  # fmt: skip


def test_files_of_one_load_share_their_order_and_the_last_line_may_say_it(tmp_path: Path) -> None:
    size = 120_000  # more than one block
    first = write(tmp_path / "a.csv", ["10/06/2026"] * size, note=["x" * 100] * size)
    last = write(tmp_path / "b.csv", ["11/06/2026", "13/06/2026"])
    times, reader = loaded(first, last)
    assert reader.rejected == {}
    assert {text(one, "%Y-%m-%d") for one in times} == {"2026-06-10", "2026-06-11", "2026-06-13"}


def test_dates_that_contradict_each_other_are_refused_as_a_whole_or_by_what_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", ["13/06/2026", "06/13/2026"])
    with pytest.raises(InputError, match="contradict each other"):
        loaded(path)
    times, reader = loaded(path, said="month-first")
    assert [text(one, "%Y-%m-%d") for one in times] == ["2026-06-13"]
    assert "timestamp is '13/06/2026', not a time: there is no day 2026-13-06" in reader.examples[0].error


def test_outcomes_of_which_nobody_says_when_keep_that_beside_others(tmp_path: Path) -> None:
    path = tmp_path / "truths.csv"
    path.write_text(f"id,timestamp,truth\na,{OLD},ok\nb,,ok\nc,0,ok\n")
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW)
    known = [row for part in reader.parts() for _, rows in part.outcomes for row in rows.to_pylist()]
    assert [(row["id"], row["timestamp"]) for row in known] == [("a", OLD * 10**6), ("b", None)]
    assert [one.error for one in reader.examples] == [f"{path}:4: timestamp is '0', not a time"]


@pytest.mark.parametrize(
    "form",
    thinned(["%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S+00", "%d/%m/%Y %H:%M", "%b %d, %Y %I:%M %p"], 2),
)
def test_a_past_is_rehearsed_alike_whatever_its_times_look_like(tmp_path: Path, form: str) -> None:
    times = [OLD + 180 * n for n in range(480 * 10)]
    amounts = [float(n * 7919 % 97) for n in range(len(times))]
    plain = write(tmp_path / "iso.csv", [text(one, "%Y-%m-%dT%H:%M:%SZ") for one in times], amount=amounts)
    other = write(tmp_path / "other.csv", [text(one, form) for one in times], amount=amounts)
    assert rehearse(other).to_dict() == rehearse(plain).to_dict()


def test_a_rehearsal_asks_for_an_order_that_is_not_known() -> None:
    with pytest.raises(InputError, match="may be day first or month first"):
        rehearse(pa.table({"timestamp": ["10/06/2026"] * 300, "amount": [1.0] * 300}))
