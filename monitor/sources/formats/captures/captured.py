"""A captured call of a model server: the rows of its request, the rows of its response, and one record for each pair.

Serving platforms log whole requests and responses in the notation of their model server. This module knows the
notations that they share: MLflow's (`dataframe_records`, `dataframe_split`, `instances`, `inputs`), TensorFlow
Serving's, SageMaker's, plain lists and objects, and CSV without a header. The platform's own envelope is the concern of
its format.
"""

import csv
import io
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import msgspec

from monitor.predictions.intake import bodies
from monitor.predictions.intake.nested_json import leaves
from monitor.predictions.intake.validation import RecordError
from monitor.sources.formats.captures.csv_columns import NUMBER
from monitor.sources.formats.format import NO_MAPPING, Contents, FieldMapping, HalfCall, UnreadablePart
from monitor.sources.formats.paths import RecordPaths
from monitor.sources.source import Payload
from monitor.visible import counted

_PREDICTIONS = (
    "predicted_label",
    "prediction",
    "label",
    "predicted_class",
    "class",
    "value",
    "output",
    "score",
)
"""Keys of an answer that hold what was predicted, the surest first."""
_CONFIDENCES = ("confidence", "probability", "score")
_NUMBER = re.compile(NUMBER)
_HALF = 0.5
_ONE = 1e-3
"""How far the sum of probabilities may be from 1."""


@dataclass(frozen=True, slots=True)
class CapturedCall:
    """One request with its response. `fields` are what the platform knows of the whole call, as fields of a record.

    `inputs` and `answers` are their rows. `answers` is None where the response was not captured. `event` is what else
    the platform says of the call.
    """

    fields: Mapping[str, Any]
    inputs: Sequence[object] = field(default=())
    answers: Sequence[object] | None = None
    event: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Truth:
    """What became known of one prediction: the fields of an outcome."""

    fields: Mapping[str, Any]


class CallRecords:
    """Makes records of calls. `columns` names the values of rows without names.

    The paths of a mapping stand for what cannot be known: `$` is the call, with `input`, `output`, `fields` and
    `event`; `@` is one row, with `input` and `output`.
    """

    def __init__(self, mapping: FieldMapping) -> None:
        self._columns = mapping.columns
        self._paths = RecordPaths(mapping.fields)

    def records(self, call: CapturedCall) -> list[dict[str, Any]]:
        """One record for each row.

        Raises:
            ValueError: it has no rows, another number of answers than rows, or a row of more values than `columns`
                has names.
        """
        if call.answers is not None and len(call.answers) == 1 < len(call.inputs):
            call = replace(call, answers=_in_a_row(call.answers[0], len(call.inputs)) or call.answers)
        count = len(call.inputs) or len(call.answers or ())
        if call.answers is not None and call.inputs and len(call.answers) != len(call.inputs):
            msg = f"the request has {counted(len(call.inputs), 'row')} and the response {len(call.answers)}"
            raise ValueError(msg)
        if not count:
            msg = "it has no rows"
            raise ValueError(msg)
        message = {
            "input": list(call.inputs),
            "output": list(call.answers or ()),
            "fields": dict(call.fields),
            "event": dict(call.event),
        }
        return [self._record(call, message, index, count) for index in range(count)]

    def _record(self, call: CapturedCall, message: object, index: int, count: int) -> dict[str, Any]:
        row = call.inputs[index] if call.inputs else None
        answer = call.answers[index] if call.answers is not None else None
        record = dict(call.fields)
        if count > 1 and record.get("id"):
            record["id"] = f"{record['id']}#{index}"
        if row is not None:
            record["features"] = named(row, self._columns)
        if not record.get("error"):
            record |= answered(answer)
        return record | self._paths.record(message, {"input": row, "output": answer})


def _in_a_row(answers: object, count: int) -> Sequence[object] | None:
    """The answers of several rows that were written one beside the other (`0.3,0.4`)."""
    return answers if isinstance(answers, list) and len(answers) == count else None


class CapturedFormat(ABC):
    """A format of captured calls, one JSON object each. Subclasses read one object."""

    content_type: ClassVar[str] = ""
    """The content type of all payloads; empty: that of each payload."""

    def __init__(self, mapping: FieldMapping = NO_MAPPING) -> None:
        self._records = CallRecords(mapping)

    def read(self, payload: Payload) -> Contents:
        """The records of some calls.

        Raises:
            InputError: the payload is not JSON.
        """
        return _contents(self.rows(payload), self.read_call, self._records)

    def rows(self, payload: Payload) -> list[object]:
        """What is read of a payload, one object after the other.

        Raises:
            InputError: the payload is not JSON.
        """
        return bodies.records(payload.body, self.content_type or payload.headers.get("content-type", ""))

    def joined(self, request: HalfCall | None, response: HalfCall | None) -> Contents:
        """The records of a call whose halves arrived apart. A request without a response is an error."""
        try:
            return Contents(self._records.records(call_of(request, response)))
        except (ValueError, TypeError, RecursionError) as error:
            content = [msgspec.to_builtins(half) for half in (request, response) if half is not None]
            return Contents(
                unreadable=[UnreadablePart(content, f"the captured call cannot be read: {error}")]
            )

    @abstractmethod
    def read_call(self, row: Mapping[str, Any]) -> CapturedCall | Truth | HalfCall | None:
        """One object; None if it says nothing of a call.

        Raises:
            ValueError, TypeError: it cannot be read.
        """


def _contents(
    rows: Iterable[object],
    read: Callable[[Mapping[str, Any]], CapturedCall | Truth | HalfCall | None],
    records: CallRecords,
) -> Contents:
    """The records of captured calls, one object each; what cannot be read stops nothing else.

    `read` raises ValueError for an object that it cannot read.
    """
    predictions: list[object] = []
    outcomes: list[object] = []
    unreadable: list[UnreadablePart] = []
    halves: list[HalfCall] = []
    for line in rows:
        if isinstance(line, RecordError):
            unreadable.append(UnreadablePart("", line.message, line.hint))
        elif not isinstance(line, Mapping):
            unreadable.append(UnreadablePart(line, "a captured call is a JSON object, and this is none"))
        else:
            try:
                captured = read(line)
                if isinstance(captured, Truth):
                    outcomes.append(dict(captured.fields))
                elif isinstance(captured, HalfCall):
                    halves.append(captured)
                elif captured is not None:
                    predictions += records.records(captured)
            except (ValueError, TypeError, RecursionError) as error:
                unreadable.append(UnreadablePart(line, f"the captured call cannot be read: {error}"))
    return Contents(predictions, outcomes, unreadable, halves)


def call_of(request: HalfCall | None, response: HalfCall | None) -> CapturedCall:
    """One call from its halves. Its time is that of the request, its latency the time between them.

    A request without a response is an error; a response without a request has no features.
    """
    present = [half for half in (response, request) if half is not None]
    fields: dict[str, Any] = {}
    event: dict[str, str] = {}
    for half in present:
        fields |= half.fields
        event |= half.event
    if response is None:
        fields.setdefault("error", "no response")
    elif request is not None and request.at is not None and response.at is not None:
        taken = (response.at - request.at) * 1000
        if taken >= 0:  # otherwise two clocks disagree
            fields.setdefault("latency_ms", round(taken, 3))
    inputs = request.rows if request is not None else ()
    if fields.get("error") and not inputs:
        inputs = ({},)
    answers = None if response is None or fields.get("error") else response.rows
    return CapturedCall({"id": present[0].call, **fields}, inputs, answers, event)


def known(fields: Mapping[str, object]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def rows_of(document: object) -> list[object]:
    """The rows of a request or a response in one of the notations above."""
    if isinstance(document, Mapping):
        for key in ("dataframe_records", "instances", "predictions", "outputs", "inputs"):
            if key in document:
                return _listed(document[key])
        split = document.get("dataframe_split")
        if isinstance(split, Mapping) and isinstance(split.get("data"), list):
            columns = [str(name) for name in split.get("columns") or ()]
            return [named(row, columns) for row in split["data"]]
        return [document]
    return _listed(document)


def _listed(value: object) -> list[object]:
    """Rows: of a list, its elements, unless all are plain values; of columns by name, what stands side by side."""
    if isinstance(value, Mapping):
        columns = {name: cells for name, cells in value.items() if isinstance(cells, list)}
        if columns and len(columns) == len(value) and len({len(cells) for cells in columns.values()}) == 1:
            return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        return [value]
    return list(value) if isinstance(value, list) else [value]


def csv_rows(text: str) -> list[object]:
    """Lines of values without a header. A line with one value is that value.

    What is written as a number is one, except with leading zeros (`007`); an empty value and `nan` are missing.

    Raises:
        ValueError: a value is longer than CSV readers allow.
    """
    rows: list[object] = []
    try:
        for cells in csv.reader(io.StringIO(text.replace("\0", ""), newline="")):
            if cells:
                values = [_cell(cell.strip()) for cell in cells]
                rows.append(values[0] if len(values) == 1 else values)
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return rows


def _cell(text: str) -> object:
    if not text or text.lower() == "nan":
        return None
    return float(text) if _NUMBER.fullmatch(text) else text


def named(row: object, columns: Sequence[str]) -> dict[str, Any]:
    """The features of a row. Values without names are called `_c0`, `_c1`, ... as Spark does.

    Raises:
        ValueError: there are fewer names than values.
    """
    inner = row.get("features", row) if isinstance(row, Mapping) and len(row) == 1 else row
    if isinstance(inner, Mapping):
        return leaves(dict(inner))
    values = inner if isinstance(inner, list) else [inner]
    if columns and len(columns) != len(values):
        msg = f"a row has {counted(len(values), 'value')}, and `columns` names {len(columns)}"
        raise ValueError(msg)
    return dict(zip(columns or (f"_c{number}" for number in range(len(values))), values, strict=True))


def answered(answer: object) -> dict[str, Any]:
    """The fields of a record that an answer fills.

    Of an object, the key that is named like a prediction; of two values, a label and its probability; of values that
    sum to 1, the index of the largest; of any other value, the value itself.
    """
    if isinstance(answer, Mapping):
        return _of_object(answer)
    if isinstance(answer, list):
        numbers = _probabilities(answer)
        if numbers:
            labelled = {str(index): share for index, share in enumerate(numbers)}
            best = max(labelled, key=lambda label: labelled[label])
            return {"prediction": best, "confidence": labelled[best], "probabilities": labelled}
        if len(answer) == 1:
            return answered(answer[0])
        if len(answer) == 2 and _share(answer[1]) is not None:
            return {"prediction": answer[0], "confidence": _share(answer[1])}
    return {} if answer is None else {"prediction": answer}


def answer_keys(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of an object that say what was predicted, where one object holds a whole prediction."""
    key = next((key for key in _PREDICTIONS if row.get(key) is not None), None)
    confidence = next((c for c in _CONFIDENCES if c != key and _share(row.get(c)) is not None), None)
    return tuple(name for name in (key, confidence) if name is not None)


def _of_object(answer: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    key = next((key for key in _PREDICTIONS if answer.get(key) is not None), None)
    if key is not None:
        fields["prediction"] = answer[key]
    confidence = next((c for c in _CONFIDENCES if c != key and _share(answer.get(c)) is not None), None)
    if confidence is not None:
        fields["confidence"] = _confidence(
            key, fields.get("prediction"), confidence, _share(answer[confidence])
        )
    if isinstance(answer.get("probabilities"), Mapping):
        fields["probabilities"] = answer["probabilities"]
    return fields


def _confidence(key: str | None, label: object, name: str, share: float | None) -> float | None:
    """How sure an answer is. Beside a label of 0, a score or probability may be that of 1: it is so in the notation of
    SageMaker (`predicted_label` and `score`), and everywhere if it is below a half, or the label would be 1.
    """
    is_zero = label is False or label in ("0", "0.0") or (isinstance(label, int | float) and label == 0)
    if share is None or name == "confidence" or not is_zero:
        return share
    return 1 - share if share < _HALF or (key, name) == ("predicted_label", "score") else share


def _probabilities(values: Iterable[object]) -> list[float]:
    shares = [_share(value) for value in values]
    known = [share for share in shares if share is not None]
    return known if len(known) == len(shares) > 1 and abs(math.fsum(known) - 1) < _ONE else []


def _share(value: object) -> float | None:
    """A number from 0 to 1, also as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number <= 1 else None
