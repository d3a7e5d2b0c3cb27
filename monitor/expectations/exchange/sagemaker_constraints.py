"""Reads `constraints.json` of SageMaker Model Monitor."""

from pathlib import Path
from typing import Any

from monitor.errors import InputError
from monitor.expectations.exchange.imported import ImportedSuite
from monitor.expectations.expectation import Check, Expectation
from monitor.expectations.suite import column_name

TYPES = {"Integral": "integer", "Fractional": "number", "String": "text"}
_KNOWN = {
    "name",
    "inferred_type",
    "completeness",
    "num_constraints",
    "string_constraints",
    "monitoring_config_overrides",
    "monitoringConfigOverrides",
}


def read(path: Path, content: Any) -> ImportedSuite:
    """The expectations of a file.

    Raises:
        InputError: it is no file of constraints.
    """
    if not isinstance(content, dict) or not isinstance(content.get("features"), list):
        raise InputError(f"{path} has no list `features`: it is not a constraints.json")
    config = content.get("monitoring_config")
    config = config if isinstance(config, dict) else {}
    expectations: list[Expectation] = []
    left_out: list[str] = []
    for number, feature in enumerate(content["features"]):
        place = f"{path}: features[{number}]"
        if not isinstance(feature, dict) or not isinstance(feature.get("name"), str):
            left_out.append(f"{place}: has no name")
            continue
        expectations += _feature(feature, config, place, left_out)
    distributions = config.get("distribution_constraints")
    if isinstance(distributions, dict) and distributions.get("perform_comparison") != "Disabled":
        left_out.append(
            f"{path}: monitoring_config.distribution_constraints: distributions are compared with the baseline by "
            "drift (docs/metrics.md), not by expectations"
        )
    return ImportedSuite(expectations, left_out)


def _feature(
    feature: dict[str, Any], config: dict[str, Any], place: str, left_out: list[str]
) -> list[Expectation]:
    overrides = feature.get("monitoring_config_overrides") or feature.get("monitoringConfigOverrides")
    settings = {
        **(config if isinstance(config, dict) else {}),
        **(overrides if isinstance(overrides, dict) else {}),
    }
    column = column_name(feature["name"])
    expectations: list[Expectation] = []
    if settings.get("evaluate_constraints") == "Disabled":
        left_out.append(
            f"{place}: evaluate_constraints is Disabled, so nothing is expected of {feature['name']}"
        )
        return expectations
    for name in feature.keys() - _KNOWN:
        left_out.append(f"{place}.{name}: is not known")
    kind = feature.get("inferred_type")
    if kind in TYPES:
        tolerated = _strict(settings.get("datatype_check_threshold"))
        expectations.append(Expectation(Check.TYPE, column, {"type": TYPES[kind]}, tolerated))
    elif kind not in (None, "Unknown"):
        left_out.append(f"{place}.inferred_type: {kind!r} is not a SageMaker type")
    if _is_number(completeness := feature.get("completeness")):
        expectations.append(Expectation(Check.PRESENT, column, {}, _tolerated(completeness)))
    numbers, texts = feature.get("num_constraints") or {}, feature.get("string_constraints") or {}
    if numbers.get("is_non_negative"):
        expectations.append(Expectation(Check.RANGE, column, {"least": 0.0}))
    if domains := texts.get("domains"):
        tolerated = _strict(settings.get("domain_content_threshold"))
        expectations.append(
            Expectation(Check.ALLOWED, column, {"values": [str(domain) for domain in domains]}, tolerated)
        )
    for group, known in (("num_constraints", {"is_non_negative"}), ("string_constraints", {"domains"})):
        left_out += [
            f"{place}.{group}.{name}: is not supported" for name in (feature.get(group) or {}).keys() - known
        ]
    return expectations


def _strict(threshold: object) -> float:
    """What a threshold of `monitoring_config` tolerates. In generated files it is 1.0, the share of rows that must be
    right; the documentation has 0.1, the share that may be wrong. The stricter reading is taken.
    """
    right = _tolerated(threshold)
    return min(right, 1.0 - right)


def _tolerated(threshold: object) -> float:
    """A share of rows that must be right."""
    return min(max(1.0 - float(threshold), 0.0), 0.999999) if _is_number(threshold) else 0.0  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
