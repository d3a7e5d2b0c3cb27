"""Faults that `watchkeeper demo --incident` injects into the running demonstration for two minutes."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

SECONDS = 120.0


class FaultKind(StrEnum):
    """The kinds of faults."""

    ERRORS = "errors"
    LATENCY = "latency"
    DRIFT = "drift"
    SILENCE = "silence"


MEANING = {
    FaultKind.ERRORS: "a third of the flights fail, because the weather service does not answer",
    FaultKind.LATENCY: "each answer waits 150 ms for a slow disk",
    FaultKind.DRIFT: "distances arrive in kilometres and temperatures in Celsius",
    FaultKind.SILENCE: "no flight reaches the model",
}


class FeatureServiceError(Exception):
    """The weather of a flight is unavailable."""


AnyFaultKind = TypeVar("AnyFaultKind", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class InjectedFault(Generic[AnyFaultKind]):
    """A fault that lasts until `until`, in seconds since the epoch."""

    kind: AnyFaultKind
    until: float


class Switch(Generic[AnyFaultKind]):
    """A file by which one process tells another which of its `kinds` of faults to inject."""

    def __init__(self, folder: Path, kinds: type[AnyFaultKind]) -> None:
        self._path, self._kinds = folder / "incident.json", kinds

    def turn_on(self, kind: AnyFaultKind, now: float) -> InjectedFault[AnyFaultKind]:
        """Start a fault at `now`."""
        incident = InjectedFault(kind, now + SECONDS)
        partial = self._path.with_suffix(".part")
        partial.write_text(json.dumps(asdict(incident)), encoding="utf-8")
        partial.replace(self._path)
        return incident

    def current(self, now: float) -> AnyFaultKind | None:
        """The fault at `now`, or None."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return self._kinds(stored["kind"]) if now < stored["until"] else None


def disturb(
    kind: FaultKind | None, features: dict[str, object], turn: int, wait: Callable[[float], None] = time.sleep
) -> dict[str, object]:
    """The features that the model receives during a fault of this kind.

    Raises:
        FeatureServiceError: for every third flight during `ERRORS`.
    """
    if kind is FaultKind.ERRORS and turn % 3 == 0:
        raise FeatureServiceError
    if kind is FaultKind.LATENCY:
        wait(0.15)
    if kind is FaultKind.DRIFT:
        return {**features, "distance": _scaled(features["distance"]), "temp": _celsius(features["temp"])}
    return features


def _scaled(miles: object) -> object:
    return round(miles * 1.609) if isinstance(miles, int | float) else miles


def _celsius(fahrenheit: object) -> object:
    return round((fahrenheit - 32) / 1.8, 1) if isinstance(fahrenheit, int | float) else fahrenheit
