"""Requests and responses that platforms log as two messages: KServe, Seldon and Azure ML; and BentoML and MLflow."""

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sources.formats import catalog
from monitor.sources.formats.format import NO_MAPPING, Contents, FieldMapping, HalfCall, PairingFormat, Side
from monitor.sources.source import Payload
from tests.support.thorough import examples

V2 = "application/json"


def headers(kind: str, side: str, call: str = "c-1", prefix: str = "ce-", **more: str) -> dict[str, str]:
    """The headers of KServe's or Seldon's logger."""
    named = {
        "kserve": {"id": call, "type": f"org.kubeflow.serving.inference.{side}"},
        "seldon": {"id": f"{call}-{side}", "requestid": call, "type": f"io.seldon.serving.inference.{side}"},
        "azureml": {"id": "x", "correlationid": call, "type": f"azureml.inference.{side}"},
    }[kind]
    time = "2026-08-21T14:26:03.100Z" if side == "request" else "2026-08-21T14:26:03.140Z"
    attributes = {"specversion": "1.0", "time": time, "namespace": "acme", **named, **more}
    return {
        **{f"{prefix}{name}": value for name, value in attributes.items()},
        "content-type": "application/json",
    }


def read(
    kind: str, body: object, sent: dict[str, str] | None = None, mapping: FieldMapping = NO_MAPPING
) -> Contents:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return catalog.make(kind, mapping).read(Payload(content, "place", headers=sent or {}))


def half(kind: str, body: object, sent: dict[str, str] | None = None) -> HalfCall:
    contents = read(kind, body, sent)
    assert not contents.unreadable, contents.unreadable
    (one,) = contents.halves
    return one


def joined(kind: str, *halves: HalfCall, **mapping: Any) -> list[Any]:
    form = catalog.make(kind, FieldMapping(**mapping))
    assert isinstance(form, PairingFormat)
    by_side = {one.side: one for one in halves}
    contents = form.joined(by_side.get(Side.REQUEST), by_side.get(Side.RESPONSE))
    assert not contents.unreadable, contents.unreadable
    return list(contents.predictions)


def error_of(kind: str, body: object, sent: dict[str, str] | None = None) -> str:
    contents = read(kind, body, sent)
    assert not contents.halves
    (part,) = contents.unreadable
    return part.error


def tensor(
    name: str, kind: str, shape: list[int], data: Any = None, size: int | None = None
) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "datatype": kind, "shape": shape}
    if size is not None:
        return {**described, "parameters": {"binary_data_size": size}}
    return {**described, "data": data}


def test_a_call_of_kserve_version_1_has_a_latency_and_a_record_for_each_row() -> None:
    request = half("kserve", {"instances": [{"age": 3}, {"age": 4}]}, headers("kserve", "request"))
    response = half("kserve", {"predictions": ["yes", "no"]}, headers("kserve", "response"))
    records = joined("kserve", response, request, fields={"segments.namespace": "$.event.namespace"})
    assert [record["id"] for record in records] == ["c-1#0", "c-1#1"]
    assert [record["prediction"] for record in records] == ["yes", "no"]
    assert records[1]["features"] == {"age": 4}
    assert records[1]["segments"] == {"namespace": "acme"}
    assert records[0]["latency_ms"] == pytest.approx(40.0)
    assert records[0]["timestamp"] == pytest.approx(1787322363.1)


@pytest.mark.parametrize("prefix", ["ce-", "ce_", "cloudevents:", ""])
def test_the_attributes_are_read_from_the_headers_of_every_transport(prefix: str) -> None:
    sent = headers("seldon", "request", prefix=prefix)
    assert half("seldon", {"data": {"names": ["a"], "ndarray": [[1]]}}, sent).rows == [{"a": 1}]


def test_binary_tensors_behind_the_json_are_cut_in_their_order() -> None:
    words = b"".join(struct.pack("<I", len(word)) + word for word in ("né".encode(), b"", b"\xff"))
    columns = {
        "f": ("FP32", np.array([1.5, -2.0, 3.25], "<f4").tobytes(), [1.5, -2.0, 3.25]),
        "h": ("FP16", np.array([0.5, 1, 2], "<f2").tobytes(), [0.5, 1.0, 2.0]),
        "b": ("BOOL", b"\x01\x00\x01", [True, False, True]),
        "i": ("INT64", np.array([-1, 2**40, 3], "<i8").tobytes(), [-1, 2**40, 3]),
        "t": ("BYTES", words, ["né", "", "\ufffd"]),
        "g": ("BF16", b"".join(np.array([x], "<f4").tobytes()[2:] for x in (1.0, -2.0, 0.5)), [1.0, -2.0, 0.5]),
    }  # fmt: skip
    inputs = [tensor(name, kind, [3, 1], size=len(data)) for name, (kind, data, _) in columns.items()]
    body = json.dumps({"id": "ü", "inputs": inputs}, ensure_ascii=False).encode()
    body += b"".join(data for _, data, _ in columns.values())
    rows = half("kserve", body, headers("kserve", "request")).rows
    assert rows == [{name: values[row] for name, (_, _, values) in columns.items()} for row in range(3)]
    assert "is truncated" in error_of("kserve", body[:-1], headers("kserve", "request"))


@settings(max_examples=examples(25), deadline=None)
@given(
    st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=3, max_size=3), min_size=1, max_size=5)
)
def test_a_tensor_means_the_same_flat_nested_and_in_bytes(rows: list[list[float]]) -> None:
    shape, flat = [len(rows), 3], [value for row in rows for value in row]
    data = np.array(flat, "<f4").tobytes()
    binary = json.dumps({"inputs": [tensor("x", "FP32", shape, size=len(data))]}).encode() + data
    read_rows = [
        half("kserve", body, headers("kserve", "request")).rows
        for body in (
            {"inputs": [tensor("x", "FP32", shape, flat)]},
            {"inputs": [tensor("x", "FP32", shape, rows)]},
            binary,
        )
    ]
    assert read_rows == [rows, rows, rows]


def test_the_outputs_of_version_2_become_predictions_and_the_version() -> None:
    request = half(
        "kserve", {"inputs": [tensor("x", "FP32", [2, 2], [1, 2, 3, 4])]}, headers("kserve", "request")
    )
    outputs = [
        tensor("predict", "INT64", [2, 1], [1, 0]),
        tensor("predict_proba", "FP64", [2, 2], [0.2, 0.8, 0.9, 0.1]),
    ]
    answer = {"model_name": "m", "model_version": "v3", "outputs": outputs}
    records = joined(
        "kserve", request, half("kserve", answer, headers("kserve", "response")), columns=("a", "b")
    )
    assert [(record["prediction"], record["version"]) for record in records] == [(1, "v3"), (0, "v3")]
    assert records[0]["features"] == {"a": 1, "b": 2}
    assert records[0]["probabilities"] == {"0": 0.2, "1": 0.8}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\x00\x01", "not JSON"),
        (b"", "not JSON"),
        ({"inputs": [tensor("x", "FP32", [2, 2], [1])]}, "has 1 value, and its shape [2, 2] has 4"),
        ({"inputs": [tensor("x", "FP32", [-1], [1])]}, "is not a list of numbers"),
        ({"inputs": [tensor("x", "FP32", [10**9, 10**9], [])]}, "has 0 values"),
        ({"inputs": [tensor("x", "COMPLEX", [1], size=0)]}, "unknown type 'COMPLEX'"),
        ({"inputs": [tensor("x", "FP32", [1], size=-4)]}, "binary_data_size is -4"),
        ({"inputs": [tensor("x", "FP32", [1], [1]), tensor("y", "FP32", [2], [1, 2])]}, "rows: 1, 2"),
        (b"[" * 100_000, "not JSON"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_says_why(body: object, words: str) -> None:
    assert words in error_of("kserve", body, headers("kserve", "request"))


def test_a_wide_tensor_is_left_out_and_the_answer_is_kept() -> None:
    image = half(
        "kserve",
        {"inputs": [tensor("x", "FP32", [1, 3, 224, 224], [0] * 150_528)]},
        headers("kserve", "request"),
    )
    (record,) = joined(
        "kserve", image, half("kserve", {"predictions": ["cat"]}, headers("kserve", "response"))
    )
    assert record["features"] == {}
    assert record["prediction"] == "cat"


def test_an_object_of_kserves_bucket_is_an_event_also_in_an_array() -> None:
    content = base64.b64encode(json.dumps({"instances": [[1, 2]]}).encode()).decode()
    row = {"bytes": content, "reqType": "request", "id": "c-1", "contentType": V2, "inferenceService": "iris"}
    for body in (row, [row]):
        one = half("kserve", body)
        assert (one.call, one.side, one.rows, one.at) == ("c-1", Side.REQUEST, [[1, 2]], None)
        assert one.event["inferenceservicename"] == "iris"
    assert half("kserve", {**row, "bytes": '{"instances": [[1, 2]]}'}).rows == [[1, 2]]  # as Parquet holds it


def test_structured_events_and_csv_are_read() -> None:
    event = {
        "specversion": "1.0",
        "id": "c",
        "type": "org.kubeflow.serving.inference.response",
        "time": "2026-08-21T14:26:03Z",
    }
    assert half("kserve", {**event, "data": {"predictions": [1]}}).rows == [1]
    assert half("kserve", {**event, "data": '{"predictions": [1]}'}).rows == [1]  # JSON in a text
    assert half("kserve", {**event, "data": "{no JSON"}).rows == ["{no JSON"]
    assert half("kserve", {**event, "data": "1\n0\n", "datacontenttype": "text/csv"}).rows == [1, 0]
    assert half(
        "kserve", {**event, "data_base64": base64.b64encode(b'{"predictions": [1]}').decode()}
    ).rows == [1]
    assert (
        error_of("kserve", {**event, "data_base64": "%"})
        == "the captured call cannot be read: its data_base64 is not Base64"
    )
    sent = {**headers("kserve", "request"), "content-type": "text/csv"}
    assert half("kserve", b"1,2\n3,4\n", sent).rows == [[1, 2], [3, 4]]


def test_halves_that_do_not_fit_each_other_are_unreadable_together() -> None:
    request = half("kserve", {"instances": [1, 2]}, headers("kserve", "request"))
    response = half("kserve", {"predictions": [1]}, headers("kserve", "response"))
    form = catalog.make("kserve", NO_MAPPING)
    assert isinstance(form, PairingFormat)
    (part,) = form.joined(request, response).unreadable
    assert "the request has 2 rows and the response 1" in part.error


def test_one_half_alone_becomes_an_error_or_a_record_without_features() -> None:
    request = half("kserve", {"instances": [{"a": 1}]}, headers("kserve", "request"))
    (record,) = joined("kserve", request)
    assert (record["error"], record["features"]) == ("no response", {"a": 1})
    (record,) = joined("kserve", half("kserve", {"predictions": [7]}, headers("kserve", "response")))
    assert record["prediction"] == 7
    assert "features" not in record
    failed = half("kserve", {"error": "out of memory"}, headers("kserve", "response"))
    (record,) = joined("kserve", request, failed)
    assert record["error"] == "out of memory"
    assert "prediction" not in record


def test_clocks_that_disagree_give_no_latency() -> None:
    sent = headers("kserve", "response", time="2026-08-21T14:26:03.000Z")
    request = half("kserve", {"instances": [1]}, headers("kserve", "request"))
    (record,) = joined("kserve", request, half("kserve", {"predictions": [1]}, sent))
    assert "latency_ms" not in record


def test_seldons_own_bodies_are_read() -> None:
    request = half(
        "seldon",
        {"data": {"names": ["a", "b"], "tensor": {"shape": [1, 2], "values": [3, 4]}}},
        headers("seldon", "request"),
    )
    answer = {"data": {"names": ["t:0", "t:1"], "ndarray": [[0.25, 0.75]]}}
    (record,) = joined("seldon", request, half("seldon", answer, headers("seldon", "response")))
    assert record["features"] == {"a": 3, "b": 4}
    assert (record["prediction"], record["confidence"]) == ("t:1", 0.75)
    assert record["id"] == "c-1"


def test_seldons_feedback_is_an_outcome() -> None:
    sent = {**headers("seldon", "request"), "ce-type": "io.seldon.serving.feedback"}
    body = {"reward": 0.5, "truth": {"data": {"ndarray": [["yes"]]}}, "response": {"meta": {"puid": "p"}}}
    (outcome,) = read("seldon", body, sent).outcomes
    assert outcome == {"id": "c-1", "truth": "yes", "feedback": 0.5}


def record_of_azure(kind: str, data: object, **more: object) -> dict[str, object]:
    """A line of Azure ML's collector."""
    return {"specversion": "1.0", "id": "725a", "source": "/subscriptions/x", "type": f"azureml.inference.{kind}",
            "datacontenttype": "application/json", "time": "2022-12-01T08:51:30Z", "data": data,
            "correlationid": "c-1", "modelversion": "default", **more}  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [("model_inputs", "model_outputs"), ("inputs", "outputs"), ("request", "response")],
)
def test_azures_files_are_joined_without_a_latency_that_whole_seconds_cannot_give(
    inputs: str, outputs: str
) -> None:
    request = half("azureml", record_of_azure(inputs, [{"drug": "a"}, {"drug": "b"}]))
    response = half(
        "azureml", record_of_azure(outputs, [{"label": "x"}, {"label": "y"}], time="2022-12-01T08:51:31Z")
    )
    records = joined("azureml", request, response)
    assert [(one["id"], one["features"]["drug"], one["prediction"]) for one in records] == [
        ("c-1#0", "a", "x"),
        ("c-1#1", "b", "y"),
    ]
    assert "latency_ms" not in records[0]
    assert "version" not in records[0]


def test_azures_library_posts_the_same_with_headers() -> None:
    sent = headers("azureml", "model_inputs", modelversion="3")
    one = half("azureml", [{"drug": "a"}], sent)
    assert (one.call, one.rows, one.fields["version"]) == ("c-1", [{"drug": "a"}], "3")


def test_azures_data_elsewhere_is_told() -> None:
    error = error_of("azureml", record_of_azure("model_inputs", "https://blob/x", datainblob="true"))
    assert error.endswith("its data is not included, but in https://blob/x")
    assert "no correlationid" in error_of("azureml", record_of_azure("model_inputs", [], correlationid=""))


def test_a_line_of_bentoml_is_a_prediction_and_its_answer_is_no_feature() -> None:
    line = {
        "amount": 12.5,
        "verdict": "ok",
        "timestamp": "2026-11-23T05:11:02.693100",
        "request_id": "173",
        "trace_id": "2206",
    }
    schema = {"meta_data": {"bento_name": "fraud"}, "columns": []}
    mapping = FieldMapping(fields={"prediction": "@.output.verdict"})
    body = b"\n".join(json.dumps(one).encode() for one in (schema, line))
    contents = read("bentoml", body, {"content-type": "application/x-ndjson"}, mapping)
    assert list(contents.predictions) == [
        {"id": "173", "timestamp": line["timestamp"], "features": {"amount": 12.5}, "prediction": "ok"}
    ]
    (record,) = read("bentoml", {**line, "label": "no"}).predictions
    assert record["features"] == {"amount": 12.5, "verdict": "ok"}  # type: ignore[index]
    assert record["prediction"] == "no"  # type: ignore[index]


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"feedback": {"value": 4.0}}, {"feedback": 4.0}),
        ({"feedback": {"value": True}}, {"feedback": 1.0}),
        ({"expectation": {"value": "yes"}}, {"truth": "yes"}),
    ],
)
def test_an_assessment_of_mlflow_is_an_outcome(given: dict[str, Any], fields: dict[str, Any]) -> None:
    line = {
        "assessment_name": "x",
        "trace_id": "tr-1",
        "create_time": "2026-11-23T05:12:00Z",
        "valid": True,
        **given,
    }
    (outcome,) = read("mlflow", line).outcomes
    assert outcome == {"id": "tr-1", "timestamp": "2026-11-23T05:12:00Z", **fields}
    assert not read("mlflow", {**line, "valid": False}).outcomes


def test_an_assessment_in_words_is_told() -> None:
    line = {"assessment_name": "x", "trace_id": "tr-1", "feedback": {"value": "good"}}
    assert "is not a number: 'good'" in error_of("mlflow", line)


@settings(max_examples=examples(60), deadline=None)
@given(
    st.sampled_from(["kserve", "seldon", "azureml", "bentoml", "mlflow"]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "inputs", "outputs", "shape", "datatype", "parameters", "bytes", "type", "id",
                             "reqType", "correlationid", "names", "ndarray", "feedback", "truth", "trace_id", "x"]),
            inner, max_size=4),
        max_leaves=12,
    ),
    st.sampled_from(["request", "response", "feedback", "model_inputs"]),
    st.booleans(),
)  # fmt: skip
def test_no_message_breaks_a_format(kind: str, body: object, side: str, as_event: bool) -> None:
    known = kind if kind in ("kserve", "seldon", "azureml") else "kserve"
    contents = read(kind, body, headers(known, side) if as_event else None)
    form = catalog.make(kind, NO_MAPPING)
    for one in contents.halves:
        assert isinstance(form, PairingFormat)
        form.joined(*((one, None) if one.side is Side.REQUEST else (None, one)))
