"""One value of a record as it was sent, checked and put right, or refused with a reason in words."""

import math

from monitor.errors import InputError
from monitor.predictions.columns import Value, name_of
from monitor.predictions.settings import PredictionSettings


class RecordError(InputError):
    """A record that is refused. `reason` is the short name under which it is counted."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


def label(name: str, value: object, limit: int) -> str:
    """A text of at most `limit` characters; numbers and booleans are written out."""
    if not isinstance(value, str | bool | int | float):
        raise RecordError("invalid", f"{name} is {kind_of(value)}, not a text")
    text = value if isinstance(value, str) else name_of(float(value) if isinstance(value, float) else value)
    assert text is not None
    if len(text) > limit:
        raise RecordError("too_large", f"{name} has {len(text):,} characters, more than {limit:,}")
    return text


def number(name: str, value: object, _limit: int = 0) -> float:
    """A finite number; a text that reads as one is taken."""
    try:
        if not isinstance(value, bool) and isinstance(value, str | int | float):
            found = float(value)
            if math.isfinite(found):
                return found
            raise RecordError(
                "not_finite", f"{name} is {found}", hint="leave it out, or send error for a failed answer"
            )
    except (ValueError, OverflowError):
        pass
    raise RecordError("invalid", f"{name} is {shown(value)}, not a number")


def boolean(name: str, value: object, _limit: int = 0) -> bool:
    """True or false; 0, 1 and the words are taken."""
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, str | int) else ""
    if word in ("true", "1", "false", "0"):
        return word in ("true", "1")
    raise RecordError("invalid", f"{name} is {shown(value)}, not true or false")


def answer(name: str, value: object, limit: int) -> str | float:
    """A label or a finite number: what a model answers, and what turns out to be true."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(name, value)
    return label(name, value, limit)


def feature(name: str, value: object, settings: PredictionSettings) -> Value:
    """A feature: a text, number or boolean as it is, or a list of numbers."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        if len(value) > settings.max_text:
            message = f"features.{shown(name)} has {len(value):,} characters, more than {settings.max_text:,}"
            raise RecordError("too_large", message, hint="raise predictions.max_text, or send a digest of it")
        return value
    if isinstance(value, int):
        return _real(value)
    if isinstance(value, list) and len(value) <= settings.max_list:
        return [number(f"features.{name}[{index}]", one) for index, one in enumerate(value)]
    size = f" of {len(value):,}" if isinstance(value, list) else ""
    raise RecordError(
        "invalid",
        f"features.{shown(name)} is {kind_of(value)}{size}",
        hint=f"a number, text, true or false, or a list of at most {settings.max_list:,} numbers",
    )


def _real(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def name_in(where: str, name: str, limit: int) -> str:
    """The name of a feature, segment or label."""
    if not name or len(name) > limit:
        raise RecordError(
            "invalid", f"a name in {where} has {len(name):,} characters", hint=f"1 to {limit:,} characters"
        )
    return name


def kind_of(value: object) -> str:
    """What a value is, in words."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def shown(value: object) -> str:
    """A value as it is quoted in a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
