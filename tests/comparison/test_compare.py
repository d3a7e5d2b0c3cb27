"""`compare`: frames, tables and files of two datasets, and what a person reads of their differences."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.errors import InputError
from watchkeeper import compare


def frame(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "still": rng.normal(0, 1, rows),
            "moved": rng.normal(shift, 1, rows),
            "label": rng.choice(["a", "b"], rows, p=[0.7 - shift / 5, 0.3 + shift / 5]),
            "id": np.arange(rows),
        }
    )


REFERENCE, CURRENT = frame(5000, 1), frame(4000, 2, 1.0)


def test_frames_tables_and_files_give_the_same_measurements(tmp_path):
    for name, data in (("r", REFERENCE), ("c", CURRENT)):
        data.to_parquet(tmp_path / f"{name}.parquet")
        data.to_csv(tmp_path / f"{name}.csv", index=False)
    expected = compare(REFERENCE, CURRENT)
    pairs = [
        (pl.from_pandas(REFERENCE), pl.from_pandas(CURRENT)),
        (pa.Table.from_pandas(REFERENCE), pa.Table.from_pandas(CURRENT)),
        (tmp_path / "r.parquet", str(tmp_path / "c.parquet")),
        (tmp_path / "r.csv", tmp_path / "c.csv"),
    ]
    for reference, current in pairs:
        assert compare(reference, current).measurements == expected.measurements


def test_the_worst_column_comes_first_and_is_named():
    found = compare(REFERENCE, CURRENT)
    assert found.columns[0].name == "moved"
    assert [column.name for column in found.drifted] == ["moved"]
    assert found["moved"].value("wasserstein") == pytest.approx(1.0, abs=0.1)
    assert repr(found).splitlines()[0].startswith("1 of 3 columns drifted (5,000 reference rows")
    assert repr(found).splitlines()[3].startswith("moved")
    html = found._repr_html_()
    assert 0 < html.index(">moved</td>") < html.index(">still</td>")
    assert set(found.to_pandas()["column"]) == {"still", "moved", "label"} == set(found.to_polars()["column"])


def test_columns_that_come_and_go_are_told():
    found = compare(REFERENCE, CURRENT.drop(columns="label").assign(extra=1))
    changes = {(m.label("feature"), m.label("change")) for m in found.schema}
    assert changes == {("extra", "added"), ("label", "vanished")}
    assert found["label"].value("missing_share") is None


def test_a_file_in_many_row_groups_is_the_same_file(tmp_path):
    table = pa.Table.from_pandas(CURRENT)
    pq.write_table(table, tmp_path / "many.parquet", row_group_size=97)
    pq.write_table(table, tmp_path / "one.parquet")
    one, many = (compare(REFERENCE, tmp_path / f"{name}.parquet") for name in ("one", "many"))
    assert one.measurements == many.measurements


def test_what_is_no_table_is_refused_in_words(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        compare(tmp_path / "gone.parquet", CURRENT)
    with pytest.raises(InputError, match="is not a table"):
        compare(REFERENCE, 7)
    (tmp_path / "bad.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match="cannot be read"):
        compare(tmp_path / "bad.parquet", CURRENT)


def test_what_a_person_reads_is_short_and_in_order():
    rng = np.random.default_rng(3)
    long, torn = "x" * 300, "a\nb\u202e"
    reference = pd.DataFrame(
        {"id_of": [f"c{n}" for n in range(400)], "label": rng.choice(["a", "b"], 400), long: 1.0, torn: 2.0}
    )
    current = reference.assign(label=rng.choice(["a", "c"], 400))
    found = compare(reference, current)
    assert found.summary.startswith("1 of 4 columns drifted, 1 could not be measured (400 reference rows")
    lines = repr(found).splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["label", r"a\nb\u202e", f"{'x' * 79}…", "id_of"]
    label = dict(zip(found.header, found.rows()[0], strict=True))
    assert label["new labels"].endswith("%")
    assert label["p"] == "< 0.001"
    assert found.rows()[-1][-1] == "looks like an identifier: only its missing values are watched"
    html = found._repr_html_()
    assert "PSI beyond chance is 0.2 or more" in html
    assert not re.search(r"https?:|<script|<link|<img|url\(", html)
