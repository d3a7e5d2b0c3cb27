"""Writes SageMaker Model Monitor's `statistics.json`, `constraints.json` and `constraint_violations.json`, so that what
reads them goes on to work.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.expectations.checking import CheckResult
from monitor.expectations.expectation import Check, Expectation
from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names, numbers
from monitor.visible import counted

_BUCKETS, _MOST_VALUES = 10, 100
_TYPES = {"integer": "Integral", "number": "Fractional", "boolean": "String", "text": "String"}
_CHECKS = {
    Check.TYPE: "data_type_check",
    Check.PRESENT: "completeness_check",
    Check.ALLOWED: "categorical_values_check",
}
_CONFIG = {
    "evaluate_constraints": "Enabled",
    "emit_metrics": "Enabled",
    "datatype_check_threshold": 1.0,
    "domain_content_threshold": 1.0,
    "distribution_constraints": {
        "perform_comparison": "Disabled",
        "comparison_threshold": 0.1,
        "comparison_method": "Robust",
        "categorical_comparison_threshold": 0.1,
        "categorical_drift_method": "LInfinity",
    },
}


def write(
    folder: Path, rows: pa.RecordBatch, some: Sequence[Expectation], results: Sequence[CheckResult]
) -> list[Path]:
    """Write the three files into a folder, which is made. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "statistics.json": statistics(rows),
        "constraints.json": constraints(rows, some),
        "constraint_violations.json": violations(results, rows.schema.names),
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [folder / name for name in contents]


def statistics(rows: pa.RecordBatch) -> dict[str, Any]:
    """What the columns hold."""
    features = [
        _statistics(_name(name), array)
        for name, array in zip(rows.schema.names, rows.columns, strict=True)
        if not pa.types.is_list(array.type)
    ]
    return {"version": 0, "dataset": {"item_count": rows.num_rows}, "features": features}


def constraints(rows: pa.RecordBatch, some: Sequence[Expectation]) -> dict[str, Any]:
    """What SageMaker can say of the expectations: type, completeness, non-negative numbers, domains."""
    features = []
    for name in rows.schema.names:
        own = {one.check: one for one in some if one.column == name}
        if not own:
            continue
        kind = own[Check.TYPE].arguments["type"] if Check.TYPE in own else ""
        feature: dict[str, Any] = {"name": _name(name), "inferred_type": _TYPES.get(kind, "Unknown")}
        if Check.PRESENT in own:
            feature["completeness"] = 1.0 - own[Check.PRESENT].tolerated
        least = own[Check.RANGE].arguments.get("least") if Check.RANGE in own else None
        if kind in ("integer", "number"):
            feature["num_constraints"] = {"is_non_negative": least is not None and least >= 0}
        if Check.ALLOWED in own:
            feature["string_constraints"] = {
                "domains": [str(one) for one in own[Check.ALLOWED].arguments["values"]]
            }
        features.append(feature)
    return {"version": 0, "features": features, "monitoring_config": _CONFIG}


def violations(results: Sequence[CheckResult], columns: Sequence[str]) -> dict[str, Any]:
    """The expectations that failed; `columns` are those of the rows. Expectations that SageMaker has no check for are
    named by their own.
    """
    return {
        "violations": [
            {
                "feature_name": _name(result.expectation.column) or "rows",
                "constraint_check_type": _check_type(result.expectation, columns),
                "description": _description(result),
            }
            for result in results
            if result.failed
        ]
    }


def _check_type(one: Expectation, columns: Sequence[str]) -> str:
    if one.check is Check.PRESENT and one.column not in columns:
        return "missing_column_check"
    return _CHECKS.get(one.check, f"{one.check}_check")


def _description(one: CheckResult) -> str:
    right, needed = 1 - one.violations / one.rows, 1 - one.expectation.tolerated
    if one.expectation.check is Check.TYPE:
        return (
            f"Data type match requirement is not met. Expected data type: {_TYPES[one.expectation.arguments['type']]}, "
            f"Expected match: {needed * 100:.12g}%. Observed: Only {right * 100:.12g}% of data is "
            f"{_TYPES[one.expectation.arguments['type']]}."
        )
    if one.expectation.check is Check.PRESENT:
        return f"Value: {right:.12g} does not meet the constraint requirement: {needed:.12g}!"
    return (
        f"{one.expectation.words}: {one.violations:.0f} of {counted(one.rows, 'row')} violate it, "
        f"{one.expectation.tolerated * 100:.6g} % are tolerated"
    )


def _name(column: str) -> str:
    return column.removeprefix("features.")


def _statistics(name: str, array: pa.Array) -> dict[str, Any]:
    if pa.types.is_floating(array.type) or pa.types.is_integer(array.type):
        return _of_numbers(name, array)
    encoded = names(array)
    counted = arrays.code_counts(encoded)
    present = {
        t: int(c) for t, c in zip(encoded.dictionary.to_pylist(), counted[:-1].tolist(), strict=True) if c
    }
    most = sorted(present, key=lambda text: (-present[text], text))[:_MOST_VALUES]
    common = {"num_present": sum(present.values()), "num_missing": int(counted[-1])}
    categorical = {"buckets": [{"value": text, "count": present[text]} for text in most]}
    return {
        "name": name,
        "inferred_type": "String",
        "string_statistics": {
            "common": common, "distinct_count": float(len(present)), "distribution": {"categorical": categorical},
        },
    }  # fmt: skip


def _of_numbers(name: str, array: pa.Array) -> dict[str, Any]:
    read = numbers(array)
    finite = read.values[~read.missing & np.isfinite(read.values)]
    common = {"num_present": int(finite.size), "num_missing": len(array) - int(finite.size)}
    is_whole = bool(finite.size and np.all(finite == np.rint(finite)))
    figures: dict[str, Any] = {"common": common}
    if finite.size:
        counts, edges = np.histogram(finite, _BUCKETS)
        buckets = [
            {
                "lower_bound": float(edges[i]),
                "upper_bound": float(edges[i + 1]),
                "count": float(counts[i]),
            }
            for i in range(_BUCKETS)
        ]
        figures |= {
            "mean": float(finite.mean()), "sum": float(finite.sum()), "std_dev": float(finite.std()),
            "min": float(finite.min()), "max": float(finite.max()), "distribution": {"kll": {"buckets": buckets}},
        }  # fmt: skip
    return {
        "name": name,
        "inferred_type": "Integral" if is_whole else "Fractional",
        "numerical_statistics": figures,
    }
