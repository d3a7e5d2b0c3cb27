"""One record as it was sent, checked and put right field by field, or refused with a reason in words.

What can only mean one thing is put right: a number for a version or an id becomes its text, a text that reads as a
number becomes the number, true and false as a prediction become labels. Anything else is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from monitor.durations import format_duration
from monitor.predictions.columns import Value
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.times import micros_of
from monitor.predictions.values import (
    RecordError,
    answer,
    boolean,
    feature,
    kind_of,
    label,
    name_in,
    number,
    shown,
)
from monitor.records import Stream

ENVIRONMENTS = ("development", "staging", "production")
_DAY = 86_400


class Row(msgspec.Struct, gc=False):
    """A prediction after checking; `timestamp` in µs since the epoch, UTC."""

    timestamp: int
    id: str | None = None
    version: str | None = None
    prediction: str | float | None = None
    confidence: float | None = None
    latency_ms: float | None = None
    error: str | None = None
    automated: bool | None = None
    cost: float | None = None
    features: dict[str, Value] = {}
    segments: dict[str, str | None] = {}
    probabilities: dict[str, float | None] = {}


class OutcomeRow(msgspec.Struct, gc=False):
    """An outcome after checking; `timestamp` in µs since the epoch, UTC."""

    timestamp: int
    id: str
    truth: str | float | None = None
    reviewed: bool | None = None
    corrected: bool | None = None
    feedback: float | None = None


class Rules(msgspec.Struct, frozen=True):
    """What records are held against.

    `client` is the one the sender's key is bound to; empty for any. `clients` are all there are; None for any.
    """

    settings: PredictionSettings
    now: float
    client: str = ""
    clients: frozenset[str] | None = None

    def is_known(self, client: str) -> bool:
        """Whether this client is one that is configured, or any may be."""
        return self.clients is None or client in self.clients

    @property
    def earliest(self) -> float:
        """The oldest event time that is taken, in seconds."""
        return self.now - self.settings.retention

    @property
    def latest(self) -> float:
        """The newest event time that is taken, in seconds."""
        return self.now + self.settings.future


def read_prediction(record: object, rules: Rules) -> tuple[Stream, Row]:
    """Check one prediction.

    Raises:
        RecordError: it cannot be taken; the message says which field and why.
    """
    fields = _mapping(record)
    stream = _stream(fields, rules)
    row = Row(_timestamp(fields.get("timestamp"), rules))
    limit = rules.settings.max_label
    for name, check in _PREDICTION_FIELDS.items():
        value = fields.get(name)
        if value is not None:
            setattr(row, name, check(name, value, limit))
    if row.prediction is None and row.error is None:
        raise RecordError(
            "incomplete", "prediction is missing", hint="send prediction, or error when the model gave none"
        )
    if row.confidence is not None and not 0 <= row.confidence <= 1:
        raise RecordError(
            "invalid", f"confidence is {row.confidence}, outside 0 to 1", hint="send a probability"
        )
    if row.latency_ms is not None and row.latency_ms < 0:
        raise RecordError("invalid", f"latency_ms is {row.latency_ms}, below zero", hint="send milliseconds")
    row.features = _features(fields.get("features"), rules.settings)
    row.segments = _each("segments", fields.get("segments"), label, limit)
    row.probabilities = _each("probabilities", fields.get("probabilities"), number, limit)
    return stream, row


def read_outcome(record: object, rules: Rules) -> tuple[Stream, OutcomeRow]:
    """Check one outcome.

    Raises:
        RecordError: it cannot be taken; the message says which field and why.
    """
    fields = _mapping(record)
    stream = _stream(fields, rules)
    limit = rules.settings.max_label
    if fields.get("id") is None:
        raise RecordError("incomplete", "id is missing", hint="an outcome finds its prediction by id")
    row = OutcomeRow(_timestamp(fields.get("timestamp"), rules), label("id", fields["id"], limit))
    for name, check in _OUTCOME_FIELDS.items():
        value = fields.get(name)
        if value is not None:
            setattr(row, name, check(name, value, limit))
    if row.truth is None and row.reviewed is None and row.corrected is None and row.feedback is None:
        hint = "send at least one of truth, reviewed, corrected, feedback"
        raise RecordError("incomplete", "the outcome says nothing", hint=hint)
    return stream, row


def ignored(record: object) -> set[str]:
    """The fields of a prediction that mean nothing here."""
    return set(record) - _KNOWN if isinstance(record, dict) else set()


def _mapping(record: object) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise RecordError("invalid", f"the record is {kind_of(record)}, not an object")
    return record


def _stream(fields: Mapping[str, Any], rules: Rules) -> Stream:
    limit = rules.settings.max_label
    client = fields.get("client") or rules.client
    for name, value in (("client", client), ("model", fields.get("model"))):
        if value is None or value == "":
            raise RecordError("incomplete", f"{name} is missing", hint=f"say which {name} this is about")
    client = label("client", client, limit)
    if rules.client and client != rules.client:
        raise RecordError(
            "other_client",
            f"this key is for client {rules.client!r}, the record for {client!r}",
            hint="send each client's records with its own key",
        )
    if not rules.is_known(client):
        hint = "add it under clients: in the configuration"
        raise RecordError("unknown_client", f"client {client!r} is not configured", hint=hint)
    environment = fields.get("environment") or "production"
    if environment not in ENVIRONMENTS:
        raise RecordError(
            "invalid", f"environment is {shown(environment)}", hint=f"one of {', '.join(ENVIRONMENTS)}"
        )
    return Stream(client, label("model", fields["model"], limit), environment)


def _timestamp(value: object, rules: Rules) -> int:
    if value is None:
        return int(rules.now * 1e6)
    micros = micros_of(value)
    if micros is None:
        hint = "2026-11-23T08:00:00Z, or seconds since the epoch"
        raise RecordError("invalid", f"timestamp is {shown(value)}, not a time", hint=hint)
    seconds = micros / 1e6
    if seconds > rules.latest:
        ahead = format_duration(int(seconds - rules.now))
        raise RecordError(
            "future",
            f"timestamp is {ahead} ahead",
            hint="is the sender's clock right? Seconds since the epoch, or UTC",
        )
    if seconds < rules.earliest:
        age = int(rules.now - seconds)
        past = format_duration(age - age % _DAY if age > _DAY else age)
        kept = format_duration(rules.settings.retention)
        hint = "load history from files: watchkeeper load"
        raise RecordError("too_old", f"timestamp is {past} ago; rows are kept for {kept}", hint=hint)
    return micros


def _features(value: object, settings: PredictionSettings) -> dict[str, Value]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        hint = 'name each value: {"amount": 12.5, "country": "DE"}'
        raise RecordError(
            "invalid", f"features is {kind_of(value)}, not an object of names and values", hint=hint
        )
    if len(value) > settings.max_features:
        raise RecordError(
            "too_large",
            f"{len(value):,} features, more than {settings.max_features:,}",
            hint="send the ones worth watching, or raise predictions.max_features",
        )
    return {
        name_in("features", name, settings.max_label): feature(name, one, settings)
        for name, one in value.items()
    }


def _each(name: str, value: object, check: Callable[[str, object, int], Any], limit: int) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RecordError("invalid", f"{name} is {kind_of(value)}, not an object of names and values")
    return {
        name_in(name, key, limit): None if one is None else check(f"{name}.{key}", one, limit)
        for key, one in value.items()
    }


_PREDICTION_FIELDS: Mapping[str, Callable[[str, object, int], Any]] = {
    "id": label,
    "version": label,
    "prediction": answer,
    "confidence": number,
    "latency_ms": number,
    "error": label,
    "automated": boolean,
    "cost": number,
}
_OUTCOME_FIELDS: Mapping[str, Callable[[str, object, int], Any]] = {
    "truth": answer,
    "reviewed": boolean,
    "corrected": boolean,
    "feedback": number,
}
_KNOWN = {
    "client",
    "model",
    "environment",
    "timestamp",
    "features",
    "segments",
    "probabilities",
    *_PREDICTION_FIELDS,
}
