"""`databricks`: rows of an inference table of Databricks Model Serving or its AI Gateway, as JSON objects.

A row is one call. `request` and `response` are texts with JSON; the status and the time that the call took are known.
Older tables have `timestamp_ms` and `execution_time_ms` in place of `request_time` and `execution_duration_ms`.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from monitor.sources.formats.captures.captured import CapturedCall, CapturedFormat, known, rows_of

_IDS = ("client_request_id", "databricks_request_id")
_TIMES = ("request_time", "timestamp_ms")
_DURATIONS = ("execution_duration_ms", "execution_time_ms")
_VERSIONS = ("served_entity_version", "served_model_version", "served_entity_id")
_CUT = "MAX_RESPONSE_SIZE_EXCEEDED"


class DatabricksFormat(CapturedFormat):
    """Reads calls as predictions; a call without status 200 as an error of each of its rows."""

    kind: ClassVar[str] = "databricks"

    def read_call(self, row: Mapping[str, Any]) -> CapturedCall:
        """One call."""
        return _call(row)


def _call(row: Mapping[str, Any]) -> CapturedCall:
    fields = known(
        {
            "id": _first(row, _IDS),
            "timestamp": _first(row, _TIMES),
            "latency_ms": _first(row, _DURATIONS),
            "version": _first(row, _VERSIONS),
            "segments": _segments(row),
        }
    )
    status = row.get("status_code", 200)
    inputs = _document(row, "request")
    if str(status) != "200":
        return CapturedCall({**fields, "error": f"HTTP {status}"}, inputs or [{}])
    if _CUT in (row.get("logging_error_codes") or ()):
        msg = f"the response was too large to be logged ({_CUT})"
        raise ValueError(msg)
    return CapturedCall(fields, inputs, _document(row, "response"))


def _segments(row: Mapping[str, Any]) -> dict[str, str] | None:
    """Of which share of all calls a call is a sample. It is a label, and no weight."""
    fraction = row.get("sampling_fraction")
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        return None
    return {"sampling_fraction": f"{fraction:g}"}


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> object:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _document(row: Mapping[str, Any], name: str) -> list[object]:
    """The rows of a request or a response: JSON in a text, or already an object."""
    value = row.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except (json.JSONDecodeError, RecursionError) as error:
            msg = f"its {name} is not JSON: {error}"
            raise ValueError(msg) from error
    return [] if value is None else rows_of(value)
