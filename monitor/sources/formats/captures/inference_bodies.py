"""The bodies of requests and responses of model servers: KServe's versions 1 and 2 (with binary tensors), and CSV."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.sources.formats.captures.captured import csv_rows, known, rows_of
from monitor.sources.formats.captures.tensors import are_tensors, rows_of_tensors
from monitor.sources.formats.format import Side

_TENSORS = {Side.REQUEST: "inputs", Side.RESPONSE: "outputs"}
_PREDICTION_NAMES = ("predict", "predictions", "output_label", "predicted_labels", "classes")
_PROBABILITY_NAMES = ("predict_proba", "output_probability", "probability", "probabilities")


@dataclass(frozen=True, slots=True)
class Body:
    """The rows of a body, and what it says of the whole call, as fields of a record."""

    rows: Sequence[object]
    fields: Mapping[str, Any] = field(default_factory=dict)


def read_body(data: object, content_type: str, side: Side, behind: bytes = b"") -> Body:
    """A body: bytes, or JSON that is decoded already, with the bytes `behind` it.

    Raises:
        ValueError: it can be read in none of the notations.
    """
    if isinstance(data, bytes | str) and "csv" in content_type.lower():
        return Body(csv_rows(data if isinstance(data, str) else data.decode(errors="replace")))
    if isinstance(data, bytes):
        data, behind = read_document(data)
    if isinstance(data, Mapping) and are_tensors(tensors := data.get(_TENSORS[side])):
        rows = rows_of_tensors(tensors, behind)
        about = known({"version": data.get("model_version")})
        return Body([_answer(row) for row in rows] if side is Side.RESPONSE else rows, about)
    if side is Side.RESPONSE and isinstance(data, Mapping) and isinstance(error := data.get("error"), str):
        return Body((), {"error": error[:200] or "error"})
    return Body(rows_of(data))


def read_document(body: object) -> tuple[object, bytes]:
    """JSON, and the bytes behind it: KServe does not pass on the header that says where the JSON ends.

    Raises:
        ValueError: the body is bytes, and does not begin with JSON.
    """
    if not isinstance(body, bytes):
        return body, b""
    text = body.decode("latin-1")  # one character for each byte
    try:
        _, end = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))
        return json.loads(body[:end].decode()), body[end:]
    except (ValueError, RecursionError) as error:
        raise ValueError("its body is not JSON (tensors without JSON cannot be read)") from error


def _answer(row: object) -> object:
    """An answer of several tensors under the names that a prediction has elsewhere."""
    if not isinstance(row, Mapping):
        return row
    answer = dict(row)
    for name in _PREDICTION_NAMES:
        if name in answer:
            answer.setdefault("prediction", answer.pop(name))
    for name in _PROBABILITY_NAMES:
        shares = {key.removeprefix(f"{name}."): answer[key] for key in row if key.startswith(f"{name}.")}
        if shares:
            answer["probabilities"] = shares
    if len(answer) == 1 and not isinstance(only := next(iter(answer.values())), Mapping):
        return only
    return answer
