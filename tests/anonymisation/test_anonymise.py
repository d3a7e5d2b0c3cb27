"""Production-like rows: no row of the source, no value that few rows have, and close to the original."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from monitor.anonymisation.distance import distances
from monitor.anonymisation.from_profile import anonymise_profile
from monitor.anonymisation.from_rows import anonymise
from monitor.cli.registry import app
from monitor.errors import InputError
from monitor.records import Stream
from monitor.windows.baseline_from_table import from_table
from tests.support.thorough import examples

FRAUD = Stream("acme", "fraud")
HOSTILE = ("rare'; --", "\u202eevil", "a\u2028b", "\r\n", "x" * 10_000)


def people(count: int = 3000, seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    age = rng.normal(45, 12, count)
    income = age * 900 + rng.normal(0, 4000, count)
    income[0] = 9_999_999.0
    city = rng.choice(["Berlin", "Paris", "Rome"], count, p=[0.5, 0.3, 0.2]).tolist()
    city[:5] = HOSTILE
    return pa.table(
        {
            "age": age,
            "income": income,
            "city": city,
            "visits": rng.poisson(2, count),
            "member": rng.random(count) < 0.3,
            "since": [
                datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=float(h))
                for h in rng.uniform(0, 20_000, count)
            ],
            "balance": [None if n % 3 == 0 else float(n) for n in range(count)],
            "email": [f"person{n}@example.org" for n in range(count)],
            "vector": [[1.0, 2.0]] * count,
        }
    )


def rows_of(table: pa.Table, names: list[str]) -> set[str]:
    return {repr(tuple(row[name] for name in names)) for row in table.to_pylist()}


def test_rows_are_alike_and_none_is_one_of_the_source() -> None:
    source = people()
    drawn = anonymise(source, 3000, seed=7)
    table = drawn.table
    assert table.num_rows == 3000
    assert set(drawn.left_out) == {"email", "vector"}
    assert not rows_of(table, table.schema.names) & rows_of(source, table.schema.names)
    assert not set(table["age"].to_pylist()) & set(source["age"].to_pylist())
    assert set(table["city"].to_pylist()) == {"Berlin", "Paris", "Rome"}
    assert drawn.rare["city"] == 5
    assert max(table["income"].to_pylist()) < 150_000, "the richest is not told"
    assert table.schema.field("since").type == source.schema.field("since").type
    assert table["balance"].null_count / 3000 == pytest.approx(1 / 3, abs=0.02)
    found = distances(from_table(FRAUD, source, 0.0), table)
    assert max(found.values()) < 0.05, found
    correlation = np.corrcoef(table["age"].to_numpy(), table["income"].to_numpy())[0, 1]
    assert correlation == pytest.approx(
        np.corrcoef(source["age"].to_numpy()[1:], source["income"].to_numpy()[1:])[0, 1], abs=0.1
    )


def test_the_same_seed_draws_the_same_rows_and_another_draws_others() -> None:
    source = people(500)
    assert anonymise(source, 100, seed=3).table.equals(anonymise(source, 100, seed=3).table)
    assert not anonymise(source, 100, seed=3).table.equals(anonymise(source, 100, seed=4).table)


numbers = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, math.nan])), min_size=40, max_size=80
)


@settings(max_examples=examples(40), deadline=None)
@given(numbers, st.integers(2, 12), st.integers(0, 5), st.randoms(use_true_random=False))
def test_law_no_row_leaves_and_what_few_rows_have_never_does(
    values: list[float], k: int, seed: int, random: Any
) -> None:
    labels = [random.choice(["a", "b", "other", f"rare{n}"]) for n in range(len(values))]
    source = pa.table({"number": values, "label": labels, "whole": [random.randint(0, 3) for _ in values]})
    table = anonymise(source, 50, k=k, seed=seed).table
    counts = Counter(labels)
    frequent = {label for label, count in counts.items() if count >= k}
    if "label" in table.schema.names:
        kept = {one for one in table["label"].to_pylist() if one is not None}
        assert not {one for one in kept if one.startswith("rare")}
        assert {one for one in kept if one in counts} <= frequent
    if "number" in table.schema.names:
        known = Counter(value for value in values if not math.isnan(value))
        again = {one for one in table["number"].to_pylist() if one is not None and one in known}
        whole = all(value == round(value) for value in known)
        assert whole or all(known[one] >= k for one in again)
        if any(one not in known for one in table["number"].to_pylist() if one is not None):
            assert not rows_of(table, table.schema.names) & rows_of(source, table.schema.names)


def test_combinations_of_labels_that_few_rows_have_are_not_drawn() -> None:
    pairs = [("DE", "m")] * 100 + [("FR", "f")] * 100 + [("FR", "m")] * 3
    source = pa.table({"country": [a for a, _ in pairs], "sex": [b for _, b in pairs]})
    drawn = {(row["country"], row["sex"]) for row in anonymise(source, 500, seed=1).table.to_pylist()}
    assert ("FR", "m") not in drawn
    assert {("DE", "m"), ("FR", "f")} <= drawn


@pytest.mark.parametrize(
    ("table", "more", "says"),
    [
        (pa.table({"a": [1.0] * 19}), {}, "only 19 rows: 2k = 20 are needed"),
        (pa.table({"a": [1.0] * 30}), {"k": 1}, "k is 1"),
        (pa.table({"a": [f"id{n}" for n in range(50)]}), {}, "most values are unique"),
        (pa.table({"a": [[1]] * 50}), {}, "cannot be drawn"),
        (pa.table({"a": pa.nulls(50)}), {}, "no column can be drawn"),
        (pa.table({}), {}, "only 0 rows: 2k = 20 are needed"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_in_words(table: pa.Table, more: dict[str, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        anonymise(table, 10, **more)


def test_types_of_other_programs_are_drawn() -> None:
    count = 60
    source = pa.table(
        {
            "decimal": pa.array([Decimal(n) / 8 for n in range(count)], pa.decimal128(20, 5)),
            "date": pa.array(range(count), pa.int32()).cast(pa.date32()),
            "category": pa.array(["a", "b"] * 30).dictionary_encode(),
            "small": pa.array(np.arange(count) / 3, pa.float32()),
            "infinite": pa.array([math.inf, -math.inf, math.nan] * 20),
            "large": pa.array([2**62 + n for n in range(count)], pa.int64()),
            "time": pa.array(range(count), pa.time32("s")),
        }
    )
    drawn = anonymise(source, 40, k=3)
    assert {"decimal", "date", "category", "small", "large"} <= set(drawn.table.schema.names)
    assert set(drawn.left_out) <= {"time", "infinite"}


def test_a_profile_is_drawn_without_rows_and_rare_labels_never_leave() -> None:
    source = people().select(["age", "income", "city", "member"])
    baseline = from_table(FRAUD, source, 0.0)
    drawn = anonymise_profile(baseline.profile, 3000, k=10, seed=5)
    table = drawn.table
    assert anonymise_profile(baseline.profile, 3000, k=10, seed=5).table.equals(table)
    assert set(table["features.city"].to_pylist()) == {"Berlin", "Paris", "Rome"}
    assert not set(table["features.age"].to_pylist()) & set(source["age"].to_pylist())
    found = distances(baseline, table)
    assert max(found.values()) < 0.1, found
    with pytest.raises(InputError, match="no column has"):
        anonymise_profile(baseline.profile, 10, k=100_000, seed=1)


def test_the_command_writes_the_rows_and_tells_the_distance(tmp_path: Path) -> None:
    pq.write_table(people(), tmp_path / "in.parquet")
    out = tmp_path / "out.csv"
    words = [
        "anonymise",
        str(tmp_path / "in.parquet"),
        "--out",
        str(out),
        "--rows",
        "200",
        "--without",
        "income",
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert out.read_text().splitlines()[0] == '"age","city","visits","member","since","balance"'
    assert "age" in done.stdout
    for wrong in (
        ["--out", str(tmp_path / "o.xlsx")],
        ["--out", str(out), "--without", "no"],
        ["--out", str(out), "--k", "1"],
    ):
        refused = CliRunner().invoke(app, [*words[:2], *wrong])
        assert isinstance(refused.exception, InputError), refused.output
