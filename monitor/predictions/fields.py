"""The fields of a record, declared once.

To add a field, add one line to `Row` or `OutcomeRow`: its name, its Python type and its `Field`. The checks of single
records, the decoders for JSON, the Arrow columns of requests and of the log, and the columns of files follow from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, get_type_hints

import msgspec

from monitor.predictions.log.columns import Value
from monitor.predictions.texts import call as calls


class FieldType(Enum):
    """The type of a field. Each step of the intake has one rule per type."""

    ID = auto()
    """A text that identifies a prediction. It differs in every row, so it is not stored as categories."""
    VERSION = auto()
    """A label that is also limited in bytes, because it is part of a key in the store."""
    LABEL = auto()
    ANSWER = auto()
    """A label or a number: a prediction, or the truth."""
    PROBABILITY = auto()
    """A number from 0 to 1."""
    MILLISECONDS = auto()
    """A number of at least 0; Arrow durations are converted."""
    NUMBER = auto()
    BOOLEAN = auto()
    ITEMS = auto()
    """A list of items in order, stored as a JSON list."""
    LABEL_SET = auto()
    """A set of labels, stored as a sorted JSON list."""
    OUTPUTS = auto()
    """A number of each output, stored as a JSON object."""
    GRADES = auto()
    """A grade of each item, stored as a JSON object. Those of several outcomes are united."""


@dataclass(frozen=True, slots=True)
class Field:
    """The type of a field. NaN means "not known yet" where `nan_is_missing`, as in tables; elsewhere it is an error."""

    type: FieldType
    nan_is_missing: bool = True


class Row(msgspec.Struct, gc=False):
    """A prediction after checking; `timestamp` in µs since the epoch, UTC."""

    timestamp: int
    id: Annotated[str | None, Field(FieldType.ID)] = None
    version: Annotated[str | None, Field(FieldType.VERSION)] = None
    prediction: Annotated[str | float | None, Field(FieldType.ANSWER, nan_is_missing=False)] = None
    confidence: Annotated[float | None, Field(FieldType.PROBABILITY, nan_is_missing=False)] = None
    latency_ms: Annotated[float | None, Field(FieldType.MILLISECONDS, nan_is_missing=False)] = None
    error: Annotated[str | None, Field(FieldType.LABEL)] = None
    automated: Annotated[bool | None, Field(FieldType.BOOLEAN)] = None
    cost: Annotated[float | None, Field(FieldType.NUMBER)] = None
    ranking: Annotated[str | None, Field(FieldType.ITEMS)] = None
    predicted_labels: Annotated[str | None, Field(FieldType.LABEL_SET)] = None
    outputs: Annotated[str | None, Field(FieldType.OUTPUTS)] = None
    features: dict[str, Value] = {}
    segments: dict[str, str | None] = {}
    probabilities: dict[str, float | None] = {}
    attributions: dict[str, float | None] = {}
    call: calls.Call | None = None


class OutcomeRow(msgspec.Struct, gc=False):
    """An outcome after checking; `timestamp` in µs since the epoch, UTC. `id` is that of the prediction."""

    timestamp: int
    id: str
    truth: Annotated[str | float | None, Field(FieldType.ANSWER)] = None
    reviewed: Annotated[bool | None, Field(FieldType.BOOLEAN)] = None
    corrected: Annotated[bool | None, Field(FieldType.BOOLEAN)] = None
    feedback: Annotated[float | None, Field(FieldType.NUMBER)] = None
    relevant: Annotated[str | None, Field(FieldType.GRADES)] = None
    true_labels: Annotated[str | None, Field(FieldType.LABEL_SET)] = None
    true_outputs: Annotated[str | None, Field(FieldType.OUTPUTS)] = None


def _declared(row: type[msgspec.Struct]) -> Mapping[str, Field]:
    """The fields of a struct by name, in their order."""
    return {
        name: argument
        for name, hint in get_type_hints(row, include_extras=True).items()
        for argument in getattr(hint, "__metadata__", ())
        if isinstance(argument, Field)
    }


PREDICTION = _declared(Row)
"""The fields of a prediction by name, without its time, stream and groups."""
OUTCOME = _declared(OutcomeRow)
"""The fields of an outcome by name, without its id, time and stream."""
ALL: Mapping[str, Field] = {**PREDICTION, **OUTCOME}
STREAM_FIELDS = ("client", "model", "environment")
ANSWERS = ("prediction", "ranking", "predicted_labels", "outputs")
"""One of these is what the model answered."""
GROUPS = ("features", "segments", "probabilities", "attributions")
"""Fields that hold names and values; in columns, `<group>.<name>`."""
PREDICTION_FIELDS = ("timestamp", *PREDICTION)
OUTCOME_FIELDS = tuple(OUTCOME)
PREDICTION_NAMES = frozenset((*STREAM_FIELDS, *PREDICTION_FIELDS, *GROUPS, *calls.FIELDS))
OUTCOME_NAMES = frozenset((*STREAM_FIELDS, "id", "timestamp", *OUTCOME_FIELDS))
"""What a record may have; other fields are ignored."""


def of_type(*types: FieldType) -> tuple[str, ...]:
    """The names of all fields of these types."""
    return tuple(name for name, field in ALL.items() if field.type in types)


UNITED = of_type(FieldType.GRADES)
"""Fields of outcomes whose later values add to the earlier ones. Of all others, the first value counts."""
