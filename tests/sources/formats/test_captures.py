"""Captures of SageMaker, Databricks and Vertex AI, with the traps that their documents and users name."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.sources.formats import catalog
from monitor.sources.formats.captures.captured import csv_rows, rows_of
from monitor.sources.formats.format import NO_MAPPING, Contents, FieldMapping
from monitor.sources.source import Payload

ABOUT = {"eventId": "e-1", "inferenceTime": "2026-02-14T17:25:49Z"}


def read(kind: str, *lines: object, mapping: FieldMapping = NO_MAPPING) -> Contents:
    body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return catalog.make(kind, mapping).read(Payload(body, "captures.jsonl"))


def side(data: str, encoding: str = "CSV", content_type: str = "text/csv") -> dict[str, str]:
    return {"observedContentType": content_type, "data": data, "encoding": encoding}


def capture(request: dict[str, str] | None, response: dict[str, str] | None, **about: str) -> dict[str, Any]:
    sides = {"endpointInput": request, "endpointOutput": response}
    data = {name: value for name, value in sides.items() if value is not None}
    return {"captureData": data, "eventMetadata": {**ABOUT, **about}, "eventVersion": "0"}


def test_a_csv_call_of_sagemaker_becomes_a_prediction() -> None:
    line = capture(side("69,0,153.7,ny,007\n"), side("0.0254181120544672"))
    mapping = FieldMapping(columns=("age", "plan", "minutes", "state", "code"))
    (record,) = read("sagemaker", line, mapping=mapping).predictions
    assert record == {
        "id": "e-1",
        "timestamp": "2026-02-14T17:25:49Z",
        "prediction": 0.0254181120544672,
        "features": {"age": 69.0, "plan": 0.0, "minutes": 153.7, "state": "ny", "code": "007"},
    }


def test_the_callers_id_is_preferred_and_joins_the_ground_truth() -> None:
    truth = {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "order-7"}}
    contents = read("sagemaker", capture(side("1"), side("0"), inferenceId="order-7"), truth)
    assert contents.predictions[0]["id"] == "order-7"  # type: ignore[index]
    assert contents.outcomes == [{"id": "order-7", "truth": 1.0}]


@pytest.mark.parametrize(
    ("request_side", "response_side"),
    [
        (
            side('{"instances": [{"features": [1, 2]}]}', "JSON"),
            side('{"predictions": [{"score": 0.9}]}', "JSON"),
        ),
        (side('{"features": [1, 2]}', "JSON"), side("[0.9]", "JSON")),
        (side("[[1, 2]]", "JSON"), side("0.9", "JSON")),
        (
            side(base64.b64encode(b"1,2").decode(), "BASE64"),
            side(base64.b64encode(b'{"predictions": [0.9]}').decode(), "BASE64", "text/html"),
        ),
        (side("1,2"), side("[0.9]")),
        (side('{"features": [1, 2]}'), side('{"score": 0.9}')),
    ],
    ids=["instances", "lines", "lists", "base64", "list-as-csv", "object-as-csv"],
)
def test_every_notation_of_the_same_call_is_the_same_record(
    request_side: dict[str, str], response_side: dict[str, str]
) -> None:
    (record,) = read("sagemaker", capture(request_side, response_side)).predictions
    assert record["features"] == {"_c0": 1, "_c1": 2}  # type: ignore[index]
    assert record["prediction"] == 0.9  # type: ignore[index]


def test_a_batch_is_one_record_per_row_with_an_id_of_its_own() -> None:
    for answers in ("0.3,0.4", "0.3\n0.4\n", "[0.3, 0.4]"):  # XGBoost writes the first
        several = read("sagemaker", capture(side("1,2\n3,4\n"), side(answers))).predictions
        assert [one["prediction"] for one in several] == [0.3, 0.4]  # type: ignore[index]
    contents = read("sagemaker", capture(side("1,2\n3,4\n"), side("a,0.8\nb,0.7\n")))
    assert [(r["id"], r["prediction"], r["confidence"]) for r in contents.predictions] == [  # type: ignore[index]
        ("e-1#0", "a", 0.8),
        ("e-1#1", "b", 0.7),
    ]


def test_a_mapping_says_what_cannot_be_known() -> None:
    fields = {
        "prediction": "@.output.winner",
        "segments.country": "@.input.country",
        "version": "$.output[0].model",
    }
    line = capture(
        side('[{"country": "DE", "n": 1}]', "JSON"),
        side('[{"winner": "x", "label": "no", "model": "v3"}]', "JSON"),
    )
    (record,) = read("sagemaker", line, mapping=FieldMapping(fields=fields)).predictions
    assert (record["prediction"], record["segments"], record["version"]) == ("x", {"country": "DE"}, "v3")  # type: ignore[index]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (capture(side("1"), None), "its response was not captured"),
        (capture(side("1\n2\n3"), side("0")), "the request has 3 rows and the response 1"),
        (capture(side("1"), side("%%%", "BASE64", "image/png")), "Base64 data is not text (image/png)"),
        (capture(side("{", "JSON"), side("0")), "not JSON"),
        (capture(side("1,2"), side("0")), "a row has 2 values, and `columns` names 1"),
        ({"captureData": None}, "no captureData and eventMetadata"),
        ({"groundTruthData": {"data": "1\n2", "encoding": "CSV"}, "eventMetadata": {}}, "2 rows, not one"),
        ([1], "is a JSON object"),
        (b'{"captureData": {"endpoint', "in the middle of a record"),
    ],
)
def test_what_cannot_be_read_says_why_and_stops_nothing_else(line: object, why: str) -> None:
    good = capture(side("1"), side("0"))
    contents = read("sagemaker", good, line, good, mapping=FieldMapping(columns=("a",)))
    assert len(contents.predictions) == 2
    assert why in contents.unreadable[0].error


ROW = {
    "databricks_request_id": "d-1",
    "client_request_id": None,
    "request_time": "2026-07-04 19:40:26.829000",
    "status_code": 200,
    "execution_duration_ms": 58,
    "served_entity_id": "2c5e",
    "request": '{"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}}',
    "response": '{"predictions": [0.4, 0.6]}',
    "logging_error_codes": [],
}


def test_a_row_of_an_inference_table_has_the_latency_and_version_of_its_call() -> None:
    contents = read("databricks", ROW)
    assert contents.predictions[1] == {
        "id": "d-1#1",
        "timestamp": "2026-07-04 19:40:26.829000",
        "latency_ms": 58,
        "version": "2c5e",
        "features": {"a": 2, "b": "y"},
        "prediction": 0.6,
    }


def test_an_older_table_and_the_callers_id() -> None:
    old = {
        "timestamp_ms": 1_783_194_026_829,
        "execution_time_ms": 7,
        "client_request_id": "c-9",
        "status_code": 200,
    }
    record = read(
        "databricks", {**old, "request": '{"inputs": {"a": [1], "b": [2]}}', "response": "[1]"}
    ).predictions
    assert record == [
        {
            "id": "c-9",
            "timestamp": 1_783_194_026_829,
            "latency_ms": 7,
            "features": {"a": 1, "b": 2},
            "prediction": 1,
        }
    ]


def test_a_call_that_failed_is_an_error_of_each_of_its_rows() -> None:
    contents = read("databricks", {**ROW, "status_code": 429, "response": None})
    assert [r["error"] for r in contents.predictions] == ["HTTP 429", "HTTP 429"]  # type: ignore[index]
    assert "prediction" not in contents.predictions[0]  # type: ignore[operator]
    assert len(read("databricks", {**ROW, "status_code": 500, "request": None}).predictions) == 1


@pytest.mark.parametrize(
    ("fraction", "label"),
    [(0.2, "0.2"), (1.0, None), (1, None), (0, None), (-1, None), ("0.5", None), (True, None)],
)
def test_the_share_of_a_sample_is_a_segment(fraction: object, label: str | None) -> None:
    (record,) = read("databricks", {**ROW, "sampling_fraction": fraction}).predictions[:1]
    assert record.get("segments") == (None if label is None else {"sampling_fraction": label})


def test_a_response_that_was_too_large_to_be_logged_is_said_so() -> None:
    cut = {**ROW, "response": None, "logging_error_codes": ["MAX_RESPONSE_SIZE_EXCEEDED"]}
    assert "too large to be logged" in read("databricks", cut).unreadable[0].error


def test_a_row_of_vertex_is_one_record_per_instance() -> None:
    row = {
        "logging_time": "2026-08-10T10:00:00.123456Z",
        "request_id": 1234567890123456789,
        "deployed_model_id": "77",
        "request_payload": ["[5.1,3.5]", '{"size": 6.2}'],
        "response_payload": ["0.91", "[0.2, 0.8]"],
        "metadata": '{"request_latency": 412}',
    }
    first, second = read("vertex", row).predictions
    assert first == {
        "id": "1234567890123456789#0",
        "timestamp": "2026-08-10T10:00:00.123456Z",
        "version": "77",
        "latency_ms": 412,
        "features": {"_c0": 5.1, "_c1": 3.5},
        "prediction": 0.91,
    }
    assert (second["prediction"], second["confidence"]) == ("1", 0.8)  # type: ignore[index]
    generative = {**row, "response_payload": None, "full_response": {"candidates": []}}
    assert "generative models" in read("vertex", generative).unreadable[0].error


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize("kind", ["sagemaker", "databricks", "vertex"])
@given(document=DOCUMENTS, text=st.text())
def test_law_any_document_in_any_place_becomes_records_or_is_set_aside(
    kind: str, document: Any, text: str
) -> None:
    lines: list[object] = [
        capture({"data": text, "encoding": "CSV"}, {"data": text, "encoding": "JSON"}),
        {"captureData": document, "eventMetadata": document, "groundTruthData": document},
        {
            **ROW,
            "request": document,
            "response": text,
            "status_code": document,
            "logging_error_codes": document,
        },
        {"response_payload": document, "request_payload": document, "metadata": text},
        document,
    ]
    for line in lines:
        try:
            contents = read(kind, {"line": line}, line)
        except InputError:
            continue
        assert contents.unreadable or contents.predictions or contents.outcomes
        for one in contents.unreadable:
            assert one.error


@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2), min_size=1)
)
def test_law_csv_keeps_every_line_and_value(rows: list[list[str]]) -> None:
    import csv
    import io

    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)
    found = csv_rows(written.getvalue())
    assert [len(row) for row in found] == [len(row) for row in rows]  # type: ignore[arg-type]


def test_rows_of_columns_and_of_lists() -> None:
    assert rows_of({"inputs": {"a": [1, 2], "b": [3, 4]}}) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    assert rows_of({"instances": [[1, 2], [3, 4]]}) == [[1, 2], [3, 4]]
    assert rows_of(0.5) == [0.5]


def test_categories_that_look_like_parts_of_a_number_are_texts() -> None:
    assert csv_rows("E11,e5,.,-\n1e5,.5,5.,-1e-3") == [["E11", "e5", ".", "-"], [1e5, 0.5, 5.0, -1e-3]]


@pytest.mark.parametrize("zero", [0, 0.0, "0", "0.0", False])
@pytest.mark.parametrize("one", [1, 1.0, "1", True])
def test_a_score_beside_a_label_of_zero_is_that_of_one(zero: object, one: object) -> None:
    """SageMaker's linear learner writes the probability of 1 beside the label, whatever the label is."""
    answers = [
        ({"predicted_label": zero, "score": 0.1}, 0.9),
        ({"predicted_label": zero, "score": 0.7}, 0.3),  # its threshold is not 0.5
        ({"predicted_label": one, "score": 0.8}, 0.8),
        ({"predicted_label": one, "score": 0.4}, 0.4),
        ({"prediction": zero, "probability": 0.2}, 0.8),
        ({"label": zero, "probability": 0.9}, 0.9),
        ({"label": zero, "confidence": 0.2}, 0.2),
        ({"label": "ok", "score": 0.2}, 0.2),
    ]
    body = json.dumps({"predictions": [answer for answer, _ in answers]})
    rows = json.dumps({"instances": [[index] for index in range(len(answers))]})
    records = read("sagemaker", capture(side(rows, "JSON"), side(body, "JSON"))).predictions
    assert [one["confidence"] for one in records] == pytest.approx([sure for _, sure in answers])  # type: ignore[index]
