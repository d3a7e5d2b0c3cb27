"""Validates and normalizes one record, field by field, or rejects it with a reason.

Unambiguous values are converted: a number as version or id becomes its text, a text that represents a number becomes
the number, booleans as predictions become labels. Everything else is rejected.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from monitor.config.units import DAY, format_duration
from monitor.predictions.fields import (
    ANSWERS,
    OUTCOME,
    OUTCOME_FIELDS,
    PREDICTION,
    PREDICTION_NAMES,
    FieldType,
    OutcomeRow,
    Row,
)
from monitor.predictions.intake import item_fields
from monitor.predictions.intake.nested_json import leaves
from monitor.predictions.intake.outcome_scores import FIELD, read_scores
from monitor.predictions.intake.validation import (
    RecordError,
    answer,
    boolean,
    feature,
    kind_of,
    known_name,
    known_number,
    label,
    milliseconds,
    name_in,
    number,
    probability,
    shown,
    version,
)
from monitor.predictions.log.columns import Value
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.call import FIELDS as FIELDS_OF_CALLS
from monitor.predictions.texts.call import read_call
from monitor.records import DAEMON, Stream
from monitor.store.scores import Score
from monitor.times import reading
from monitor.times.columns import iso_of
from monitor.times.reading import DateOrder, NoTimeError

_OUTCOME_HINT = f"send at least one of {', '.join(OUTCOME_FIELDS)}"
ENVIRONMENTS = ("development", "staging", "production")


class Rules(msgspec.Struct, frozen=True):
    """The rules that records must meet.

    `client` is the client that the sender's key is bound to, `models` are its models; empty for any. `clients` are all
    configured clients; None for any. Records of history (`is_history`) may be of any age, and each needs a time.
    `dates` is the order of day and month in their times. Records without a time have that of `now`; one that waited at
    a relay arrived at `now` and is checked at `checked_at`, which is later.
    """

    settings: PredictionSettings
    now: float
    client: str = ""
    clients: frozenset[str] | None = None
    is_history: bool = False
    dates: DateOrder | None = None
    models: tuple[str, ...] = ()
    checked_at: float = 0.0

    def is_known(self, client: str) -> bool:
        """Whether the client is configured, or any client is accepted."""
        return self.clients is None or client in self.clients

    @property
    def earliest(self) -> float:
        """The oldest accepted time in seconds. History starts after 1970-01-01T00:00:00Z."""
        return 1e-6 if self.is_history else self.now - self.settings.retention

    @property
    def latest(self) -> float:
        """The newest accepted time in seconds."""
        return self.clock + self.settings.future

    @property
    def clock(self) -> float:
        """The time of the daemon when it got them."""
        return max(self.now, self.checked_at)


def read_prediction(record: object, rules: Rules) -> tuple[Stream, Row]:
    """Validate one prediction.

    Raises:
        RecordError: it is invalid; the message names the field and the reason.
    """
    fields = _mapping(record)
    stream = _stream(fields, rules)
    row = Row(_timestamp(fields.get("timestamp"), rules))
    limit = rules.settings.max_label
    for name, field, check in _PREDICTION_CHECKS:
        value = fields.get(name)
        if value is not None and not (field.nan_is_missing and _is_nan(value)):
            setattr(row, name, check(name, value, limit))
    call = None if FIELDS_OF_CALLS.isdisjoint(fields) else read_call(fields, rules.settings)
    if call is not None and row.prediction is None and row.error is None:
        row.prediction = call.answer
    if row.error is None and all(getattr(row, name) is None for name in ANSWERS):
        raise RecordError(
            "incomplete", "prediction is missing", hint="send prediction, or error when the model gave none"
        )
    row.features = _features(fields.get("features"), rules.settings)
    row.segments = _each("segments", fields.get("segments"), label, rules.settings)
    row.probabilities = _each("probabilities", fields.get("probabilities"), number, rules.settings)
    row.attributions = _each("attributions", fields.get("attributions"), number, rules.settings)
    if call is not None:
        row.call, row.features = call, {**call.figures, **row.features}
    return stream, row


def read_outcome(record: object, rules: Rules) -> tuple[Stream, OutcomeRow]:
    """Validate one outcome.

    Raises:
        RecordError: it is invalid; the message names the field and the reason.
    """
    stream, row, _ = _read_outcome(record, rules)
    if not _has_value(row):
        raise RecordError("incomplete", "the outcome has no value", hint=_OUTCOME_HINT)
    return stream, row


def read_scored_outcome(record: object, rules: Rules) -> tuple[Stream, OutcomeRow | None, list[Score]]:
    """Validate one outcome that may have scores of evaluators. Without any other value, it has no row.

    Raises:
        RecordError: it is invalid; the message names the field and the reason.
    """
    stream, row, fields = _read_outcome(record, rules)
    scores = read_scores(fields.get(FIELD), stream, row.id)
    if not _has_value(row) and not scores:
        raise RecordError("incomplete", "the outcome has no value", hint=f"{_OUTCOME_HINT}, {FIELD}")
    return stream, row if _has_value(row) else None, scores


def _read_outcome(record: object, rules: Rules) -> tuple[Stream, OutcomeRow, Mapping[str, Any]]:
    """The stream, the row, which may have no value, and the fields as they were sent."""
    fields = _mapping(record)
    stream = _stream(fields, rules)
    limit = rules.settings.max_label
    if fields.get("id") is None or _is_nan(fields["id"]):
        raise RecordError("incomplete", "id is missing", hint="send the id of the prediction")
    time = fields.get("timestamp")
    has_no_time = rules.is_history and time is None  # the time of the outcome is unknown
    row = OutcomeRow(0 if has_no_time else _timestamp(time, rules), label("id", fields["id"], limit))
    for name, field, check in _OUTCOME_CHECKS:
        value = fields.get(name)
        if value is not None and not (field.nan_is_missing and _is_nan(value)):
            setattr(row, name, check(name, value, limit))
    return stream, row, fields


def _has_value(row: OutcomeRow) -> bool:
    return any(getattr(row, name) is not None for name in OUTCOME_FIELDS)


def is_identifiable(record: object) -> bool:
    """Whether a record has an id or a time. Equal records without both may be two predictions, not a resend."""
    return isinstance(record, dict) and (record.get("id") is not None or record.get("timestamp") is not None)


def ignored(record: object, known: frozenset[str] = PREDICTION_NAMES) -> set[str]:
    """The fields that have no meaning: for a prediction, or for a record of which others are `known`."""
    return record.keys() - known if isinstance(record, dict) else set()


def _mapping(record: object) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise RecordError("invalid", f"the record is {kind_of(record)}, not an object")
    return record


def _stream(fields: Mapping[str, Any], rules: Rules) -> Stream:
    client = fields.get("client") or rules.client
    for name, value in (("client", client), ("model", fields.get("model"))):
        if value is None or value == "" or _is_nan(value):
            raise RecordError("incomplete", f"{name} is missing", hint=f"add the field {name} to the record")
    client = known_name("client", client)
    if rules.client and client != rules.client:
        raise RecordError(
            "other_client",
            f"this key is for client {rules.client!r}, the record for {client!r}",
            hint="send each client's records with its own key",
        )
    if client == DAEMON.client:
        hint = "use another name for your client"
        raise RecordError("invalid", f"client {client!r} is the daemon itself", hint=hint)
    if not rules.is_known(client):
        hint = "add it under clients: in the configuration"
        raise RecordError("unknown_client", f"client {client!r} is not configured", hint=hint)
    environment = fields.get("environment") or "production"
    if environment not in ENVIRONMENTS:
        raise RecordError(
            "invalid", f"environment is {shown(environment)}", hint=f"one of {', '.join(ENVIRONMENTS)}"
        )
    model = known_name("model", fields["model"])
    if rules.models and model not in rules.models:
        hint = "use a key for this model"
        raise RecordError("other_client", f"this key is not for the model {shown(model)}", hint=hint)
    return Stream(client, model, environment)


def _is_nan(value: object) -> bool:
    """Whether the value is NaN, which tables use for missing values."""
    return isinstance(value, float) and value != value


def _timestamp(value: object, rules: Rules) -> int:
    if value is None:
        if rules.is_history:
            hint = "add the time of each row; past records must not count as current"
            raise RecordError("incomplete", "timestamp is missing", hint=hint)
        return int(rules.now * 1e6)
    try:
        micros = reading.read(value, rules.dates).micros
    except NoTimeError as error:
        reason = f": {error}" if str(error) else ""
        message = f"timestamp is {shown(value)}, not a time{reason}"
        raise RecordError("invalid", message, hint=reading.HINT) from error
    seconds = micros / 1e6
    if seconds > rules.latest:
        ahead = format_duration(int(seconds - rules.clock))
        raise RecordError(
            "future",
            f"timestamp is {ahead} ahead",
            hint="check the sender's clock; send seconds since the epoch, or UTC",
        )
    if rules.is_history and seconds < rules.earliest:
        hint = "many programs write 0 for a missing time"
        raise RecordError("invalid", f"timestamp is {iso_of(micros)}", hint=hint)
    if seconds < rules.earliest:
        age = int(rules.now - seconds)
        past = format_duration(age - age % DAY if age > DAY else age)
        retention = format_duration(rules.settings.retention)
        hint = "load history from files: watchkeeper load"
        raise RecordError("too_old", f"timestamp is {past} ago; rows are kept for {retention}", hint=hint)
    return micros


def _features(value: object, settings: PredictionSettings) -> dict[str, Value]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        hint = 'name each value: {"amount": 12.5, "country": "DE"}'
        raise RecordError(
            "invalid", f"features is {kind_of(value)}, not an object of names and values", hint=hint
        )
    value = leaves(value)
    if len(value) > settings.max_features:
        raise RecordError(
            "too_large",
            f"{len(value):,} features, more than {settings.max_features:,}",
            hint="send fewer features, or raise predictions.max_features",
        )
    return {
        name_in("features", name, settings.max_label): feature(name, element, settings)
        for name, element in value.items()
    }


def _each(
    name: str, value: object, check: Callable[[str, object, int], Any], settings: PredictionSettings
) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RecordError("invalid", f"{name} is {kind_of(value)}, not an object of names and values")
    if len(value) > settings.max_features:
        raise RecordError("too_large", f"{len(value):,} {name}, more than {settings.max_features:,}")
    limit = settings.max_label
    return {
        name_in(name, key, limit): None if element is None else check(f"{name}.{key}", element, limit)
        for key, element in value.items()
    }


_CHECKS: Mapping[FieldType, Callable[[str, object, int], Any]] = {
    FieldType.ID: label,
    FieldType.VERSION: version,
    FieldType.LABEL: label,
    FieldType.ANSWER: answer,
    FieldType.PROBABILITY: probability,
    FieldType.MILLISECONDS: milliseconds,
    FieldType.NUMBER: known_number,
    FieldType.BOOLEAN: boolean,
    **item_fields.CHECKS,
}
_PREDICTION_CHECKS = [(name, field, _CHECKS[field.type]) for name, field in PREDICTION.items()]
_OUTCOME_CHECKS = [(name, field, _CHECKS[field.type]) for name, field in OUTCOME.items()]
