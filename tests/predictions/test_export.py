"""What is kept leaves the log whole: every prediction, and beside it what is known of it."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from monitor.errors import NotFoundError
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.export import export_parquet
from tests.support.joining import join
from tests.support.log import NOW, STREAM, outcome, prediction, running, send

DAY = 86400


def test_a_prediction_of_which_nothing_is_known_is_exported_beside_one_of_which_something_is(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as (log, store):
        send(log, RecordKind.PREDICTIONS, [prediction(id=name, features={"amount": 3.5}) for name in "abc"])
        send(log, RecordKind.PREDICTIONS, [prediction(id="d", timestamp=NOW - DAY)])
        send(log, RecordKind.OUTCOMES, [outcome(id="b", truth="fraud")])
        with store.write() as connection:
            join(connection, STREAM, NOW)
        said: list[tuple[int, int]] = []
        files = export_parquet(
            store, STREAM, NOW - 2 * DAY, NOW + 60, tmp_path / "out", lambda *done: said.append(done)
        )
        with pytest.raises(NotFoundError, match="no predictions of acme"):
            export_parquet(store, STREAM, NOW + 3600, NOW + 7200, tmp_path / "none", lambda *_: None)
    assert [path.name for path in files] == ["fraud-2026-11-22.parquet", "fraud-2026-11-23.parquet"]
    (earlier,) = pq.read_table(files[0]).to_pylist()
    assert earlier["id"] == "d"
    rows = pq.read_table(files[1]).to_pylist()
    assert [(row["id"], row["outcome.truth"]) for row in rows] == [("a", None), ("b", "fraud"), ("c", None)]
    assert [row["features.amount"] for row in rows] == [3.5] * 3
    assert said[-1][0] == said[-1][1]
