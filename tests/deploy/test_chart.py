"""The values of the Helm chart, by their schema. `make chart-check` renders the chart, and validates the objects."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from tests.support.daemon import ROOT

HELM = ROOT / "deploy" / "helm"
CHART = HELM / "watchkeeper"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
ACCEPTED, REFUSED = sorted(CHART.glob("ci/*-values.yaml")), sorted(HELM.glob("refused/*.yaml"))


def values(path: Path) -> dict[str, Any]:
    """The chart's values with those of a file over them, as Helm merges them."""
    return merged(read(CHART / "values.yaml"), read(path))


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {**under, **over}
    return {
        key: merged(under[key], value)
        if isinstance(value, dict) and isinstance(under.get(key), dict)
        else value
        for key, value in both.items()
    }


def read(path: Path) -> dict[str, Any]:
    found = YAML(typ="safe").load(path)
    return found if isinstance(found, dict) else {}


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_the_schema_accepts_what_is_meant(path: Path) -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(values(path))


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_the_schema_refuses_what_cannot_work(path: Path) -> None:
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(values(path))


def test_every_value_has_a_schema_and_the_other_way_round() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert set(read(CHART / "values.yaml")) | {"global"} == set(SCHEMA["properties"])


def test_the_chart_carries_the_shipped_rules_and_the_version() -> None:
    rules = ROOT / "dashboards" / "prometheus" / "watchkeeper-rules.yaml"
    assert (CHART / "files" / rules.name).read_bytes() == rules.read_bytes()
    version = next(
        line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version")
    )
    assert read(CHART / "Chart.yaml")["appVersion"] == version.split('"')[1]
