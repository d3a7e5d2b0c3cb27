"""An id that stands in several rows: the first row is taken, however far apart they stand, as over HTTP."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.predictions.log.hashing import KnownIds
from monitor.predictions.settings import PredictionSettings
from monitor.sources.files.load import HistoryReader
from monitor.store import predictions
from tests.support.log import NOW, STREAM, running

OLD = int(NOW) // 3600 * 3600 - 86_400


def table(ids: list[str | None], first: int = 0) -> pa.Table:
    numbers = range(first, first + len(ids))
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "timestamp": [OLD + n // 100 for n in numbers],
            "prediction": ["ok"] * len(ids),
            "number": [float(n) for n in numbers],
        }
    )


def write(path: Path, rows: pa.Table) -> Path:
    pq.write_table(rows, path) if path.suffix == ".parquet" else pyarrow.csv.write_csv(rows, path)
    return path


def numbers_of(*paths: Path) -> tuple[list[float], HistoryReader]:
    reader = HistoryReader(paths, STREAM, PredictionSettings(), NOW)
    batches = [batch for part in reader.parts() for batch in part.batches]
    return sorted(n for batch in batches for n in batch.rows["features.number"].to_pylist()), reader


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_the_first_is_taken_whether_they_are_neighbours_or_pieces_or_files_apart(
    tmp_path: Path, suffix: str
) -> None:
    size = 70_000  # more than one piece
    ids: list[str | None] = [f"x{n}" for n in range(size)]
    ids[1001], ids[-1], ids[7], ids[9] = "x1000", "x0", None, None
    paths = [
        write(tmp_path / f"a.{suffix}", table(ids)),
        write(tmp_path / f"b.{suffix}", table(["x5", "new"], size)),
    ]
    found, reader = numbers_of(*paths)
    assert found == [float(n) for n in range(size + 2) if n not in (1001, size - 1, size)]
    assert reader.rejected == {"repeated_id": 3}
    first = 2 if suffix == "csv" else 1
    assert [one.error for one in reader.examples] == [
        f"{paths[0]}:{1001 + first}: id 'x1000' also occurs in an earlier row",
        f"{paths[0]}:{size - 1 + first}: id 'x0' also occurs in an earlier row",
        f"{paths[1]}:{first}: id 'x5' also occurs in an earlier row",
    ]


def test_a_row_that_is_refused_leaves_its_id_to_the_next(tmp_path: Path) -> None:
    rows = table(["a", "a", "a"]).set_column(2, "prediction", pa.array([None, "ok", "ok"]))
    found, reader = numbers_of(write(tmp_path / "rows.parquet", rows))
    assert found == [1.0]
    assert reader.rejected == {"incomplete": 1, "repeated_id": 1}


def test_files_that_overlap_are_stored_once_in_whatever_order_and_form_they_are_loaded(
    tmp_path: Path,
) -> None:
    ids: list[str | None] = [f"x{n}" for n in range(3000)]
    early = write(tmp_path / "early.csv", table(ids[:2000]))
    late = write(tmp_path / "late.parquet", table(ids[1000:], 1000))
    with running(tmp_path) as (log, store):
        for paths in ([early, late], [late], [late, early], [early]):
            for part in HistoryReader(paths, STREAM, PredictionSettings(), NOW).parts():
                log.append(part.batches)
            with store.read() as connection:
                assert predictions.count_rows(connection, STREAM) == 3000


KEYS = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=40)


@given(st.lists(KEYS, max_size=8))
def test_it_remembers_what_was_taken_and_nothing_else(pieces: list[list[tuple[int, bool]]]) -> None:
    seen, taken = KnownIds(), set[int]()
    for piece in pieces:
        keys, clear = (
            np.array([one[place] for one in piece], kind) for place, kind in enumerate((np.uint64, bool))
        )
        expected = []
        for key, is_clear in piece:
            expected.append(is_clear and key in taken)
            taken |= {key} if is_clear else set()
        assert seen.repeated(keys, clear).tolist() == expected
