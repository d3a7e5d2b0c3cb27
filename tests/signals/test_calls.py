"""Calls: columns of other types, damaged texts, and slices."""

import pyarrow as pa
import pytest

from monitor.signals.calls import COLUMNS, Calls
from monitor.signals.registry import SIGNALS, measure, redact


def test_columns_that_were_not_sent_are_null() -> None:
    calls = Calls.of({"output": ["a", "b"]})
    for name, kind in COLUMNS.items():
        column = calls.column(name)
        assert column.type == kind
        assert len(column) == 2
        assert name == "output" or column.null_count == 2


def test_large_dictionary_and_chunked_columns_are_taken() -> None:
    table = pa.table(
        {
            "output": pa.chunked_array(
                [pa.array(["a"]).dictionary_encode(), pa.array(["b"]).dictionary_encode()]
            ),
            "context": pa.array([["x"], None], pa.large_list(pa.large_string())),
            "input_tokens": pa.array([1, 2], pa.int32()),
        }
    )
    calls = Calls(table)
    assert calls.column("output").to_pylist() == ["a", "b"]
    assert calls.column("context").to_pylist() == [["x"], None]
    assert calls.column("input_tokens").to_pylist() == [1.0, 2.0]


def test_what_is_no_column_of_calls_is_refused() -> None:
    with pytest.raises(ValueError, match="'answer' is not a column of calls; use one of: input, output"):
        Calls(pa.table({"answer": ["a"]}))
    with pytest.raises(ValueError, match="column 'context' of calls has type double"):
        Calls(pa.table({"context": [1.0]}))


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    broken = pa.array([b"a\xed\xa0\x80\xff", None]).view(pa.string())
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2]), broken)
    calls = Calls(pa.table({"output": broken, "context": lists}))
    assert calls.column("output").to_pylist() == ["a" + "\ufffd" * 4, None]
    assert calls.column("context").to_pylist() == [["a" + "\ufffd" * 4], [None]]
    assert Calls.of({"output": ["\ud800\0x"]}).column("output").to_pylist() == ["\ufffd\ufffdx"]


def test_slices_of_lists_are_redacted_like_whole_ones() -> None:
    lists = pa.array([["a@b.de"], None, ["c@d.org", None, "e"], []])
    assert redact(lists).to_pylist() == [["[mail]"], None, ["[mail]", None, "e"], []]
    assert redact(lists.slice(1, 2)).to_pylist() == [None, ["[mail]", None, "e"]]


def test_each_signal_returns_its_type_also_for_no_calls() -> None:
    table = measure(Calls.of({"output": []}))
    assert {one.name: one.type for one in SIGNALS} == {field.name: field.type for field in table.schema}
    assert table.num_rows == 0
