"""Flattens nested JSON objects. Imports nothing heavy, because commands that read files need it at once."""

from collections.abc import Mapping
from typing import Any


def leaves(record: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested objects to dotted names, like those of Arrow structs (`arrow_types.flat`): `{"user": {"lat":
    50.1}}` becomes `{"user.lat": 50.1}`. Of two values with the same name, the first is used.
    """
    if not any(isinstance(value, dict) for value in record.values()):
        return dict(record)
    flat: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = list(record.items())[::-1]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{name}.{inner}", one) for inner, one in list(value.items())[::-1]]
        else:
            flat.setdefault(name, value)
    return flat


def as_json(value: object) -> object:
    """A value of a table that JSON does not know, as the ingest reads it: times in ISO 8601, bytes as text."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat is not None else str(value)
