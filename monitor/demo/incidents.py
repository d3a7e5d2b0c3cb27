"""Faults that `watchkeeper demo --incident` brings into the running demonstration for two minutes."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

SECONDS = 120.0


class Kind(StrEnum):
    """What goes wrong."""

    ERRORS = "errors"
    LATENCY = "latency"
    DRIFT = "drift"
    SILENCE = "silence"


MEANING = {
    Kind.ERRORS: "a third of the flights fail, because the weather service does not answer",
    Kind.LATENCY: "each answer waits 150 ms for a slow disk",
    Kind.DRIFT: "distances arrive in kilometres and temperatures in Celsius",
    Kind.SILENCE: "no flight reaches the model",
}


class FeatureServiceError(Exception):
    """The weather of a flight cannot be looked up."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One fault, and until when it lasts (seconds since the epoch)."""

    kind: Kind
    until: float


class Switch:
    """A small file through which one process tells another which fault to bring."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "incident.json"

    def turn_on(self, kind: Kind, now: float) -> Incident:
        """Ask for a fault from now on."""
        incident = Incident(kind, now + SECONDS)
        partial = self._path.with_suffix(".part")
        partial.write_text(json.dumps(asdict(incident)), encoding="utf-8")
        partial.replace(self._path)
        return incident

    def current(self, now: float) -> Kind | None:
        """The fault to bring now, if any."""
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        incident = replace(Incident(**told), kind=Kind(told["kind"]))
        return incident.kind if now < incident.until else None


def disturb(
    kind: Kind | None, features: dict[str, object], turn: int, wait: Callable[[float], None] = time.sleep
) -> dict[str, object]:
    """The features as the model gets them while `kind` lasts.

    Raises:
        FeatureServiceError: for every third flight during `errors`.
    """
    if kind is Kind.ERRORS and turn % 3 == 0:
        raise FeatureServiceError
    if kind is Kind.LATENCY:
        wait(0.15)
    if kind is Kind.DRIFT:
        return {**features, "distance": _scaled(features["distance"]), "temp": _celsius(features["temp"])}
    return features


def _scaled(miles: object) -> object:
    return round(miles * 1.609) if isinstance(miles, int | float) else miles


def _celsius(fahrenheit: object) -> object:
    return round((fahrenheit - 32) / 1.8, 1) if isinstance(fahrenheit, int | float) else fahrenheit
