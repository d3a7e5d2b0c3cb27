"""A caller's values, copied so that nothing that changes them later matters, and as JSON.

Freezing runs in the caller and is fast for what records usually hold. It calls no `repr`, `str` or property of a
foreign object, nor asks for its `__class__`, behind which a lazy one may query a database. What it does not know, and
what the daemon would refuse the whole record for, is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any

from watchkeeper_client.counters import Counters

LONGEST_TEXT = 65_536
"""Characters of a text, as the daemon's limit for a feature is."""
MOST_TEXTS = 100
LONGEST_LIST = 8_192
DEEPEST = 16
MOST_VALUES = 4_000
"""Values of one record, all depths together."""
_LONGEST_INTEGER = 1_328
"""Bits: 400 digits, as the daemon's limit is."""
_LONGEST_NAME = 512
_PLAIN = frozenset({str, int, float, bool, type(None)})
_NUMBERS = frozenset({int, float, bool})
_VALUE_WEIGHT = 60
"""Bytes that a value and its name are taken to need in memory."""


class _LeftOut:
    """Stands for a value that cannot be sent."""


LEFT_OUT = _LeftOut()


class Freezer:
    """Copies the values of one record. `weight` grows by the bytes that the copies need, roughly."""

    def __init__(self, counters: Counters) -> None:
        self.weight = 0
        self._counters = counters
        self._left = MOST_VALUES

    def features(self, given: object) -> dict[str, Any] | None:
        """Features in any form that has names: a mapping, a pandas row, a dataclass, a model of pydantic; else None."""
        try:
            if type(given) is not dict:
                given = _named(given)
            return self._mapping(given, 0)
        except Exception:
            self._counters.leave_out("features", given)
            return None

    def texts(self, given: object) -> dict[str, Any]:
        """The texts of a call by name: each a text, or a list of texts."""
        copy: dict[str, Any] = {}
        try:
            for name, value in list(dict(given).items()):  # type: ignore[call-overload]
                listed = value if isinstance(value, (list, tuple)) else [value]
                parts = [self._freeze(one, 0) for one in listed[:MOST_TEXTS] if isinstance(one, str)]
                if parts:
                    copy[str(name)] = parts[0] if isinstance(value, str) else parts
                elif value:
                    self._counters.leave_out(f"texts.{name}", value)
        except Exception:
            self._counters.leave_out("texts", given)
        return copy

    def named(self, **given: Any) -> dict[str, Any]:
        """The fields that are lists of items, sets of labels or numbers by name; others are left out."""
        frozen = {name: self.items(name, value) for name, value in given.items() if value is not None}
        return {name: value for name, value in frozen.items() if value is not None}

    def items(self, name: str, given: Any) -> list[str] | dict[str, float] | None:
        """A list of items in order, or a grade by item; None where it is neither. Items without a text are left out."""
        try:
            if isinstance(given, (str, bytes)):
                raise TypeError("one text is no list")
            if isinstance(given, Mapping):
                return {item: float(grade) for item, grade in self._known(name, given.items())}
            return [item for item, _ in self._known(name, ((one, 1.0) for one in given))]
        except Exception:
            self._counters.leave_out(name, given)
            return None

    def _known(self, name: str, pairs: Any) -> list[tuple[str, Any]]:
        """The pairs whose item has a text, which is that of the item."""
        known: list[tuple[str, Any]] = []
        for item, grade in pairs:
            if len(known) >= LONGEST_LIST:
                self._counters.leave_out(name, item)
                break
            text = str(item) if kind_of(item) == "uuid.UUID" else _name(item)
            if 0 < len(text) <= _LONGEST_NAME:
                self.weight += len(text)
                known.append((text, grade))
            else:
                self._counters.leave_out(name, item)
        return known

    def value(self, name: str, given: object) -> Any:
        """A copy of any value, or `LEFT_OUT`."""
        try:
            frozen = self._freeze(given, 0)
        except Exception:
            frozen = LEFT_OUT
        if frozen is LEFT_OUT:
            self._counters.leave_out(name, given)
        return frozen

    def _mapping(self, given: Any, depth: int) -> dict[str, Any]:
        copy: dict[Any, Any] = dict(given)
        self._spend(len(copy))
        if not _PLAIN.issuperset(map(type, copy.values())):
            for name, value in list(copy.items()):
                if type(value) in _PLAIN:
                    continue
                try:
                    frozen = self._freeze(value, depth + 1)
                except Exception:
                    frozen = LEFT_OUT
                if frozen is LEFT_OUT:
                    self._counters.leave_out(name, value)
                    del copy[name]
                else:
                    copy[name] = frozen
        lengths = [len(value) for value in copy.values() if type(value) is str]
        if lengths:
            if max(lengths) > LONGEST_TEXT:
                copy = {name: self._text(v) if type(v) is str else v for name, v in copy.items()}
            self.weight += min(sum(lengths), LONGEST_TEXT * len(lengths))
        return copy

    def _freeze(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            self.weight += min(len(value), LONGEST_TEXT)
            return self._text(value)
        if kind in _PLAIN:
            return value
        if depth > DEEPEST:
            return LEFT_OUT
        if kind.__module__ == "numpy":
            return self._array(value, depth)
        if issubclass(kind, (list, tuple)):
            return self._list(value, depth)
        if issubclass(kind, Mapping):
            return self._mapping(value, depth)
        return self._scalar(value, kind, depth)

    def _list(self, value: Any, depth: int) -> Any:
        """A list of numbers, which is one value; there is no other list."""
        if len(value) > LONGEST_LIST:
            return LEFT_OUT
        copy = list(value)
        if not _NUMBERS.issuperset(map(type, copy)):
            copy = [self._freeze(one, depth + 1) for one in copy]
        self.weight += 32 * len(copy)
        return copy if _NUMBERS.issuperset(map(type, copy)) else LEFT_OUT

    def _scalar(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, Enum):
            return self._freeze(value.value, depth + 1)
        if issubclass(kind, str):
            return self._freeze(str.__str__(value), depth)
        if issubclass(kind, float):
            return float.__float__(value)
        if issubclass(kind, int):
            return int.__int__(value)
        if kind_of(value) in ("decimal.Decimal", "fractions.Fraction"):
            return float(value)
        if kind_of(value) in ("pandas.NaTType", "pandas.NAType"):
            return None
        if issubclass(kind, (datetime, date, time)):
            return value.isoformat()
        if issubclass(kind, timedelta):
            return value.total_seconds()
        if kind_of(value) == "uuid.UUID":
            return str(value)
        return self._array(value, depth)

    def _array(self, value: Any, depth: int) -> Any:
        """A scalar or array of numpy, a column of pandas or polars."""
        if kind_of(value).partition(".")[0] not in ("numpy", "pandas", "polars"):
            return LEFT_OUT
        if hasattr(value, "item") and not getattr(value, "shape", ()):
            item = value.item()
            return float(value) if type(item) is type(value) else self._freeze(item, depth + 1)
        if len(value) > LONGEST_LIST:
            return LEFT_OUT
        return self._freeze(value.tolist() if hasattr(value, "tolist") else value.to_list(), depth + 1)

    def _text(self, text: str) -> str:
        if len(text) <= LONGEST_TEXT:
            return text
        self._counters.add("cut")
        return text[:LONGEST_TEXT]

    def _spend(self, count: int) -> None:
        self.weight += _VALUE_WEIGHT * count
        self._left -= count
        if self._left < 0:
            raise ValueError(f"more than {MOST_VALUES} values")


def kind_of(value: object) -> str:
    """The package and the name of a value's type, such as `numpy.ndarray`."""
    kind = type(value)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def _named(given: Any) -> Any:
    if isinstance(given, Mapping):
        return given
    if hasattr(given, "model_dump"):
        return given.model_dump()
    if hasattr(given, "__dataclass_fields__"):
        return {name: getattr(given, name) for name in given.__dataclass_fields__}
    if kind_of(given) == "pandas.DataFrame":
        if len(given) != 1:
            raise ValueError("features are those of one prediction")
        return given.iloc[0].to_dict()
    if kind_of(given) == "pandas.Series":
        return given.to_dict()
    raise TypeError("features need names")


_dumps = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":"), skipkeys=True
).encode


def to_json(record: dict[str, Any]) -> bytes:
    """A frozen record as a line of JSON, without the end of the line.

    Raises:
        ValueError, RecursionError: it cannot be written.
    """
    try:
        text = _dumps(record)
    except ValueError:  # an integer of thousands of digits
        text = _dumps(_clean(record))
    if "\\u0000" in text:
        text = _dumps(_clean(record))
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _clean(value: Any) -> Any:
    """The same without NUL characters and without numbers that nobody can read."""
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if type(value) is int and value.bit_length() > _LONGEST_INTEGER:
        return float("inf") if value > 0 else float("-inf")
    return value


def tidy(record: dict[str, Any], counters: Counters) -> dict[str, Any]:
    """A record whose names of features, segments and labels are texts of 1 to 512 characters."""
    for field in ("features", "segments", "probabilities", "attributions"):
        names = record.get(field)
        if isinstance(names, dict) and not all(
            type(name) is str and 0 < len(name) <= _LONGEST_NAME for name in names
        ):
            record[field] = _with_names(names, counters)
    return record


def _with_names(values: dict[Any, Any], counters: Counters) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in values.items():
        text = _name(name)
        if 0 < len(text) <= _LONGEST_NAME:
            kept[text] = value
        else:
            counters.leave_out(name, value)
    return kept


def _name(name: object) -> str:
    """The text of a name; empty where a name is of a kind that has none."""
    if isinstance(name, Enum):
        name = name.value
    if isinstance(name, str):
        return str.__str__(name)
    if type(name) in (int, float, bool) or kind_of(name).startswith("numpy."):
        return str(name)
    if type(name) is tuple:  # columns of several levels
        parts = [_name(part) for part in name]
        return ".".join(parts) if all(parts) else ""
    return ""
