"""A mapping is proposed for somebody else's messages, and it is one that works."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.yaml import read
from monitor.sources.formats import catalog
from monitor.sources.formats.format import FieldMapping
from monitor.sources.guess import guess
from tests.support.fork_server import watchkeeper

NESTED = {
    "meta": {"sent_at": "2026-11-23T08:00:00Z", "model": "churn", "model_version": 7},
    "items": [
        {"uid": "u1", "input": {"age": 3, "plan": "x"}, "result": {"label": "yes", "score": 0.91}},
        {"uid": "u2", "input": {"age": 4, "plan": "y"}, "result": {"label": "no", "score": 0.61}},
    ],
}


def first(sample: object) -> Any:
    contents = guess(json.dumps(sample).encode()).contents
    return [*contents.predictions, *contents.outcomes][0]


def test_a_batch_with_a_head_is_one_record_per_element() -> None:
    proposal = guess(json.dumps(NESTED).encode())
    assert proposal.mapping.rows == "$.items[*]"
    assert proposal.contents.predictions[1] == {
        "id": "u2",
        "timestamp": "2026-11-23T08:00:00Z",
        "prediction": "no",
        "confidence": 0.61,
        "version": 7,
        "model": "churn",
        "features": {"age": 4, "plan": "y"},
    }


def test_a_flat_message_gives_its_other_values_as_features() -> None:
    record = first(
        {"requestId": "r-1", "ts": 1795420800, "Score": 0.3, "amount": 12.5, "country": "DE", "tags": ["a"]}
    )
    assert record == {
        "id": "r-1",
        "timestamp": 1795420800,
        "prediction": 0.3,
        "features": {"amount": 12.5, "country": "DE"},
    }


@pytest.mark.parametrize(
    "inner", [{"features": {"embedding": [0.1, 2], "amount": 3}}, {"embedding": [0.1, 2], "amount": 3}]
)
def test_vectors_are_proposed_as_features_but_not_those_of_the_answer(inner: dict[str, Any]) -> None:
    answer = {"id": "a", "label": "x", "scores": [0.1, 0.9], "Logits": [1, 2], "empty": [], "flags": [True]}
    assert first({**answer, **inner})["features"] == {"embedding": [0.1, 2], "amount": 3}


def test_a_late_truth_is_an_outcome() -> None:
    assert first({"order_id": "o-1", "actual": "late", "date": "2026-11-23"})["truth"] == "late"


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ({"specversion": "1.0", "type": "org.kubeflow.serving.inference.request", "id": "1"}, "kserve"),
        ({"specversion": "1.0", "type": "io.seldon.serving.inference.request", "id": "1"}, "seldon"),
        ({"captureData": {}, "eventMetadata": {}}, "sagemaker"),
        ({"databricks_request_id": "1", "request": "[1]", "response": "[1]"}, "databricks"),
        ({"request_payload": ["[1]"], "response_payload": ["1"]}, "vertex"),
        ({"client": "acme", "model": "m", "prediction": "x", "features": {"a": 1}}, "watchkeeper"),
    ],
)
def test_known_notations_need_no_mapping(sample: object, kind: str) -> None:
    assert guess(json.dumps(sample).encode()).format == kind


def test_an_envelope_is_not_proposed_as_inputs_nor_a_part_of_the_answer_as_a_feature() -> None:
    scored = {"id": "a", "label": "yes", "confidence": 93, "amount": 3, "probabilities": {"yes": 0.9}}
    record = first({"type": "scored", "payload": scored})
    assert record == {"id": "a", "prediction": "yes", "features": {"amount": 3, "type": "scored"}}
    event = {"specversion": "1.0", "id": "e", "time": "2026-11-23T08:00:00Z"}
    record = first({**event, "data": {"order_id": "o", "score": 0.4, "features": {"a": 1}}})
    assert record == {"id": "o", "timestamp": event["time"], "prediction": 0.4, "features": {"a": 1}}


def test_a_change_event_of_a_database_and_short_names_are_understood() -> None:
    change = {"payload": {"ts_ms": 1795420800123, "after": {"id": 5, "y_pred": 0.3, "amount": 3}}}
    assert first(change) == {
        "id": 5,
        "timestamp": 1795420800123,
        "prediction": 0.3,
        "features": {"amount": 3},
    }


def test_seconds_are_not_proposed_as_milliseconds() -> None:
    assert "latency_ms" not in first({"id": "a", "label": "x", "latency": 0.12})
    assert first({"id": "a", "label": "x", "latency": 120})["latency_ms"] == 120
    assert first({"id": "a", "label": "x", "latency_ms": 0.12})["latency_ms"] == 0.12


DOCUMENTS = st.dictionaries(
    st.one_of(
        st.text(max_size=6),
        st.sampled_from(["score", "Label", "input", "ts", "id", "items", "result", "x y", "a$$b", "${HOME}"]),
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 2**53) | st.floats(0, 1) | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.one_of(st.text(max_size=6), st.sampled_from(["score", "input", "id"])), inner, max_size=3
            )
        ),
        max_leaves=10,
    ),
    max_size=6,
)


@given(st.lists(DOCUMENTS, min_size=1, max_size=3))
def test_law_every_proposal_is_a_valid_part_of_the_configuration(
    tmp_path_factory: pytest.TempPathFactory, documents: list[dict[str, Any]]
) -> None:
    body = json.dumps(documents).encode()
    proposal = guess(body)
    path = tmp_path_factory.getbasetemp() / "proposal.yaml"
    path.write_text(proposal.yaml(), encoding="utf-8", errors="surrogatepass")
    written = read(path).data
    assert written["format"] == proposal.format
    mapping = FieldMapping(written.get("rows", "$"), written.get("fields", {}))
    assert dict(mapping.fields) == dict(proposal.mapping.fields)
    catalog.make(proposal.format, mapping)


@pytest.mark.parametrize("sample", [b"[]", b"[1, 2]", b'"x"'])
def test_a_sample_without_an_object_is_said_so(sample: bytes) -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        guess(sample)


def test_the_command_prints_a_part_of_the_configuration_and_the_record(tmp_path: Path) -> None:
    def run(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return watchkeeper("sources", "guess", *words, said=given)

    (tmp_path / "sample.json").write_text(json.dumps(NESTED))
    done = run(str(tmp_path / "sample.json"))
    assert done.returncode == 0
    assert 'prediction: "@.result.label"' in done.stdout
    assert '"prediction": "yes"' in done.stderr
    late = run("-", given='\ufeff{"type": "ping"}\r\n' + json.dumps({"id": 1, "score": 0.5}))
    assert (late.returncode, late.stdout.count("$.score")) == (0, 1), late.stderr
    event = {"specversion": "1.0", "type": "org.kubeflow.serving.inference.request", "id": "1", "data": [[1]]}
    half = run("-", given=json.dumps(event))
    assert (half.returncode, half.stdout) == (0, "format: kserve\n")
    assert "halves of calls" in half.stderr
    unknown = run("-", given='{"a": {"b": 1}}')
    assert unknown.returncode == 1
    assert "WHERE_IS_THE_PREDICTION" in unknown.stdout
    assert "does not exist" in run("nowhere.json").stderr or "No such file" in run("nowhere.json").stderr
    assert run("-", given="{broken").returncode == 2
