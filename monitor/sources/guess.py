"""Proposes how to read somebody else's messages: the format, or the JSON path of each field of a record.

A proposal is made of the names and values of a sample. People read and correct it: `watchkeeper sources guess` prints
it as a part of the configuration, with the record that the sample becomes.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitor.predictions.fields import GROUPS
from monitor.predictions.intake import bodies
from monitor.predictions.intake.validation import RecordError
from monitor.sources.formats import catalog, json_path
from monitor.sources.formats.format import Contents, FieldMapping
from monitor.sources.source import Payload
from monitor.text_limits import LONGEST_PATH
from monitor.times import reading

_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("prediction_id", "inference_id", "request_id", "event_id", "order_id", "transaction_id", "uuid", "uid", "id",
           "trace_id", "correlation_id", "message_id"),
    "timestamp": ("timestamp", "event_time", "scored_at", "predicted_at", "created_at", "sent_at", "time", "ts",
                  "date", "event_timestamp", "timestamp_ms", "ts_ms", "occurred_at", "created"),
    "prediction": ("prediction", "predicted_label", "predicted", "predicted_class", "decision", "label", "class",
                   "output", "result", "score", "answer", "y_pred", "y_hat", "pred"),
    "confidence": ("confidence", "probability", "proba", "prob", "certainty", "score"),
    "latency_ms": ("latency_ms", "duration_ms", "elapsed_ms", "took_ms", "response_time_ms", "latency"),
    "error": ("error", "error_type", "error_code", "exception"),
    "version": ("model_version", "version"),
    "model": ("model", "model_name"),
    "client": ("client", "tenant", "customer"),
    "truth": ("truth", "ground_truth", "actual", "actual_label", "target", "y_true"),
}  # fmt: skip
"""Names of each field, the surest first; compared in lower case, without separators."""
_ANSWERS = frozenset(("prediction", "confidence", "latency_ms", "error", "truth"))
"""Fields whose names no feature has: a value that fits none of them is left to people."""
_SHARES = ("probabilities", "probs", "scores", "confidences", "logits")
"""Names of what belongs to the answer."""
_INPUTS = ("features", "inputs", "input", "feature_vector", "attributes", "variables", "payload", "data", "x")
_KINDS = {"captureData": "sagemaker", "groundTruthData": "sagemaker", "databricks_request_id": "databricks",
          "response_payload": "vertex", "reqType": "kserve", "correlationid": "azureml",
          "assessment_name": "mlflow"}  # fmt: skip
_OURS = frozenset(("prediction", "features", "truth"))
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MOST_FEATURES = 200
_NOWHERE = ".WHERE_IS_THE_PREDICTION"
_EVENTS = {"org.kubeflow.serving.": "kserve", "io.seldon.": "seldon"}
"""Formats by the beginning of the type of a CloudEvent."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A format and its mapping, what the sample becomes with them, and the paths of values that are not used."""

    format: str
    mapping: FieldMapping
    contents: Contents
    unused: Sequence[str] = ()

    def yaml(self) -> str:
        """The part of the configuration of a source."""
        lines = [f"format: {self.format}"]
        if self.mapping.rows != "$":
            lines.append(f"rows: {_quoted(self.mapping.rows)}")
        if self.mapping.fields:
            lines.append("fields:")
            lines += [f"  {_key(name)}: {_quoted(path)}" for name, path in self.mapping.fields.items()]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Leaf:
    path: str
    name: str
    value: object


def guess(sample: bytes) -> Proposal:
    """A proposal for messages like the sample: one message, a list, or one per line.

    Raises:
        InputError: the sample is not JSON.
        ValueError: it has no JSON object.
    """
    messages = [one for one in bodies.records(sample) if isinstance(one, dict)]
    if not messages:
        unreadable = next((one for one in bodies.records(sample) if isinstance(one, RecordError)), None)
        msg = f"the sample has no JSON object{'' if unreadable is None else f': {unreadable.message}'}"
        raise ValueError(msg)
    first = next(filter(_is_answered, messages), messages[0])  # others may be heartbeats
    body = "\n".join(json.dumps(message) for message in messages).encode()
    kind = next((kind for key, kind in _KINDS.items() if key in first), "") or _kind_of_event(first)
    if not kind and first.keys() & _OURS and _is_ours(first):
        kind = "watchkeeper"
    if kind:
        return Proposal(kind, FieldMapping(), catalog.make(kind, FieldMapping()).read(_payload(body)))
    mapping, unused = _mapping(first)
    return Proposal("mapped", mapping, catalog.make("mapped", mapping).read(_payload(body)), unused)


def _kind_of_event(message: Mapping[str, object]) -> str:
    """KServe and Seldon send CloudEvents."""
    kind = str(message.get("type", "")) if "specversion" in message else ""
    return next((name for begin, name in _EVENTS.items() if kind.startswith(begin)), "")


def _is_answered(message: Mapping[str, object]) -> bool:
    fields = _mapping(message)[0].fields
    return any(name in _ANSWERS and not path.endswith(_NOWHERE) for name, path in fields.items())


def _payload(body: bytes) -> Payload:
    return Payload(body, "the sample", headers={"content-type": "application/x-ndjson"})


def _is_ours(message: Mapping[str, object]) -> bool:
    """Whether it is a record as it is sent over HTTP: the values stand at its top, and the inputs in `features`."""
    plain = all(not isinstance(value, Mapping) for key, value in message.items() if key not in GROUPS)
    return plain and (isinstance(message.get("features"), Mapping) or "truth" in message)


def _mapping(message: Mapping[str, object]) -> tuple[FieldMapping, list[str]]:
    rows = _rows(message)
    outer = [leaf for leaf in _leaves(message, "$") if rows == "$" or not _is_in(leaf.path, rows[:-3])]
    inner = [] if rows == "$" else list(_leaves(_first_row(message, rows), "@"))
    leaves = [*inner, *outer]
    fields: dict[str, str] = {}
    used: set[str] = set()
    for field in _NAMES:
        chosen = _chosen(field, [leaf for leaf in leaves if leaf.path not in used])
        if chosen is not None:
            fields[field] = chosen.path
            used.add(chosen.path)
    if "prediction" not in fields and "error" not in fields and "truth" not in fields:
        fields["prediction"] = ("@" if inner else "$") + _NOWHERE
    inputs = _inputs(message, rows, used)
    if inputs:
        fields["features"] = inputs
        used |= {leaf.path for leaf in leaves if _is_in(leaf.path, inputs)}
    else:
        for leaf in leaves:
            if leaf.path not in used and _may_be_feature(leaf) and len(fields) < MOST_FEATURES:
                fields[f"features.{leaf.name}"] = leaf.path
                used.add(leaf.path)
    return FieldMapping(rows, fields), [leaf.path for leaf in leaves if leaf.path not in used]


def _may_be_feature(leaf: _Leaf) -> bool:
    """Whether a value is a single one or a vector, and by its name and place no part of the answer."""
    places = {_plain_name(step) for step in re.split(r"[.\[\]]", leaf.path)[:-1]}
    if isinstance(leaf.value, list):
        places.add(_plain_name(leaf.name))
    return (
        (not isinstance(leaf.value, list) or _is_vector(leaf.value))
        and _plain_name(leaf.name) not in _NAMES_OF_ANSWERS
        and places.isdisjoint(_SHARES)
    )


def _is_vector(values: list[object]) -> bool:
    """Whether a list has numbers alone, as an embedding does."""
    return bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _rows(message: Mapping[str, object]) -> str:
    """The longest list of objects in the message, if an answer stands in its elements."""
    candidates: list[tuple[int, str]] = []
    waiting: list[tuple[str, object]] = [("$", message)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > LONGEST_PATH:
            continue
        if isinstance(value, Mapping):
            waiting += [(path + _step(str(key)), inner) for key, inner in value.items()]
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            candidates += [(len(value), f"{path}[*]")] * _has_answer(value[0])
    return max(candidates)[1] if candidates else "$"


def _has_answer(row: object) -> bool:
    return _chosen("prediction", list(_leaves(row, "@"))) is not None


def _first_row(message: object, rows: str) -> object:
    return json_path.parse(rows).first(message)


def _is_in(path: str, place: str) -> bool:
    return path.startswith((f"{place}.", f"{place}[")) or path == place


def _leaves(value: object, path: str, name: str = "", depth: int = 0) -> Iterator[_Leaf]:
    if len(path) > LONGEST_PATH:
        return
    if isinstance(value, Mapping) and depth < 20:
        for key, inner in value.items():
            yield from _leaves(inner, path + _step(str(key)), str(key), depth + 1)
    elif name:
        yield _Leaf(path, name, value)


def _inputs(message: Mapping[str, object], rows: str, used: Collection[str]) -> str:
    """The object that is named like inputs and has the most values. One that also holds the answer is an envelope."""
    candidates: list[tuple[int, int, str]] = []
    waiting: list[tuple[str, object]] = [("$", message)]
    if rows != "$":
        waiting.append(("@", _first_row(message, rows)))
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping) and len(path) <= LONGEST_PATH:
            for key, inner in value.items():
                place = path + _step(str(key))
                if isinstance(inner, Mapping):
                    waiting.append((place, inner))
                    is_envelope = any(_is_in(one, place) for one in used)
                    if _plain_name(str(key)) in map(_plain_name, _INPUTS) and not is_envelope:
                        candidates.append((path[0] == "@", len(inner), place))
    return max(candidates)[2] if candidates else ""


def _chosen(field: str, leaves: Sequence[_Leaf]) -> _Leaf | None:
    for name in _NAMES[field]:
        for leaf in leaves:
            is_in_seconds = name == "latency" and isinstance(leaf.value, float) and leaf.value < 1
            if _plain_name(leaf.name) == _plain_name(name) and _fits(field, leaf.value) and not is_in_seconds:
                return leaf
    return None


def _fits(field: str, value: object) -> bool:
    """Whether a value can be one of this field."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if field == "timestamp":
        return (
            isinstance(value, int | float | str)
            and not isinstance(value, bool)
            and reading.micros_of(value) is not None
        )
    if field == "confidence":
        return is_number and 0 <= float(value) <= 1  # type: ignore[arg-type]
    if field == "latency_ms":
        return is_number and float(value) >= 0  # type: ignore[arg-type]
    if field == "error":
        return isinstance(value, str) or value is None
    return isinstance(value, str | int | float | bool)


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_NAMES_OF_ANSWERS = frozenset(_plain_name(name) for field in _ANSWERS for name in _NAMES[field])


def _step(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return f".{name}"
    return "['" + name.replace("\\", "\\\\").replace("'", "\\'") + "']"


def _quoted(text: str) -> str:
    """As a value of the configuration: `$$` stands for a `$`, except for the first one, where no name follows."""
    text = text[:1] + text[1:].replace("$", "$$")
    return text if re.fullmatch(r"\$[A-Za-z0-9_.]*", text) else _scalar(text)


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", text) else _scalar(text)


def _scalar(text: str) -> str:
    """A text in double quotes; what cannot be seen is escaped."""
    characters = (
        f"\\{one}" if one in '"\\' else one if one.isprintable() else f"\\U{ord(one):08x}" for one in text
    )
    return f'"{"".join(characters)}"'
