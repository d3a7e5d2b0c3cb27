"""Attributions come in as JSON and as Arrow to the same columns; what is no number is refused with its reason."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitor.predictions.intake import parse
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.batch import sampled
from tests.support.arrow_requests import RULES, batch, read, rows_of, stream
from tests.support.log import NOW, prediction

HOSTILE = 'a "b" \u2028\u202e\r'
SENT: list[dict[str, Any]] = [
    {"age": 1.5, HOSTILE: -2.0}, {"age": None, "zip": 3}, {}, {"age": "0.25"}, {"age": -0.0, "zip": 1e300},
]  # fmt: skip


def records(attributions: list[Any]) -> list[dict[str, Any]]:
    return [prediction(id=str(n), timestamp=NOW - 60, attributions=one) for n, one in enumerate(attributions)]


def of_json(attributions: list[Any], decoders: FastDecoders) -> parse.ParsedRequest:
    body = json.dumps(records(attributions)).encode()
    return parse.read(RecordKind.PREDICTIONS, body, "", RULES, decoders)


def test_json_fast_or_slow_and_arrow_flat_or_nested_are_the_same_columns() -> None:
    decoders = FastDecoders(RULES.settings)
    slow, fast = rows_of(of_json(SENT, decoders)), rows_of(of_json(SENT, decoders))
    expected = [
        {f"attributions.{name}": float(value) for name, value in one.items() if value is not None}
        for one in SENT
    ]
    names = sorted({name for one in expected for name in one})
    plain = {
        "id": [str(n) for n in range(len(SENT))],
        "timestamp": [NOW - 60] * len(SENT),
        "prediction": ["ok"] * len(SENT),
    }
    columns = {name: pa.array([one.get(name) for one in expected], pa.float64()) for name in names}
    nested = pa.array([{name.partition(".")[2]: one.get(name) for name in names} for one in expected])
    flat = rows_of(read(RecordKind.PREDICTIONS, stream(batch(plain | columns))))
    struct = rows_of(read(RecordKind.PREDICTIONS, stream(batch(plain | {"attributions": nested}))))
    for rows in (slow, fast, flat, struct):
        ordered = sorted(rows, key=lambda row: str(row["id"]))
        assert [
            {k: v for k, v in row.items() if k.startswith("attributions.")} for row in ordered
        ] == expected


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"age": "high"}, "attributions.age is 'high', not a number"),
        ({"age": True}, "attributions.age is True, not a number"),
        ({"age": [1.0]}, "attributions.age is [1.0], not a number"),
        ({"age": float("nan")}, "attributions.age is nan"),
        ({"age": float("inf")}, "attributions.age is inf"),
        ([1.0, 2.0], "attributions is a list, not an object of names and values"),
        ({"x" * 600: 1.0}, "longer"),
    ],
)
def test_what_is_no_attribution_is_refused_alone(sent: Any, reason: str) -> None:
    found = of_json([{"age": 1.0}, sent, {"age": 2.0}], FastDecoders(RULES.settings))
    [refused] = found.rejected
    assert (found.accepted, refused.rejected.index) == (2, 1)
    assert reason in refused.rejected.error or reason == "longer"


def test_arrow_columns_with_values_that_are_not_finite_lose_those_rows_only() -> None:
    plain = {"id": ["a", "b", "c"], "timestamp": [NOW - 60] * 3, "prediction": ["ok"] * 3}
    sent = batch(plain | {"attributions.age": pa.array([1.0, float("inf"), None])})
    found = read(RecordKind.PREDICTIONS, stream(sent))
    assert [(one.rejected.index, one.rejected.error) for one in found.rejected] == [
        (1, "attributions.age is inf")
    ]


def test_attributions_are_sampled_with_the_features_that_they_are_of() -> None:
    ids = np.arange(4000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    rows = pa.RecordBatch.from_pydict({"features.age": np.ones(4000), "attributions.age": np.ones(4000)})
    kept = sampled(rows, ids, 0.25)
    assert kept.column("attributions.age").equals(kept.column("features.age"))
    assert 0 < kept.column("attributions.age").null_count < 4000
