"""SageMaker's files: constraints are read, and the violations that its documentation shows are produced."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.errors import InputError
from monitor.expectations.checking import check
from monitor.expectations.exchange import kinds, sagemaker_files
from monitor.expectations.expectation import Check, Expectation

CONSTRAINTS = {
    "version": 0,
    "features": [
        {
            "name": "amount", "inferred_type": "Fractional", "completeness": 1.0,
            "num_constraints": {"is_non_negative": True},
        },
        {
            "name": "kind", "inferred_type": "String", "completeness": 0.9,
            "string_constraints": {"domains": ["auto", "home"], "x": 1},
        },
        {
            "name": "count", "inferred_type": "Integral", "completeness": 1,
            "monitoringConfigOverrides": {"datatype_check_threshold": 0.8},
        },
        {"name": "off", "completeness": 1.0, "monitoring_config_overrides": {"evaluate_constraints": "Disabled"}},
        {"name": "odd", "inferred_type": "Complex", "extra": 1},
        {"inferred_type": "String"},
    ],
    "monitoring_config": {
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 0.95,
        "distribution_constraints": {"comparison_threshold": 0.1},
    },
}  # fmt: skip


def test_constraints_become_expectations_and_the_rest_is_told(tmp_path: Path) -> None:
    file = tmp_path / "constraints.json"
    file.write_text(json.dumps(CONSTRAINTS))
    found = kinds.read(file)
    shown = {(one.about, one.words): round(one.tolerated, 9) for one in found.expectations}
    assert shown == {
        ("amount", "type number"): 0.0, ("amount", "present"): 0.0, ("amount", "range from 0"): 0.0,
        ("kind", "type text"): 0.0, ("kind", "present"): 0.1, ("kind", "allowed auto, home"): 0.05,
        ("count", "type integer"): 0.2, ("count", "present"): 0.0,
    }  # fmt: skip
    told = "\n".join(found.left_out)
    for place in (
        "features[1].string_constraints.x", "features[3]: evaluate_constraints is Disabled",
        "features[4].extra", "features[4].inferred_type",
        "features[5]: has no name", "monitoring_config.distribution_constraints",
    ):  # fmt: skip
        assert f"{file}: {place}" in told
    assert len(found.left_out) == 6


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"features": 3}', "\x00"])
def test_a_file_that_is_none_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "constraints.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"constraints\.json"):
        kinds.read(file)


def test_the_violations_of_the_documentation_are_produced(tmp_path: Path) -> None:
    """The example of the developer guide: a column of integers of which 99.7 % are ones."""
    values = ["1"] * 997 + ["1.5"] * 3
    rows = pa.RecordBatch.from_arrays(
        [pa.array(values), pa.array([1.0] * 900 + [None] * 100), pa.array(["auto"] * 999 + ["boat"])],
        names=["features.State", "features.amount", "features.kind"],
    )
    suite = [
        Expectation(Check.TYPE, "features.State", {"type": "integer"}),
        Expectation(Check.PRESENT, "features.amount"),
        Expectation(Check.ALLOWED, "features.kind", {"values": ["auto", "home"]}),
        Expectation(Check.PRESENT, "features.kind"),
        Expectation(Check.PRESENT, "features.gone"),
    ]
    paths = sagemaker_files.write(tmp_path / "out", rows, suite, check(suite, [rows]))
    written = {path.name: json.loads(path.read_text()) for path in paths}
    assert set(written) == {"statistics.json", "constraints.json", "constraint_violations.json"}
    violations = written["constraint_violations.json"]["violations"]
    assert violations[0] == {
        "feature_name": "State",
        "constraint_check_type": "data_type_check",
        "description": "Data type match requirement is not met. Expected data type: Integral, Expected match: 100%. "
        "Observed: Only 99.7% of data is Integral.",
    }
    assert [(one["feature_name"], one["constraint_check_type"]) for one in violations] == [
        ("State", "data_type_check"), ("amount", "completeness_check"), ("kind", "categorical_values_check"),
        ("gone", "missing_column_check"),
    ]  # fmt: skip
    amount = written["statistics.json"]["features"][1]
    assert amount["numerical_statistics"]["common"] == {"num_present": 900, "num_missing": 100}
    assert written["statistics.json"]["features"][2]["string_statistics"]["distinct_count"] == 2
    again = kinds.read(tmp_path / "out" / "constraints.json").expectations
    assert {(one.column, one.check) for one in again} == {(one.column, one.check) for one in suite[:-1]}


@pytest.mark.parametrize(
    ("threshold", "tolerated"), [(1.0, 0.0), (0.9, 0.1), (0.1, 0.1), (0.0, 0.0), (None, 0.0)]
)
def test_a_threshold_is_read_in_the_stricter_way(
    tmp_path: Path, threshold: float | None, tolerated: float
) -> None:
    file = tmp_path / "constraints.json"
    features = [{"name": "a", "inferred_type": "Integral", "string_constraints": {"domains": ["1"]}}]
    config = {"datatype_check_threshold": threshold, "domain_content_threshold": threshold}
    file.write_text(json.dumps({"features": features, "monitoring_config": config}))
    assert [one.tolerated for one in kinds.read(file).expectations] == pytest.approx(
        [tolerated] * 2, abs=1e-5
    )
