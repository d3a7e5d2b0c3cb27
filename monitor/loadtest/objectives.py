"""What is agreed: `p95<250ms,errors<0.1%,lag<60s`."""

import re
from dataclasses import dataclass
from enum import StrEnum

from monitor.config.units import parse_duration
from monitor.errors import InputError
from monitor.visible import visible

DEFAULT = "p95<250ms,errors<0.1%"
_ONE = re.compile(r"(p[0-9]{1,2}(?:\.[0-9]{1,2})?|max|errors|lag)\s*<\s*([0-9.]{1,12})\s*([a-z%]{1,3})")
_HINT = "write p95<250ms, max<2s, errors<0.1%, lag<60s, separated by commas"


class ObjectiveKind(StrEnum):
    """What is limited."""

    LATENCY = "latency"
    ERRORS = "errors"
    LAG = "lag"


@dataclass(frozen=True, slots=True)
class Objective:
    """One limit: `limit` in seconds, or a share of calls. `percent` is that of the percentile, 100 for the maximum."""

    text: str
    kind: ObjectiveKind
    limit: float
    percent: float = 0.0

    @property
    def least_calls(self) -> int:
        """The calls that it takes to tell: ten beyond a percentile; as many as one failure would be too few of."""
        if self.kind is ObjectiveKind.ERRORS:
            return int(1 / self.limit) + 1
        beyond = (100 - self.percent) / 100
        return int(10 / beyond) if self.kind is ObjectiveKind.LATENCY and beyond else 1


def parse(text: str) -> tuple[Objective, ...]:
    """The objectives of an option.

    Raises:
        InputError: it is not a list of limits, a limit is not positive, or is given twice.
    """
    objectives = tuple(_parsed(part.strip()) for part in text.split(","))
    names = [objective.text.partition("<")[0] for objective in objectives]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--slo: {name} is limited twice", hint=_HINT)
    return objectives


def _parsed(part: str) -> Objective:
    match = _ONE.fullmatch(part)
    if match is None:
        raise InputError(f"--slo: '{visible(part[:40])}' is not a limit", hint=_HINT)
    name, number, unit = match.groups()
    text = f"{name}<{number}{unit}"
    if name == "errors":
        if unit != "%" or not 0 < (share := _number(number, text) / 100) < 1:
            raise InputError(f"--slo: {text} is not a share of calls", hint=_HINT)
        return Objective(text, ObjectiveKind.ERRORS, share)
    seconds = _seconds(number + unit, text)
    if name == "lag":
        return Objective(text, ObjectiveKind.LAG, seconds)
    percent = 100.0 if name == "max" else _number(name[1:], text)
    if not 0 < percent <= 100:
        raise InputError(f"--slo: {text}: there is no such percentile", hint=_HINT)
    return Objective(text, ObjectiveKind.LATENCY, seconds, percent)


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"--slo: {whole} has no number", hint=_HINT) from error


def _seconds(text: str, whole: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise InputError(f"--slo: {whole}: {error}", hint=_HINT) from error
    if not 0 < seconds <= 3600:
        raise InputError(f"--slo: {whole}: the limit must be above 0 and at most an hour", hint=_HINT)
    return seconds
