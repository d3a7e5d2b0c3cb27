"""Validates and normalizes single values of a record, or rejects them with a reason."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from monitor.errors import InputError
from monitor.predictions.log.columns import Value, name_of, nearest_float
from monitor.text_limits import (
    LABEL,
    LONGEST_PATH,
    NAME,
    VERSION_BYTES,
    flaw_of_name,
    flaw_of_text,
    is_nan,
    number_in,
    shortened,
)
from monitor.visible import visible

if TYPE_CHECKING:  # pydantic is slow to load, and a comparison of files does not need it
    from monitor.predictions.settings import PredictionSettings

CLOSE = 1e-6
"""Tolerance of probabilities outside 0 to 1: a sum of float32 misses 1 by some steps of 6e-8."""


_MAX_SHOWN = 100
_flaw_of_known_name = lru_cache(4096)(flaw_of_name)
_flaw_of_short_text = lru_cache(4096)(flaw_of_text)
"""The same few names are in all records of a stream."""


class RecordError(InputError):
    """A rejected record. `reason` is the short name under which it is counted."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(visible(message), hint=hint)
        self.reason = reason


def label(name: str, value: object, limit: int) -> str:
    """A text of at most `limit` characters; numbers and booleans are converted."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool | int | float):
        text = _written(name, value)
    else:
        raise RecordError("invalid", f"{name} is {kind_of(value)}, not a string")
    if len(text) > limit:
        raise RecordError("too_large", f"{name} has {len(text):,} characters, more than {limit:,}")
    return storable_text(name, text)


def storable_text(name: str, text: str) -> str:
    """The text, if every database can store it."""
    if flaw := flaw_of_text(text):
        raise RecordError("invalid", f"{name} {flaw}", hint="remove the character")
    return text


def version(name: str, value: object, limit: int) -> str:
    """A label with a limit in bytes as well, because it is part of a key."""
    text = label(name, value, limit)
    if len(text) * 4 > VERSION_BYTES and (size := len(text.encode())) > VERSION_BYTES:
        raise RecordError("too_large", f"{name} has {size:,} bytes in UTF-8, more than {VERSION_BYTES:,}")
    return text


def known_name(name: str, value: object) -> str:
    """A valid name of a client or model."""
    text = value if isinstance(value, str) else label(name, value, NAME)
    if flaw := _flaw_of_known_name(text) if len(text) <= NAME else flaw_of_name(text):
        hint = f"a name has 1 to {NAME} visible characters, and no slash"
        raise RecordError("invalid", f"{name} {flaw}", hint=hint)
    return text


def _written(name: str, value: bool | float) -> str:
    try:
        return str(name_of(float(value) if isinstance(value, float) else value))
    except ValueError as error:  # an integer with thousands of digits
        raise RecordError("too_large", f"{name} is a number with too many digits") from error


def number(name: str, value: object, _limit: int = 0) -> float:
    """A finite number; texts that represent one are accepted."""
    try:
        if not isinstance(value, bool) and isinstance(value, str | int | float):
            converted = _float(value)
            if math.isfinite(converted):
                return converted
            raise RecordError(
                "not_finite",
                f"{name} is {converted}",
                hint="leave the field out, or send error if the model gave no answer",
            )
    except (ValueError, OverflowError):
        pass
    raise RecordError("invalid", f"{name} is {shown(value)}, not a number")


def known_number(name: str, value: object, _limit: int = 0) -> float | None:
    """A finite number, or None for NaN, which tables use for missing values."""
    return None if _is_nan(value) else number(name, value)


def probability(name: str, value: object, _limit: int = 0) -> float:
    """A number from 0 to 1; values that exceed it by rounding are clipped."""
    converted = number(name, value)
    if not -CLOSE <= converted <= 1 + CLOSE:
        raise RecordError("invalid", f"{name} is {converted}, outside 0 to 1", hint="send a probability")
    return min(max(converted, 0.0), 1.0)


def milliseconds(name: str, value: object, _limit: int = 0) -> float:
    """A finite number of at least 0."""
    duration = number(name, value)
    if duration < 0:
        raise RecordError("invalid", f"{name} is {duration}, below zero", hint="send milliseconds")
    return duration


def boolean(name: str, value: object, _limit: int = 0) -> bool | None:
    """True or false; 0, 1 and the words are accepted. NaN, which tables use for missing values, is None."""
    if isinstance(value, bool):
        return value
    if _is_nan(value):
        return None
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    word = value.lower() if isinstance(value, str) else ""
    if word in ("true", "1", "1.0", "false", "0", "0.0"):
        return word in ("true", "1", "1.0")
    raise RecordError("invalid", f"{name} is {shown(value)}, not true or false")


def answer(name: str, value: object, limit: int) -> str | float:
    """A label or a finite number: a prediction, or a truth."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(name, value)
    return label(name, value, limit)


def feature(name: str, value: object, settings: "PredictionSettings") -> Value:
    """A feature: a text, number or boolean, or a list of numbers."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        if len(value) > settings.max_text:
            message = f"features.{shown(name)} has {len(value):,} characters, more than {settings.max_text:,}"
            raise RecordError("too_large", message, hint="raise predictions.max_text, or send a digest of it")
        return storable_text(f"features.{shown(name)}", value) if flaw_of_text(value) else value
    if isinstance(value, int):
        return nearest_float(value)
    if isinstance(value, list) and len(value) <= settings.max_list:
        return [number(f"features.{name}[{index}]", element) for index, element in enumerate(value)]
    size = f" of {len(value):,}" if isinstance(value, list) else ""
    raise RecordError(
        "invalid",
        f"features.{shown(name)} is {kind_of(value)}{size}",
        hint=f"a number, text, true or false, or a list of at most {settings.max_list:,} numbers",
    )


def _float(value: str | float) -> float:
    converted = number_in(value) if isinstance(value, str) else float(value)
    if converted is None:
        msg = "it does not represent a number"
        raise ValueError(msg)
    return converted


def _is_nan(value: object) -> bool:
    return is_nan(value) if isinstance(value, str) else isinstance(value, float) and math.isnan(value)


def name_in(where: str, name: str, limit: int) -> str:
    """A valid name of a feature, segment or label: any text that can be stored."""
    if flaw := _flaw_of_short_text(name) if len(name) <= LABEL else flaw_of_text(name):
        raise RecordError("invalid", f"a name in {where} {flaw}: {shown(name)}")
    if not name or len(name) > limit:
        more = " or more" if len(name) == LONGEST_PATH else ""  # a dotted name is cut there
        raise RecordError(
            "invalid",
            f"a name in {where} has {len(name):,} characters{more}",
            hint=f"1 to {limit:,} characters",
        )
    return name


def kind_of(value: object) -> str:
    """A description of the type of a value."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def shown(value: object) -> str:
    """A value as quoted in messages."""
    try:
        return shortened(repr(value[:_MAX_SHOWN] if isinstance(value, str) else value))
    except (ValueError, RecursionError):  # a number with thousands of digits, or deeply nested lists
        return f"{kind_of(value)} that is too large to show"
