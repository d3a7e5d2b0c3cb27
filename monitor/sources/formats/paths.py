"""Fills the fields of a record from JSON paths, as a mapping in the configuration names them."""

from collections.abc import Mapping
from typing import Any

from monitor.predictions.fields import GROUPS, OUTCOME_FIELDS, PREDICTION_FIELDS, STREAM_FIELDS
from monitor.predictions.intake.nested_json import leaves
from monitor.predictions.texts.call import FIELDS as CALL
from monitor.predictions.texts.call_columns import SENT
from monitor.sources.formats import json_path

FIELDS = frozenset((*STREAM_FIELDS, *PREDICTION_FIELDS, *OUTCOME_FIELDS, *CALL))
"""The fields of a record that a mapping can fill, besides the groups and `<group>.<name>`."""


class RecordPaths:
    """The paths by field of the record."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        """Parse them.

        Raises:
            ValueError: a path cannot be read, or a record has no such field.
        """
        self._paths = {name: json_path.parse(path) for name, path in fields.items()}
        for name in fields:
            _check(name)

    def record(self, message: object, row: object) -> dict[str, Any]:
        """The fields whose paths lead somewhere. `$` is the message, `@` the row."""
        record: dict[str, Any] = {}
        for name, path in self._paths.items():
            value = path.first(row if path.is_relative else message)
            group, _, inner = name.partition(".")
            if value is None:
                continue
            if inner:
                record.setdefault(group, {})[inner] = value
            elif name in GROUPS and isinstance(value, Mapping):
                record.setdefault(name, {}).update(leaves(value))
            else:
                record[name] = value
        return record


def _check(name: str) -> None:
    group, _, inner = name.partition(".")
    if name in FIELDS or name in SENT or (group in GROUPS and (inner or name in GROUPS)):
        return
    msg = (
        f"a record has no field {name!r} (use {', '.join(sorted(FIELDS))}, or {'.NAME, '.join(GROUPS)}.NAME)"
    )
    raise ValueError(msg)
