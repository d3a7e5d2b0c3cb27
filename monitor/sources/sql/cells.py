"""Rows of a database as records: columns named like fields of a record are those fields, all others are features.

Most databases do not tell upper from lower case in names, and some write them in upper case.
"""

import base64
import math
from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from monitor.predictions.fields import ANSWERS, GROUPS, OUTCOME_FIELDS, PREDICTION_FIELDS, STREAM_FIELDS
from monitor.predictions.texts.call import FIELDS as CALL

_FIELDS = frozenset((*STREAM_FIELDS, *PREDICTION_FIELDS, *OUTCOME_FIELDS, *CALL))
_TOLD = frozenset((*ANSWERS, "error", *OUTCOME_FIELDS, *CALL))
"""What a row tells of a prediction or its outcome."""
_PREFIXES = tuple(f"{group}." for group in (*GROUPS, "texts", "usage"))


def record_of(row: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """A row as a record. `hidden` columns are not features."""
    record: dict[str, Any] = {}
    features: dict[str, Any] = {}
    for name, cell in row.items():
        value = plain(cell)
        if value is None:
            continue
        if (field := _field(name, row)) in _FIELDS or field in GROUPS:
            record[field] = value
        elif name.startswith(_PREFIXES):
            group, _, inner = name.partition(".")
            _group(record, group)[inner] = value
        elif name not in hidden:
            features[name] = value
    if features:
        record["features"] = {**features, **_group(record, "features")}
    if record.keys().isdisjoint(_TOLD):  # the format says that the truth is not known yet
        record |= {field: None for name in row if (field := _field(name, row)) in OUTCOME_FIELDS}
    return record


def _field(name: str, row: Mapping[str, Any]) -> str:
    """The field of a column, unless another column has exactly this name."""
    lower = name.lower()
    return lower if lower not in row else name


def _group(record: dict[str, Any], group: str) -> dict[str, Any]:
    members = record.setdefault(group, {})
    return members if isinstance(members, dict) else {}


def plain(cell: object) -> Any:
    """A value as JSON has it."""
    match cell:
        case None | bool() | int() | str():
            return cell
        case float():
            return cell
        case Decimal():
            return _number(cell)
        case datetime() | date() | time():
            return cell.isoformat()
        case timedelta():
            return cell.total_seconds()
        case UUID():
            return str(cell)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(cell)).decode()
        case Mapping():
            return {str(name): plain(value) for name, value in cell.items()}
        case list() | tuple():
            return [plain(value) for value in cell]
    return str(cell)


def _number(value: Decimal) -> int | float:
    """A whole number where the column has no decimals: an id of twenty digits is no float."""
    if not value.is_finite():
        return math.nan
    exponent = value.as_tuple().exponent
    return int(value) if isinstance(exponent, int) and exponent == 0 else float(value)
