"""The scores that evaluators gave to a prediction, as its outcome holds them. One invalid score refuses the outcome."""

from collections.abc import Mapping
from typing import Any

from monitor.predictions.intake.validation import RecordError, kind_of, label, number, shown
from monitor.records import Stream
from monitor.store.scores import EVALUATOR, PREDICTION, Score
from monitor.text_limits import NAME, shortened
from monitor.visible import visible

FIELD = "scores"
MOST = 100
"""Scores of one outcome."""
LARGEST = 1e100
"""A larger number has no square, which a mean's interval needs."""
_FIELDS = ("name", "value", "label", "evaluator", "version")


def read_scores(value: object, stream: Stream, prediction: str) -> list[Score]:
    """The scores of one outcome; an empty list if it has none. `prediction` is the id of the prediction.

    Raises:
        RecordError: one of them is invalid; the message names it, such as `scores[2].value`.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        hint = 'send a list: [{"name": "groundedness", "value": 0.8, "evaluator": "judge"}]'
        raise RecordError("invalid", f"{FIELD} is {kind_of(value)}, not a list", hint=hint)
    if len(value) > MOST:
        raise RecordError(
            "too_large", f"{len(value):,} {FIELD}, more than {MOST}", hint="send several outcomes"
        )
    if value and len(prediction) > PREDICTION:
        reason = f"id has {len(prediction):,} characters, more than {PREDICTION} in an outcome with {FIELD}"
        raise RecordError("too_large", reason)
    return [_score(f"{FIELD}[{place}]", one, stream, prediction) for place, one in enumerate(value)]


def evaluator_of(name: str, version: str) -> str:
    """Who judged, with the version: results of different versions never mix."""
    return shortened(f"{name}@{version}" if version else name, EVALUATOR)


def _score(where: str, fields: object, stream: Stream, prediction: str) -> Score:
    if not isinstance(fields, dict):
        raise RecordError("invalid", f"{where} is {kind_of(fields)}, not an object")
    if unknown := [name for name in fields if name not in _FIELDS]:
        hint = f"a score has the fields {', '.join(_FIELDS)}"
        raise RecordError("invalid", f"{where} has the unknown field {shown(min(unknown))}", hint=hint)
    name, evaluator = (_text(where, key, fields, NAME) for key in ("name", "evaluator"))
    version, words = _text(where, "version", fields, NAME - 1), _text(where, "label", fields, NAME)
    for key, text in (("name", name), ("evaluator", evaluator)):
        if not text:
            raise RecordError("incomplete", f"{where}.{key} is missing")
    result = None if fields.get("value") is None else number(f"{where}.value", fields["value"])
    if result is None and not words:
        raise RecordError("incomplete", f"{where} has neither value nor label")
    if result is not None and abs(result) > LARGEST:
        raise RecordError("invalid", f"{where}.value is {result}, too large for a mean")
    return Score(stream, name, evaluator_of(evaluator, version), prediction, result, words or None)


def _text(where: str, key: str, fields: Mapping[str, Any], most: int) -> str:
    """A text as it is shown; empty if it is missing."""
    value = fields.get(key)
    return "" if value is None else shortened(visible(label(f"{where}.{key}", value, most).strip()), most)
