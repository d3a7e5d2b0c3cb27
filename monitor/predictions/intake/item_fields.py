"""Validates lists of items and grades by item, one value at a time or as a column, and writes them as the log does."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.fields import FieldType, of_type
from monitor.predictions.intake.validation import RecordError, kind_of, label, number, shown
from monitor.predictions.log.item_lists import grades_text, items_of, labels_text, list_text, outputs_text
from monitor.text_limits import LABEL

MOST_ITEMS = 1_000
"""Items of one list."""
LARGEST_GRADE = 1e6
MOST_OUTPUTS = 100
"""Outputs of one record."""
_LABELS_HINT = 'send a list of labels: ["urgent", "billing"]'
_OUTPUTS_HINT = 'send a number of each output: {"width": 1.2, "height": 3.4}'
_LIST_HINT = 'send a list of ids in order: ["sku-17", "sku-4"]; a feature of this name is features.ranking'
_GRADES_HINT = (
    'send the chosen items, ["sku-17"], or grades, {"sku-17": 3}; a feature of this name is features.relevant'
)


def items(name: str, value: object, limit: int = LABEL) -> str:
    """A list of items in order, as stored. A text must be such a list in JSON, as tables have it.

    Raises:
        RecordError: it is none.
    """
    given = _decoded(value)
    if not isinstance(given, list):
        raise RecordError("invalid", f"{name} is {shown(value)}, not a list of items", hint=_LIST_HINT)
    _check_size(name, len(given))
    return list_text([_item(f"{name}[{place}]", one, limit) for place, one in enumerate(given)])


def grades(name: str, value: object, limit: int = LABEL) -> str:
    """Grades by item, as stored: an object of numbers, or a list of items that each have the grade 1.

    Raises:
        RecordError: it is neither.
    """
    given = _decoded(value)
    if isinstance(given, list):
        _check_size(name, len(given))
        return grades_text({_item(f"{name}[{place}]", one, limit): 1.0 for place, one in enumerate(given)})
    if not isinstance(given, dict):
        raise RecordError("invalid", f"{name} is {shown(value)}, not items or grades", hint=_GRADES_HINT)
    _check_size(name, len(given))
    return grades_text({_item(name, item, limit): _grade(name, item, one) for item, one in given.items()})


def label_set(name: str, value: object, limit: int = LABEL) -> str:
    """A set of labels, as stored. A text must be such a list in JSON.

    Raises:
        RecordError: it is none.
    """
    given = _decoded(value)
    if not isinstance(given, list):
        raise RecordError("invalid", f"{name} is {shown(value)}, not a list of labels", hint=_LABELS_HINT)
    _check_size(name, len(given))
    return labels_text(_item(f"{name}[{place}]", one, limit) for place, one in enumerate(given))


def outputs(name: str, value: object, limit: int = LABEL) -> str:
    """A number of each output, as stored. A text must be such an object in JSON.

    Raises:
        RecordError: it is none.
    """
    given = _decoded(value)
    if not isinstance(given, dict):
        raise RecordError("invalid", f"{name} is {shown(value)}, not numbers by output", hint=_OUTPUTS_HINT)
    if len(given) > MOST_OUTPUTS:
        raise RecordError("too_large", f"{name} has {len(given):,} outputs, more than {MOST_OUTPUTS}")
    return outputs_text(
        {_item(name, output, limit): number(f"{name}.{output}", one) for output, one in given.items()}
    )


CHECKS: Mapping[FieldType, Callable[[str, object, int], str]] = {
    FieldType.ITEMS: items,
    FieldType.GRADES: grades,
    FieldType.LABEL_SET: label_set,
    FieldType.OUTPUTS: outputs,
}


def refuse_objects(names: Iterable[str]) -> None:
    """Refuse columns that hold the members of an object, one for each item that occurs: they could be millions.

    Raises:
        InputError: there is one.
    """
    for name in names:
        field, dot, _ = name.removeprefix("outcome.").partition(".")
        if dot and field in _NAMES:
            hint = f"as a column, {field} is a list, or a text with JSON"
            raise InputError(f"{field} is an object in some rows", hint=hint)


_NAMES = of_type(*CHECKS)


def column(kind: FieldType, values: pa.Array) -> pa.Array:
    """A column of such values as stored; null where a value cannot be read."""
    check = CHECKS[kind]

    def read(value: Any) -> str | None:
        try:
            return None if value is None else check("", value, LABEL)
        except RecordError:
            return None

    return pa.array([read(value) for value in values.to_pylist()], pa.string())


def longest_item(text: str) -> int:
    """Characters of the longest item of a stored value."""
    try:
        return max(map(len, items_of(text)), default=0)
    except (msgspec.MsgspecError, RecursionError):  # grades
        return max(map(len, msgspec.json.decode(text)), default=0)


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return value


def _check_size(name: str, size: int) -> None:
    if size > MOST_ITEMS:
        hint = "send the first ones, those that were shown"
        raise RecordError("too_large", f"{name} has {size:,} items, more than {MOST_ITEMS:,}", hint=hint)


def _item(name: str, value: object, limit: int) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise RecordError("invalid", f"{name} is {'null' if value is None else value}, not an item")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RecordError("invalid", f"{name} is {kind_of(value)}, not an item", hint=_LIST_HINT)
    text = label(name, value, limit)
    if not text:
        raise RecordError("invalid", f"{name} has an empty item")
    return text


def _grade(name: str, item: str, value: object) -> float:
    grade = number(f"{name}.{item}", value)
    if not 0 <= grade <= LARGEST_GRADE:
        reason = f"{name}.{item} is {grade:g}, outside 0 to {LARGEST_GRADE:,.0f}"
        raise RecordError("invalid", reason, hint="0 is not relevant, 1 a click, more is better")
    return grade
