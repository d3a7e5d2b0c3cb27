"""`sagemaker`: lines of SageMaker's Data Capture, and of the ground truth that is merged with it.

One line holds one call of an endpoint. Its bodies are texts whose encoding says how to read them: CSV without a header,
JSON inside a JSON text, or Base64. SageMaker chooses Base64 for every content type that the endpoint's configuration
does not list, also for JSON that was served as `text/html`. A capture has no latency, no status and no error.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa

from monitor.sources.formats.captures import sagemaker_columns
from monitor.sources.formats.captures.captured import (
    CapturedCall,
    CapturedFormat,
    Truth,
    csv_rows,
    known,
    rows_of,
)
from monitor.sources.formats.format import NO_MAPPING, ColumnarFormat, FieldMapping
from monitor.sources.source import Payload
from monitor.visible import counted

_LINES = "application/x-ndjson"
_NO_RESPONSE = "its response was not captured (set CaptureOptions of the endpoint to Input and Output)"


class SageMakerFormat(CapturedFormat, ColumnarFormat):
    """Reads captures as predictions and ground truth as outcomes.

    The id is the caller's inference id, or else the event's id; of several rows in one call, with the row's number.
    """

    kind: ClassVar[str] = "sagemaker"
    content_type: ClassVar[str] = _LINES

    def __init__(self, mapping: FieldMapping = NO_MAPPING) -> None:
        super().__init__(mapping)
        self._mapping = mapping

    def columns(self, payload: Payload) -> pa.RecordBatch | None:
        """Many calls in CSV at once."""
        return (
            None if self._mapping.fields else sagemaker_columns.columns(payload.body, self._mapping.columns)
        )

    def read_call(self, row: Mapping[str, Any]) -> CapturedCall | Truth:
        """One line: a call, or its ground truth."""
        return _truth(row) if "groundTruthData" in row else _call(row)


def _call(line: Mapping[str, Any]) -> CapturedCall:
    capture, about = line.get("captureData"), line.get("eventMetadata")
    if not isinstance(capture, Mapping) or not isinstance(about, Mapping):
        msg = "it has no captureData and eventMetadata"
        raise ValueError(msg)
    request, response = capture.get("endpointInput"), capture.get("endpointOutput")
    if not isinstance(response, Mapping):
        raise ValueError(_NO_RESPONSE)
    fields = {"id": _id(about), "timestamp": about.get("inferenceTime")}
    return CapturedCall(
        known(fields), _rows(request) if isinstance(request, Mapping) else (), _rows(response)
    )


def _truth(line: Mapping[str, Any]) -> Truth:
    data, about = line["groundTruthData"], line.get("eventMetadata")
    if not isinstance(data, Mapping) or not isinstance(about, Mapping):
        msg = "it has no groundTruthData and eventMetadata"
        raise ValueError(msg)
    rows = _rows(data)
    if len(rows) != 1:
        msg = f"its ground truth has {counted(len(rows), 'row')}, not one"
        raise ValueError(msg)
    return Truth({"id": _id(about), "truth": rows[0]})


def _id(about: Mapping[str, Any]) -> object:
    return about.get("inferenceId") or about.get("eventId")


def _rows(side: Mapping[str, Any]) -> list[object]:
    """The rows of a request, a response or a ground truth, whatever its encoding."""
    data, encoding = side.get("data"), str(side.get("encoding") or "").upper()
    if not isinstance(data, str):
        return rows_of(data)
    content_type = str(side.get("observedContentType") or "").lower()
    if encoding == "BASE64":
        try:
            data = base64.b64decode(data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            msg = f"its Base64 data is not text ({content_type or 'no content type'})"
            raise ValueError(msg) from error
        encoding = "CSV" if "csv" in content_type else "JSON"
    if encoding == "CSV" and data.lstrip()[:1] not in ("[", "{"):
        return csv_rows(data)
    try:
        return _json_rows(data)
    except ValueError:
        if (
            encoding == "CSV"
        ):  # it only looked like JSON, which containers send as CSV when nobody asked for a type
            return csv_rows(data)
        raise


def _json_rows(text: str) -> list[object]:
    try:
        return rows_of(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            msg = f"its data is not JSON: {error}"
            raise ValueError(msg) from error
    return [row for line in lines for row in rows_of(json.loads(line))]
