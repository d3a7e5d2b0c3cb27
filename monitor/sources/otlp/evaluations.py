"""Results of evaluations (`gen_ai.evaluation.result`) arrive as log records, and become scores of predictions."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.predictions.intake.outcome_scores import evaluator_of
from monitor.predictions.intake.schema import ENVIRONMENTS, Rules
from monitor.records import Stream
from monitor.sources.otlp import genai
from monitor.sources.otlp.span import LogRecord, RefusedItem, Span
from monitor.store.scores import PREDICTION, Score
from monitor.text_limits import NAME, flaw_of_name, shortened
from monitor.visible import visible

_EVENT = "gen_ai.evaluation.result"
_NAME, _VALUE, _LABEL = (
    "gen_ai.evaluation.name",
    "gen_ai.evaluation.score.value",
    "gen_ai.evaluation.score.label",
)
_EVALUATOR, _VERSION = "watchkeeper.evaluator", "watchkeeper.evaluator.version"
_UNKNOWN = "unknown"
_PRODUCTION = "production"
_NO_STREAM = "a log record names no client and model (watchkeeper.client, service.name)"


@dataclass
class Evaluations:
    """The scores of a request, the number of log records that are not accepted, and the first reason."""

    scores: list[Score] = field(default_factory=list)
    refused: int = 0
    reason: str = ""


def evaluations_of(records: Iterable[LogRecord | RefusedItem], rules: Rules, client: str) -> Evaluations:
    """The results of evaluations among log records. `client` is used where a record names none.

    Other log records are accepted and not stored: an application sends its whole log to one address.
    """
    evaluations = Evaluations()
    for record in records:
        try:
            if isinstance(record, RefusedItem):
                raise ValueError(record.reason)
            if record.event == _EVENT:
                evaluations.scores.append(_score(record, rules, client))
        except ValueError as error:
            evaluations.refused += 1
            evaluations.reason = evaluations.reason or str(error)
    return evaluations


def _score(record: LogRecord, rules: Rules, client: str) -> Score:
    """Raises ValueError for a result that says too little."""
    attributes = record.attributes
    name, label = _text(attributes.get(_NAME), NAME), _text(attributes.get(_LABEL), NAME)
    value = attributes.get(_VALUE)
    value = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if not name:
        raise ValueError(f"a result of an evaluation has no {_NAME}")
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{_VALUE} is not a finite number")
    if value is None and not label:
        raise ValueError(f"a result of an evaluation has neither {_VALUE} nor {_LABEL}")
    span = Span(record.trace, record.span, b"", "", 0, 0, attributes, record.resource)
    prediction = genai.response_id(span) or record.span.hex()
    if not prediction or len(prediction) > PREDICTION or not prediction.isprintable():
        raise ValueError("a result of an evaluation names no call: neither gen_ai.response.id nor a span")
    return Score(stream_of(span, rules, client), name, _evaluator(record), prediction, value, label or None)


def stream_of(span: Span, rules: Rules, client: str) -> Stream:
    """The stream that a log record is about. `client` is used where it names none.

    Raises:
        ValueError: it names none, or one that its sender may not write.
    """
    named, model, environment = genai.stream_of(span, client)
    stream = Stream(rules.client or named, model, environment or _PRODUCTION)
    for part in (stream.client, stream.model):
        if not part or flaw_of_name(part):
            raise ValueError(_NO_STREAM)
    if rules.client and named not in ("", rules.client):
        raise ValueError("this key belongs to another client")
    if rules.models and stream.model not in rules.models:
        raise ValueError("this key is bound to other models")
    if not rules.is_known(stream.client) or stream.environment not in ENVIRONMENTS:
        raise ValueError(f"client {stream.client!r} or environment {stream.environment!r} is not known")
    return stream


def _evaluator(record: LogRecord) -> str:
    """Who judged, with the version: results of different versions never mix."""
    name = _text(record.attributes.get(_EVALUATOR), NAME) or _text(record.scope, NAME) or _UNKNOWN
    version = _text(record.attributes.get(_VERSION), NAME - 1) or _text(record.scope_version, NAME - 1)
    return evaluator_of(name, version)


def _text(value: object, most: int) -> str:
    return shortened(visible(value.strip()), most) if isinstance(value, str) else ""
