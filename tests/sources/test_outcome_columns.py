"""What became known later, in files: beside the predictions, or by id in a file of its own."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from monitor.errors import InputError
from monitor.predictions.settings import PredictionSettings
from monitor.sources.files.load import HistoryReader
from monitor.store import outcomes
from monitor.store.outcomes import OutcomeCounts
from monitor.times.columns import micros_of_texts
from tests.support.joining import join
from tests.support.log import NOW, STREAM, running

ROWS = 300
OLD = NOW - 40 * 86_400


def predictions(**more: list[object]) -> pa.Table:
    """Answers of which each third is wrong; of each seventh nothing became known."""
    columns = {
        "timestamp": [OLD + 60 * n for n in range(ROWS)],
        "prediction": ["fraud" if n % 3 else "ok" for n in range(ROWS)],
        "amount": [float(n) for n in range(ROWS)],
    }
    return pa.table({**columns, **more})


TRUTHS = [None if n % 7 == 0 else "fraud" for n in range(ROWS)]
IDS = [f"{n:03d}" for n in range(ROWS)]
KNOWN = sum(truth is not None for truth in TRUTHS)


def write(path: Path, rows: pa.Table) -> Path:
    pq.write_table(rows, path) if path.suffix == ".parquet" else pyarrow.csv.write_csv(rows, path)
    return path


def load(folder: Path, *paths: Path, times: int = 1) -> tuple[HistoryReader, dict[str, str], OutcomeCounts]:
    """What is known afterwards: truth by time, and the counts."""
    with running(folder) as (log, store):
        for _ in range(times):
            reader = HistoryReader(paths, STREAM, PredictionSettings(), NOW)
            for part in reader.parts():
                log.append(part.batches)
                for stream, rows in part.outcomes:
                    log.append_outcomes(stream, rows)
        found = {}
        with store.write() as connection:
            for _, joined in join(connection, STREAM, NOW):
                for row in joined.to_pylist():
                    found |= (
                        {row["timestamp"] // 1_000_000: truth} if (truth := row.get("outcome.truth")) else {}
                    )
                    assert row.get("outcome.delay") is None, "nobody said when it became known"
            counts = outcomes.counts(connection, STREAM)
    return reader, found, counts


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("has_ids", [True, False])
def test_truths_beside_the_predictions_find_them_with_or_without_ids(
    tmp_path: Path, suffix: str, has_ids: bool
) -> None:
    more = {"truth": TRUTHS, **({"id": IDS} if has_ids else {})}
    reader, found, counts = load(tmp_path, write(tmp_path / f"rows.{suffix}", predictions(**more)))
    assert (reader.accepted, reader.outcomes, sum(reader.rejected.values())) == (ROWS, KNOWN, 0)
    assert found == {int(OLD + 60 * n): "fraud" for n in range(ROWS) if n % 7}
    assert (counts.matched, counts.waiting) == (KNOWN, 0)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=["predictions first", "outcomes first"])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_file_of_outcomes_finds_its_predictions_by_id(
    tmp_path: Path, suffix: str, order: list[int]
) -> None:
    told = pa.table({"id": [*IDS, "nobody"], "truth": [*TRUTHS, "ok"], "note": ["x"] * (ROWS + 1)})
    files = [
        write(tmp_path / f"rows.{suffix}", predictions(id=IDS)),
        write(tmp_path / f"truths.{suffix}", told),
    ]
    reader, found, counts = load(tmp_path, *(files[place] for place in order))
    assert found == {int(OLD + 60 * n): "fraud" for n in range(ROWS) if n % 7}
    assert (counts.matched, counts.waiting) == (KNOWN, 1)
    assert (reader.outcomes, reader.rejected) == (KNOWN + 1, {})


def test_an_outcome_without_an_id_is_told_by_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "truths.csv", pa.table({"id": ["a", None], "truth": ["ok", "ok"], "x": [1, 2]}))
    reader, _, counts = load(tmp_path, path)
    assert [one.error for one in reader.examples] == [f"{path}:3: id is missing"]
    assert counts.waiting == 1


def test_the_time_at_which_something_became_known_gives_its_delay(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.parquet", predictions(id=IDS))
    when = [OLD + 60 * n + 3600 for n in range(ROWS)]
    told = write(tmp_path / "truths.parquet", pa.table({"id": IDS, "truth": TRUTHS, "timestamp": when}))
    with running(tmp_path) as (log, store):
        for part in HistoryReader([rows, told], STREAM, PredictionSettings(), NOW).parts():
            log.append(part.batches)
            for stream, some in part.outcomes:
                log.append_outcomes(stream, some)
        with store.write() as connection:
            joined = [rows for _, rows in join(connection, STREAM, NOW)]
    assert {delay for rows in joined for delay in rows.column("outcome.delay").to_pylist()} == {3600.0}


def test_times_and_dates_among_the_features_are_taken_as_texts(tmp_path: Path) -> None:
    moments = [datetime(2026, 1, 1, n % 24, tzinfo=UTC) for n in range(ROWS)]
    rows = predictions(when=pa.array(moments), day=pa.array([moment.date() for moment in moments]))
    path = write(tmp_path / "rows.parquet", rows)
    (first, *_) = HistoryReader([path], STREAM, PredictionSettings(), NOW).parts()
    batch = first.batches[5].rows
    assert batch.column("features.when").to_pylist() == ["2026-01-01 05:00:00Z"]
    assert batch.column("features.day").to_pylist() == ["2026-01-01"]
    assert micros_of_texts(pa.array(["2026-01-01 05:00:00Z", "2026-01-01"])).null_count == 0


def test_a_file_that_does_not_say_when_its_rows_were_made_is_not_taken_for_the_present(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "rows.parquet", predictions(scored_at=[OLD] * ROWS).drop_columns("timestamp"))
    with pytest.raises(InputError, match=r"rows\.parquet has no column 'timestamp'"):
        load(tmp_path, path)


def test_loading_again_tells_nothing_new(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", predictions(truth=TRUTHS))
    _, found, counts = load(tmp_path, path, times=2)
    assert len(found) == KNOWN
    assert counts.repeated == KNOWN


def test_the_same_rows_in_two_files_do_not_take_each_others_truths(tmp_path: Path) -> None:
    first = write(tmp_path / "first.parquet", predictions(truth=["fraud"] * ROWS))
    second = write(tmp_path / "second.parquet", predictions(truth=["ok"] * ROWS, country=["DE"] * ROWS))
    reader, _, counts = load(tmp_path, first, second)
    assert (counts.matched, counts.repeated, reader.outcomes) == (2 * ROWS, 0, 2 * ROWS)


def test_feedback_that_cannot_be_read_is_told_by_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", predictions(feedback=[*["5"] * 9, "n/b", *["4"] * (ROWS - 10)]))
    reader, _, _ = load(tmp_path, path)
    assert (reader.accepted, reader.outcomes) == (ROWS - 1, ROWS - 1)
    assert [one.error for one in reader.examples] == [f"{path}:11: feedback is 'n/b', not a number"]
