"""A team's own messages become records by JSON paths."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.sources.formats import json_path
from monitor.sources.formats.format import FieldMapping
from monitor.sources.formats.mapped import MappedFormat
from monitor.sources.source import Payload

NAMES = st.text(min_size=1)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$", [{"a": {"b c": [1, 2, 3]}, "x.y": 4, "l": [{"v": 1}, {"v": 2}, {}]}]),
        ("$.a['b c'][0]", [1]),
        ('$["a"]["b c"][-1]', [3]),
        ("$['x.y']", [4]),
        ("$.l[*].v", [1, 2]),
        ("$.a.*", [[1, 2, 3]]),
        ("$.a['b c'][9]", []),
        ("$.nowhere.at.all", []),
        ("$.a.b", []),
        ("$.a['b c'].name", []),
    ],
)
def test_a_path_leads_to_its_values(path: str, values: list[Any]) -> None:
    document = {"a": {"b c": [1, 2, 3]}, "x.y": 4, "l": [{"v": 1}, {"v": 2}, {}]}
    assert json_path.parse(path).all(document) == values


@pytest.mark.parametrize(
    "path", ["", "a.b", "$..a", "$.a[", "$.a[1:2]", "$[?(@.a)]", "$.", "$ .a", "$.a b[", "$.a]"]
)
def test_what_is_not_a_path_is_refused_with_its_column(path: str) -> None:
    with pytest.raises(ValueError, match="is not a JSON path"):
        json_path.parse(path)


@given(st.lists(NAMES, max_size=4), DOCUMENTS)
def test_a_quoted_name_may_be_any_text(names: list[str], leaf: Any) -> None:
    document, path = leaf, ""
    for name in reversed(names):
        document = {name: document}
        path = "['" + name.replace("\\", "\\\\").replace("'", "\\'") + "']" + path
    assert json_path.parse("$" + path).all(document) == [leaf]


@given(DOCUMENTS, st.sampled_from(["$", "$.*", "$[*]", "$.a", "$[0]", "$[-1].*", "$.a.b[*]"]))
def test_no_document_breaks_a_path(document: Any, path: str) -> None:
    values = json_path.parse(path).all(document)
    assert json_path.parse(path).first(document) == (values[0] if values else None)


def read(message: object, fields: dict[str, str], rows: str = "$") -> tuple[list[Any], list[Any], list[str]]:
    contents = MappedFormat(FieldMapping(rows, fields)).read(
        Payload(json.dumps(message).encode(), "message 1")
    )
    return list(contents.predictions), list(contents.outcomes), [one.error for one in contents.unreadable]


def test_one_row_per_element_with_fields_of_the_message() -> None:
    message = {"v": "7", "rows": [{"y": 1, "x": {"a": 1, "b": {"c": 2}}}, {"y": 0, "x": {"a": 3}}]}
    fields = {"version": "$.v", "prediction": "@.y", "features": "@.x", "features.twice": "@.x.a"}
    predictions, outcomes, unreadable = read(message, fields, "$.rows[*]")
    assert predictions == [
        {"version": "7", "prediction": 1, "features": {"a": 1, "b.c": 2, "twice": 1}},
        {"version": "7", "prediction": 0, "features": {"a": 3, "twice": 3}},
    ]
    assert not outcomes
    assert not unreadable


def test_truths_are_told_from_predictions() -> None:
    fields = {"id": "$.id", "prediction": "$.p", "truth": "$.t"}
    assert read({"id": "1", "t": "ok"}, fields) == ([], [{"id": "1", "truth": "ok"}], [])
    both = read({"id": "1", "p": "no", "t": "ok"}, fields)
    assert both == ([{"id": "1", "prediction": "no"}], [{"id": "1", "truth": "ok"}], [])


def test_rows_that_lead_nowhere_are_told() -> None:
    assert read({"x": 1}, {"prediction": "@.p"}, "$.rows[*]") == ([], [], ["there is nothing at $.rows[*]"])


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"[[[[", b"nul"])
def test_a_body_that_is_not_json_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(InputError):
        MappedFormat(FieldMapping("$", {"prediction": "$.p"})).read(Payload(body, "message 1"))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "needs `fields`"),
        ({"predicton": "$.p"}, "no field 'predicton'"),
        ({"features.": "$.p"}, "no field"),
        ({"prediction": "p"}, "is not a JSON path"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused(fields: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        MappedFormat(FieldMapping("$", fields))


def test_a_truth_that_is_not_known_yet_is_told_as_such() -> None:
    fields = {"id": "$.id", "truth": "$.paid"}
    body = json.dumps([{"id": "a", "paid": None}, {"id": "b"}, {"id": "c", "paid": "yes"}]).encode()
    contents = MappedFormat(FieldMapping(fields=fields)).read(Payload(body, "here"))
    assert [one["id"] for one in contents.outcomes if isinstance(one, dict)] == ["c"]
    assert not contents.predictions
    assert [one.error.partition(" (")[0] for one in contents.unreadable] == ["truth is not known yet"] * 2
    with_answer = FieldMapping(fields={**fields, "prediction": "$.answer"})
    assert len(MappedFormat(with_answer).read(Payload(b'{"id": "a"}', "here")).predictions) == 1
