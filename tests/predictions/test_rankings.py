"""Lists come in as JSON, Arrow and files to the same columns; what is no list is refused alone, with its reason."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from monitor.errors import InputError
from monitor.predictions.intake import parse
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Stream
from monitor.windows import baseline_from_table
from monitor.windows.kernel import ranking_counts as counts
from tests.support.arrow_requests import RULES, batch, read, rows_of, stream
from tests.support.log import NOW

HOSTILE = 'a "b" \u2028\u202e\r,['
SENT: list[Any] = [["b", "a"], [], [7, "7"], [HOSTILE], ["x" * 512], None]
STORED = [
    json.dumps([str(item) for item in one], ensure_ascii=False, separators=(",", ":")) for one in SENT[:-1]
]


def records(lists: list[Any], **more: Any) -> list[dict[str, Any]]:
    here = {"client": "acme", "model": "fraud", "timestamp": NOW - 60}
    return [
        {**here, "id": str(n), "ranking": one, **({"error": "timeout"} if one is None else {}), **more}
        for n, one in enumerate(lists)
    ]


def of_json(lists: list[Any], decoders: FastDecoders) -> parse.ParsedRequest:
    return parse.read(RecordKind.PREDICTIONS, json.dumps(records(lists)).encode(), "", RULES, decoders)


def outcomes_of_json(values: list[Any]) -> parse.ParsedRequest:
    body = [
        {"client": "acme", "model": "fraud", "id": str(n), "relevant": one} for n, one in enumerate(values)
    ]
    return parse.read(RecordKind.OUTCOMES, json.dumps(body).encode(), "", RULES, FastDecoders(RULES.settings))


def stored(found: parse.ParsedRequest, name: str = "ranking") -> list[Any]:
    return [row.get(name) for row in sorted(rows_of(found), key=lambda row: str(row["id"]))]


def test_json_fast_or_slow_and_arrow_are_the_same_column() -> None:
    decoders = FastDecoders(RULES.settings)
    slow, fast, single = of_json(SENT, decoders), of_json(SENT, decoders), of_json(SENT[:1], decoders)
    plain = {
        "id": [str(n) for n in range(len(SENT))],
        "timestamp": [NOW - 60] * len(SENT),
        "error": [None] * 5 + ["timeout"],
    }
    texts = [None if one is None else [str(item) for item in one] for one in SENT]
    written = [None if one is None else json.dumps(one) for one in SENT]
    as_lists = read(RecordKind.PREDICTIONS, stream(batch(plain | {"ranking": pa.array(texts)})))
    as_texts = read(RecordKind.PREDICTIONS, stream(batch(plain | {"ranking": pa.array(written)})))
    for found in (slow, fast, as_lists, as_texts):
        assert not found.rejected_count
        assert stored(found) == [*STORED, None]
    assert stored(single) == STORED[:1]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("sku-1", "ranking is 'sku-1', not a list of items"),
        ({"a": 1}, "ranking is {'a': 1}, not a list of items"),
        (5, "ranking is 5, not a list of items"),
        (["a", None], "ranking[1] is null, not an item"),
        (["a", ["b"]], "ranking[1] is a list, not an item"),
        (["a", True], "ranking[1] is true or false, not an item"),
        (["a", float("nan")], "ranking[1] is nan, not an item"),
        (["", "a"], "ranking[0] has an empty item"),
        (["x" * 513], "ranking[0] has 513 characters, more than 512"),
        (["a\0"], "ranking[0] contains a NUL character"),
        (["a"] * 1001, "ranking has 1,001 items, more than 1,000"),
        ("[" * 100_000, "not a list of items"),
    ],
)
def test_what_is_no_list_is_refused_alone(sent: Any, reason: str) -> None:
    decoders = FastDecoders(RULES.settings)
    of_json([["a"]], decoders)
    found = of_json([["a"], sent, ["b"]], decoders)
    [refused] = found.rejected
    assert (found.accepted, refused.rejected.index) == (2, 1)
    assert reason in refused.rejected.error


def test_rows_of_arrow_that_are_no_lists_lose_those_rows_only() -> None:
    plain = {"id": ["a", "b", "c"], "timestamp": [NOW - 60] * 3}
    sent = batch(plain | {"ranking": pa.array([["x"], ["y", None], ["z" * 600]])})
    found = read(RecordKind.PREDICTIONS, stream(sent))
    assert [(one.rejected.index, one.rejected.error) for one in found.rejected] == [
        (1, "ranking[1] is null, not an item"),
        (2, "ranking[0] has 600 characters, more than 512"),
    ]


def test_choices_are_items_or_grades() -> None:
    sent = [["b", "a", "b"], {"b": 2, "a": 0.5}, [], '["a"]', '{"a": 3}']
    found = outcomes_of_json(sent)
    assert stored(found, "relevant") == [
        '{"a":1.0,"b":1.0}',
        '{"a":0.5,"b":2.0}',
        "{}",
        '{"a":1.0}',
        '{"a":3.0}',
    ]
    arrow = {"id": ["0", "1"], "relevant": pa.array([["b", "a", "b"], []])}
    assert stored(read(RecordKind.OUTCOMES, stream(batch(arrow))), "relevant") == ['{"a":1.0,"b":1.0}', "{}"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"a": -1}, "relevant.a is -1, outside 0 to 1,000,000"),
        ({"a": 1e7}, "relevant.a is 1e+07, outside 0 to 1,000,000"),
        ({"a": "high"}, "relevant.a is 'high', not a number"),
        ({"a": None}, "relevant.a is None, not a number"),
        (True, "relevant is True, not items or grades"),
        ([["a"]], "relevant[0] is a list, not an item"),
    ],
)
def test_choices_that_cannot_be_are_refused_alone(sent: Any, reason: str) -> None:
    found = outcomes_of_json([["a"], sent])
    [refused] = found.rejected
    assert (found.accepted, refused.rejected.error) == (1, reason)


def test_objects_as_columns_are_refused_with_what_to_do() -> None:
    """Each item would become a column, and a row without grades look like one that was not chosen from."""
    sent = batch({"id": ["0"], "relevant": pa.array([{"a": 1.0}])})
    with pytest.raises(InputError, match="relevant is an object in some rows") as refused:
        read(RecordKind.OUTCOMES, stream(sent))
    assert refused.value.hint == "as a column, relevant is a list, or a text with JSON"


def test_files_of_baselines_have_the_same_counts(tmp_path: Path) -> None:
    lists = [["a", "b"], [], ["b", HOSTILE.strip()]]
    chosen = [{"b": 1.0}, {}, {"a": 2.0}]
    as_lists = pa.table({"ranking": lists, "relevant": [json.dumps(one) for one in chosen]})
    as_texts = pa.table({"ranking": [json.dumps(one) for one in lists], "relevant": as_lists.column(1)})
    pq.write_table(as_lists, tmp_path / "a.parquet")
    pa.csv.write_csv(as_texts, tmp_path / "a.csv")
    (tmp_path / "a.jsonl").write_text(
        "".join(
            json.dumps({"ranking": one, "relevant": json.dumps(g)}) + "\n"
            for one, g in zip(lists, chosen, strict=True)
        )
    )
    parts = []
    for name in ("a.parquet", "a.csv", "a.jsonl"):
        base = baseline_from_table.from_file(Stream("acme", "feed"), tmp_path / name, 0.0)
        parts.append(base.profile.overall)
        assert base.sample is not None
        assert "ranking" not in base.sample.schema.names
    assert parts[0].total(counts.JUDGED) == 3
    assert parts[0].totals == parts[1].totals == parts[2].totals
    assert parts[0].tallies == parts[1].tallies == parts[2].tallies
    assert not [text for tally in parts[0].tallies.values() for text in tally if HOSTILE[:4] in text]
    assert np.isfinite(parts[0].total(counts.sum_of(counts.NDCG, 10)))
