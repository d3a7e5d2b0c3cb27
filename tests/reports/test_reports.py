import sys

import numpy as np
import pyarrow as pa
import pytest

from monitor import reports
from monitor.errors import InputError, WatchkeeperError

pytest.importorskip("evidently", reason="the extra `reports` is not installed")


def table(rows: int, shift: float) -> pa.Table:
    rng = np.random.default_rng(0)
    empty = pa.nulls(rows, pa.float64())
    return pa.table(
        {"amount": rng.normal(shift, 1, rows), "label": rng.choice(["a", "b"], rows), "empty": empty}
    )


def test_a_report_is_written_and_evidently_stays_out_of_this_process(tmp_path):
    before = "evidently" in sys.modules
    out = reports.write_tables(table(300, 0), table(200, 1), tmp_path / "report.html")
    text = out.read_text()
    assert "<html" in text
    assert "amount" in text
    assert ("evidently" in sys.modules) == before


def test_what_cannot_be_reported_is_said_in_words(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="share no column"):
        reports.write_tables(table(10, 0), pa.table({"other": [1]}), tmp_path / "no.html")
    monkeypatch.setattr(reports, "_CHILD", "monitor.reports.missing")
    with pytest.raises(WatchkeeperError, match="No module named") as refused:
        reports.write_tables(table(10, 0), table(10, 0), tmp_path / "no.html")
    assert "watchkeeper[reports]" in refused.value.hint
