"""Serves flights: predicts several per second, sends them over HTTP, and sends their outcomes later."""

import heapq
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pyarrow as pa

from monitor.demo import flights
from monitor.demo.incidents import FaultKind, FeatureServiceError, Switch, disturb
from monitor.demo.model import AUTOMATIC, FlightPrediction, LateModel
from monitor.demo.process import STREAM

VERSION = "2013.1"
PER_SECOND = 5
_TRUTH_AFTER = (20.0, 90.0)
_FEEDBACK_EVERY = 10

Record = dict[str, Any]


@dataclass(slots=True)
class Serving:
    """The server of one version of the model: predicts flights, and sends predictions and outcomes.

    Outcomes are known between the two times `truth_after`, in seconds after the prediction.
    """

    model: LateModel
    url: str
    switch: Switch[FaultKind]
    schedule: Iterator[Record]
    version: str = VERSION
    truth_after: tuple[float, float] = _TRUTH_AFTER
    _waiting: list[tuple[float, int, Record]] = field(default_factory=list)
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _random: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - delays, not secrets

    def second(self, http: httpx2.Client, now: float) -> int:
        """Serve the flights of one second, and send due outcomes; the number of flights."""
        kind = self.switch.current(now)
        served = [] if kind is FaultKind.SILENCE else [self.serve(kind, now) for _ in range(PER_SECOND)]
        if served:
            http.post(f"{self.url}/v1/predictions", json=served).raise_for_status()
        if known := self.due(now):
            http.post(f"{self.url}/v1/outcomes", json=known).raise_for_status()
        return len(served)

    def serve(self, kind: FaultKind | None, now: float) -> Record:
        """Predict one flight; a record for `POST /v1/predictions`."""
        turn, flight = next(self._turns), next(self.schedule)
        identity = f"{flight['flight']}-{now:.3f}-{turn}-{self.version}"
        features = {name: flight[name] for name in flights.FEATURES}
        record: Record = {**STREAM, "id": identity, "version": self.version, "timestamp": _iso(now)}
        began = time.perf_counter()
        try:
            features = disturb(kind, features, turn)
            answer = self.model.answer(features)
        except FeatureServiceError:
            return {
                **record,
                "features": features,
                "error": "weather_unavailable",
                "latency_ms": _since(began),
            }
        self._remember(identity, flight, answer, now, turn)
        return {**record, "features": features, "latency_ms": _since(began), **_prediction(answer, flight)}

    def _remember(
        self, identity: str, flight: Record, answer: FlightPrediction, now: float, turn: int
    ) -> None:
        truth = "late" if flight["late"] else "on time"
        reviewed = answer.confidence < AUTOMATIC
        outcome: Record = {**STREAM, "id": identity, "truth": truth, "reviewed": reviewed}
        outcome["corrected"] = reviewed and truth != answer.label
        if turn % _FEEDBACK_EVERY == 0:
            outcome["feedback"] = 5 if truth == answer.label else 2
        heapq.heappush(self._waiting, (now + self._random.uniform(*self.truth_after), turn, outcome))

    def due(self, now: float) -> list[Record]:
        """The outcomes that are known by now; each is returned once."""
        known = []
        while self._waiting and self._waiting[0][0] <= now:
            known.append(heapq.heappop(self._waiting)[2])
        return known


def endless(table: pa.Table, start: int) -> Iterator[Record]:
    """The flights of `table` from row `start` on, repeated without end."""
    size = table.num_rows
    for position in itertools.count(start):
        yield table.slice(position % size, 1).to_pylist()[0]


def _prediction(answer: FlightPrediction, flight: Record) -> Record:
    return {
        "prediction": answer.label,
        "confidence": answer.confidence,
        "probabilities": {"late": answer.late, "on time": 1 - answer.late},
        "automated": answer.confidence >= AUTOMATIC,
        "segments": {"airport": flight["origin"]},
    }


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _iso(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
