"""`vertex`: rows of Vertex AI's request-response logging table, exported from BigQuery as JSON objects.

`request_payload` and `response_payload` are lists of texts with JSON, one for each instance. The latency stands in the
`metadata` of the second version of the table only.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from monitor.sources.formats.captures.captured import CapturedCall, CapturedFormat, known


class VertexFormat(CapturedFormat):
    """Reads each instance of a call as a prediction."""

    kind: ClassVar[str] = "vertex"

    def read_call(self, row: Mapping[str, Any]) -> CapturedCall:
        """One call."""
        return _call(row)


def _call(row: Mapping[str, Any]) -> CapturedCall:
    about = row.get("metadata")
    if isinstance(about, str):
        about = json.loads(about)
    fields = {
        "id": row.get("request_id"),
        "timestamp": row.get("logging_time"),
        "version": row.get("deployed_model_id"),
        "latency_ms": about.get("request_latency") if isinstance(about, Mapping) else None,
    }
    if not row.get("response_payload"):
        msg = "it has no response_payload (calls of generative models are not read)"
        raise ValueError(msg)
    return CapturedCall(
        known(fields), _instances(row, "request_payload"), _instances(row, "response_payload")
    )


def _instances(row: Mapping[str, Any], name: str) -> list[object]:
    texts = row.get(name) or ()
    if isinstance(texts, str) or not isinstance(texts, list | tuple):
        msg = f"its {name} is not a list"
        raise ValueError(msg)
    try:
        return [json.loads(text) if isinstance(text, str) else text for text in texts]
    except (json.JSONDecodeError, RecursionError) as error:
        msg = f"its {name} has a text that is not JSON: {error}"
        raise ValueError(msg) from error
