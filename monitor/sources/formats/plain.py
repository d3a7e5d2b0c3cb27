"""`watchkeeper`: records as they are sent to `/v1/predictions` and `/v1/outcomes`: one, an array, or one per line."""

from collections.abc import Mapping
from typing import Any, ClassVar

from monitor.predictions.fields import ANSWERS, OUTCOME_FIELDS, STREAM_FIELDS
from monitor.predictions.intake import bodies
from monitor.predictions.intake.outcome_scores import FIELD as SCORES
from monitor.predictions.intake.validation import RecordError
from monitor.predictions.texts.call import FIELDS as CALL
from monitor.sources.formats.format import NO_MAPPING, Contents, FieldMapping, UnreadablePart
from monitor.sources.source import Payload

_ANSWERED = (*ANSWERS, "error")
_LATER = "leave it out until it is known; in a table, `position` has to grow when the truth is written"
_OF_BOTH = (*STREAM_FIELDS, "id")


class PlainFormat:
    """Tells predictions and outcomes apart by their fields; a record that has both becomes one of each."""

    kind: ClassVar[str] = "watchkeeper"

    def __init__(self, mapping: FieldMapping = NO_MAPPING) -> None:
        """Its records need no mapping."""

    def read(self, payload: Payload) -> Contents:
        """The records of a payload.

        Raises:
            InputError: the body is not JSON.
        """
        return contents_of(bodies.records(payload.body, payload.headers.get("content-type", "")))


def contents_of(records: list[object]) -> Contents:
    """Records sorted into predictions and outcomes."""
    predictions: list[object] = []
    outcomes: list[object] = []
    unreadable: list[UnreadablePart] = []
    for record in records:
        if isinstance(record, RecordError):
            unreadable.append(UnreadablePart("", record.message, record.hint))
        elif not isinstance(record, dict):
            predictions.append(record)  # its validation says what it is
        elif unknown := _unknown(record):
            error = f"{unknown} is not known yet (null), and there is no prediction"
            unreadable.append(UnreadablePart(record, error, _LATER))
        elif not is_outcome(record):
            predictions.append(record)
        elif any(record.get(name) is not None for name in _ANSWERED):
            prediction, outcome = split(record)
            predictions.append(prediction)
            outcomes.append(outcome)
        else:
            outcomes.append(record)
    return Contents(predictions, outcomes, unreadable)


def is_outcome(record: Mapping[str, Any]) -> bool:
    """Whether a record is an outcome."""
    return _has_scores(record) or any(record.get(name) is not None for name in OUTCOME_FIELDS)


def _unknown(record: Mapping[str, Any]) -> str:
    """The field that is null where a record has nothing else to tell; empty if it does."""
    if is_outcome(record) or not CALL.isdisjoint(record):
        return ""
    if any(record.get(name) is not None for name in _ANSWERED):
        return ""
    return next((name for name in OUTCOME_FIELDS if name in record), "")


def split(record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A prediction and its outcome out of one record that holds both. The outcome became known when it arrived."""
    known_later = (*OUTCOME_FIELDS, SCORES) if _has_scores(record) else OUTCOME_FIELDS
    prediction = {name: value for name, value in record.items() if name not in known_later}
    outcome = {name: record[name] for name in (*_OF_BOTH, *known_later) if name in record}
    return prediction, outcome


def _has_scores(record: Mapping[str, Any]) -> bool:
    """Whether a record has scores of evaluators. A model may give a list of numbers the same name."""
    scores = record.get(SCORES)
    return isinstance(scores, list) and any(isinstance(score, dict) for score in scores)
