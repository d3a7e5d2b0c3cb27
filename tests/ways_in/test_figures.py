"""Every way in, every type, every notation: the figure is scikit-learn's on the cleaned values, in each cell.

A row of the table is a notation of a label, of a number or of a feature; a column is a way in. What is sent is the same
everywhere, so what is measured has to be.
"""

import io
import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import accuracy_score, mean_absolute_error

from monitor.metrics import MetricSettings, Subject, measure
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import ParsedRequest, RecordKind, read
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log import batching
from monitor.predictions.log.batch import concatenate
from monitor.predictions.outcomes.known_outcomes import KnownOutcomes
from monitor.predictions.settings import PredictionSettings
from monitor.records import Measurement, Window
from monitor.sources.files.load import HistoryReader
from monitor.windows.baseline_from_table import conform, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import merge
from tests.support.log import NOW, STREAM

ROWS = 400
OLD = int(NOW) // 3600 * 3600 - 86_400
_rng = np.random.default_rng(13)
TRUE = _rng.integers(0, 2, ROWS)
ANSWERED = np.where(_rng.random(ROWS) < 0.8, TRUE, 1 - TRUE)
AMOUNTS = np.round(_rng.normal(200, 40, ROWS), 2)
GUESSED = np.round(AMOUNTS + _rng.normal(0, 9, ROWS), 2)
BEFORE, NOW_USED = _rng.choice(3, ROWS, p=[0.6, 0.3, 0.1]), _rng.choice(3, ROWS, p=[0.25, 0.25, 0.5])

Column = Callable[[Sequence[Any]], pa.Array]


def plain(form: Callable[[Any], Any], kind: pa.DataType | None = None) -> Column:
    """Each value in a form of its own."""
    return lambda values: pa.array([form(value) for value in values], kind)


def categories(form: Callable[[Any], Any], unused: Sequence[Any]) -> Column:
    """A category column that kept categories which no row has."""

    def made(values: Sequence[Any]) -> pa.Array:
        used = [form(value) for value in sorted(set(values))]
        codes = [sorted(set(values)).index(value) for value in values]
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array([*used, *unused]))

    return made


LABELS: dict[str, Column] = {
    "bool": plain(bool),
    "0/1": plain(int),
    "small 0/1": plain(int, pa.uint8()),
    "texts 0/1": plain(lambda value: str(int(value))),
    "True/False": plain(lambda value: str(bool(value))),
    "true/false": plain(lambda value: str(bool(value)).lower()),
    "1.0/0.0": plain(lambda value: f"{value:.1f}"),
    "floats": plain(float),
    "float32": plain(float, pa.float32()),
    "decimals": plain(lambda value: Decimal(int(value)), pa.decimal128(5, 2)),
    "categories": categories(lambda value: ("no", "yes")[value], [f"unused {n}" for n in range(300)]),
    "categories 0/1": categories(lambda value: str(int(value)), [str(n) for n in range(5, 300)]),
}
NUMBERS: dict[str, Column] = {
    "floats": plain(float),
    "texts": plain(lambda value: f"{value:.2f}"),
    "decimals": plain(lambda value: Decimal(f"{value:.2f}"), pa.decimal128(12, 2)),
    "float32": plain(float, pa.float32()),
}
FEATURES: dict[str, Column] = {
    "integers": plain(int),
    "nullable": plain(lambda value: None if value == 2 else int(value), pa.int64()),
    "NaN": plain(lambda value: math.nan if value == 2 else float(value)),
    "floats": plain(lambda value: value + 0.5),
    "float32": plain(lambda value: value + 0.1, pa.float32()),
    "decimals": plain(lambda value: Decimal(int(value)) / 4, pa.decimal128(8, 2)),
    "texts of numbers": plain(lambda value: f"{value}.0"),
    "big": plain(lambda value: 2**53 + 2 * int(value)),
    "very big": plain(lambda value: 2**63 + 2**20 * int(value), pa.uint64()),
    "bool": plain(lambda value: value == 1),
    "True/False": plain(lambda value: str(value == 1)),
    "texts": plain(lambda value: ("a", "b", "c")[value]),
    "empty texts": plain(lambda value: ("a", "b", None)[value]),
    "categories": categories(lambda value: ("a", "b", "c")[value], [f"shop {n}" for n in range(1500)]),
    "categories like times": categories(lambda value: ("2026-01-01", "b", "c")[value], ["2027-01-01"] * 1),
    "categories of numbers": categories(int, list(range(5, 1500))),
}


def table(**columns: pa.Array) -> pa.Table:
    """Rows with their ids and times."""
    rows = len(next(iter(columns.values())))
    ids = [f"r{n:04d}" for n in range(rows)]
    return pa.table({"id": ids, "timestamp": [OLD + n for n in range(rows)], **columns})


def record_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON has it."""
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in row.items()
        if value is not None
    }


def as_records(rows: pa.Table, fields: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for row in rows.to_pylist():
        record = {"client": "acme", "model": "fraud", **record_of({name: row.get(name) for name in fields})}
        if "x" in row and "truth" not in fields and row["x"] is not None:
            record["features"] = record_of({"x": row["x"]})
        found.append(record)
    return found


def taken(kind: RecordKind, body: bytes, content_type: str) -> pa.RecordBatch:
    settings = PredictionSettings()
    found: ParsedRequest = read(kind, body, content_type, Rules(settings, NOW), FastDecoders(settings))
    said = {one.rejected.error for one in found.rejected}
    assert said <= ({"the outcome has no value"} if kind is RecordKind.OUTCOMES else set()), said
    return concatenate([rows for _, rows in batching.assemble([found], kind)])


def joined(predictions: pa.RecordBatch, outcomes: pa.RecordBatch | None) -> pa.RecordBatch:
    """Predictions with what became known of them, as the daemon counts them."""
    if outcomes is None:
        return predictions
    places = {one: place for place, one in enumerate(predictions.column("id").to_pylist())}
    rows = np.array([places[one] for one in outcomes.column("id").to_pylist()])
    return (
        KnownOutcomes.of(None)
        .plus(KnownOutcomes.of(None).new_outcomes(rows, outcomes, predictions))
        .join_all(predictions)
    )


def as_json(rows: pa.Table, _folder: Path, *, lines: bool = False) -> pa.RecordBatch:
    def body(records: list[dict[str, Any]]) -> bytes:
        return ("\n".join(map(json.dumps, records)) if lines else json.dumps(records)).encode()

    form = "application/x-ndjson" if lines else "application/json"
    sent = taken(RecordKind.PREDICTIONS, body(as_records(rows, ["id", "timestamp", "prediction"])), form)
    if "truth" not in rows.column_names:
        return sent
    known = [one for one in as_records(rows, ["id", "timestamp", "truth"]) if one.get("truth") is not None]
    return joined(sent, taken(RecordKind.OUTCOMES, body(known), form))


def as_lines(rows: pa.Table, folder: Path) -> pa.RecordBatch:
    return as_json(rows, folder, lines=True)


def as_arrow(rows: pa.Table, _folder: Path) -> pa.RecordBatch:
    def body(some: pa.Table) -> bytes:
        sink = io.BytesIO()
        named = some.replace_schema_metadata({"client": "acme", "model": "fraud"})
        with pa.ipc.new_stream(sink, named.schema) as writer:
            writer.write_table(named)
        return sink.getvalue()

    form = "application/vnd.apache.arrow.stream"
    names = [name for name in rows.column_names if name != "truth"]
    named = rows.select(names).rename_columns([f"features.{name}" if name == "x" else name for name in names])
    sent = taken(RecordKind.PREDICTIONS, body(named), form)
    if "truth" not in rows.column_names:
        return sent
    return joined(sent, taken(RecordKind.OUTCOMES, body(rows.select(["id", "timestamp", "truth"])), form))


def from_files(path: Path) -> pa.RecordBatch:
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW)
    parts = list(reader.parts())
    assert not reader.rejected, reader.examples[:3]
    sent = concatenate([batch.rows for part in parts for batch in part.batches])
    known = [rows for part in parts for _, rows in part.outcomes]
    return joined(sent, concatenate(known) if known else None)


def file(suffix: str, write: Callable[[pa.Table, Path], object]) -> "Way":
    def read_back(rows: pa.Table, folder: Path) -> pa.RecordBatch:
        write(rows, folder / f"rows{suffix}")
        return from_files(folder / f"rows{suffix}")

    return read_back


def records_of_file(rows: pa.Table) -> list[dict[str, Any]]:
    return [record_of(row) for row in rows.to_pylist()]


def written_by_pandas(rows: pa.Table, path: Path) -> None:
    rows.to_pandas().to_parquet(path)


def conformed(rows: pa.Table) -> pa.RecordBatch:
    (batch,) = conform(rows).combine_chunks().to_batches()
    return batch


def as_csv(rows: pa.Table, path: Path) -> None:
    rows.to_pandas().to_csv(path, index=False)


Way = Callable[[pa.Table, Path], pa.RecordBatch]
WAYS: dict[str, Way] = {
    "HTTP JSON": as_json,
    "HTTP lines": as_lines,
    "HTTP Arrow": as_arrow,
    "lines": file(
        ".ndjson", lambda rows, path: path.write_text("\n".join(map(json.dumps, records_of_file(rows))))
    ),
    "array": file(".json", lambda rows, path: path.write_text(json.dumps(records_of_file(rows)))),
    "CSV": file(".csv", as_csv),
    "Parquet": file(".parquet", pq.write_table),
    "Parquet of pandas": file(".parquet", written_by_pandas),
    "Feather": file(".feather", lambda rows, path: pa.feather.write_feather(rows, str(path))),
    "pandas": lambda rows, _: conformed(pa.Table.from_pandas(rows.to_pandas(), preserve_index=False)),
    "Polars": lambda rows, _: conformed(pa.table(pl.from_arrow(rows))),
}


def figures(before: pa.RecordBatch, after: pa.RecordBatch) -> list[Measurement]:
    """What is measured of a window against its baseline."""
    base = from_table(STREAM, pa.Table.from_batches([before]), 0.0)
    parts = [count(after, base.layout)]
    if "outcome.truth" in after.schema.names:
        parts.append(count_outcomes(after, base.layout))
    return list(measure(Subject(STREAM, Window(OLD, OLD + 3600), merge(parts), base, MetricSettings())))


def value(found: Sequence[Measurement], metric: str, **at: str) -> float:
    (one,) = [
        one
        for one in found
        if one.metric == metric and all(one.label(name) == said for name, said in at.items())
    ]
    assert one.value is not None, (metric, one.reason)
    return one.value


def clean(values: Sequence[Any]) -> list[str]:
    """The values as labels; missing ones and NaN have one of their own."""
    return ["" if one is None or one != one else str(one) for one in values]


def distance(before: Sequence[Any], after: Sequence[Any]) -> float:
    """SciPy's distance between the shares of the values."""
    kinds = sorted(set(before) | set(after))
    p, q = ([list(side).count(kind) / len(side) for kind in kinds] for side in (before, after))
    return float(jensenshannon(p, q, 2))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("notation", LABELS)
def test_accuracy(tmp_path: Path, way: str, notation: str) -> None:
    made = LABELS[notation]
    rows = table(prediction=made(ANSWERED.tolist()), truth=made(TRUE.tolist()))
    batch = WAYS[way](rows, tmp_path)
    found = figures(batch, batch)
    assert value(found, "accuracy") == pytest.approx(accuracy_score(TRUE, ANSWERED))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("notation", NUMBERS)
def test_errors_of_a_regressor(tmp_path: Path, way: str, notation: str) -> None:
    made = NUMBERS[notation]
    rows = table(prediction=made(GUESSED.tolist()), truth=made(AMOUNTS.tolist()))
    batch = WAYS[way](rows, tmp_path)
    found = figures(batch, batch)
    assert value(found, "mae") == pytest.approx(mean_absolute_error(AMOUNTS, GUESSED), rel=1e-5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("notation", FEATURES)
def test_drift_of_a_feature(tmp_path: Path, way: str, notation: str) -> None:
    made = FEATURES[notation]
    before, after = (
        WAYS[way](table(prediction=pa.array(["ok"] * ROWS), x=made(values.tolist())), tmp_path)
        for values in (BEFORE, NOW_USED)
    )
    found = figures(before, after)
    sent = [made(values.tolist()).to_pylist() for values in (BEFORE, NOW_USED)]
    assert value(found, "jensen_shannon", feature="x") == pytest.approx(distance(*map(clean, sent)), rel=1e-9)


CROSSED = [
    ("bool", "True/False"),
    ("bool", "0/1"),
    ("0/1", "bool"),
    ("texts 0/1", "floats"),
    ("1.0/0.0", "0/1"),
    ("True/False", "true/false"),
    ("texts 0/1", "bool"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("answer", "truth"), CROSSED)
def test_accuracy_where_answers_and_truths_are_written_differently(
    tmp_path: Path, way: str, answer: str, truth: str
) -> None:
    rows = table(prediction=LABELS[answer](ANSWERED.tolist()), truth=LABELS[truth](TRUE.tolist()))
    batch = WAYS[way](rows, tmp_path)
    assert value(figures(batch, batch), "accuracy") == pytest.approx(accuracy_score(TRUE, ANSWERED))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("missing", [None, math.nan], ids=["null", "NaN"])
def test_a_truth_that_is_missing_is_not_known_yet(tmp_path: Path, way: str, missing: float | None) -> None:
    known = np.arange(ROWS) % 4 > 0
    truths = pa.array(
        [float(one) if told else missing for one, told in zip(TRUE, known, strict=True)], pa.float64()
    )
    batch = WAYS[way](table(prediction=pa.array(ANSWERED.astype(float)), truth=truths), tmp_path)
    assert batch.num_rows == ROWS
    found = figures(batch, batch)
    assert value(found, "accuracy") == pytest.approx(accuracy_score(TRUE[known], ANSWERED[known]))
