"""A caller's values to the record of docs/ingest.md."""

from __future__ import annotations

from typing import Any

from watchkeeper_client.records.values import LEFT_OUT, LONGEST_TEXT, Freezer

_IMMUTABLE = frozenset({int, float, bool})
LONGEST_ERROR = 512


def build(
    base: dict[str, Any], given: dict[str, object], features: object, freezer: Freezer
) -> dict[str, Any]:
    """The record with the fields that are given; those that cannot be sent are left out."""
    record = dict(base)
    for field, value in given.items():
        if value is None:
            continue
        kind = type(value)
        if kind in _IMMUTABLE or (kind is str and len(value) <= LONGEST_TEXT):  # type: ignore[arg-type]
            record[field] = value
        elif (frozen := freezer.value(field, value)) is not LEFT_OUT:
            record[field] = frozen
    if features is not None:
        frozen = freezer.features(features)
        if frozen:
            record["features"] = frozen
    return record


def error_name(error: object) -> str | None:
    """What kind of failure it was: the name of an exception's class."""
    if error is None:
        return None
    return str.__str__(error)[:LONGEST_ERROR] if issubclass(type(error), str) else type(error).__name__
