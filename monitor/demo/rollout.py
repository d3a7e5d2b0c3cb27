"""`watchkeeper demo --rollout`: two versions behind a small switch, which asks the daemon for the share of each.

A window of five seconds stands for a minute, so an hour of rollout takes five minutes.
"""

import contextlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import httpx2

from monitor.demo import process
from monitor.demo.incidents import FaultKind, Switch
from monitor.demo.model import FlightPrediction, LateModel
from monitor.demo.process import STREAM
from monitor.demo.serving import VERSION, Record, Serving
from monitor.records import Stream
from monitor.rollouts import running
from monitor.rollouts.plan import parse_plan, percent
from monitor.store.db import Store

CANARY = "2013.2"
BASE = 5
"""Seconds of a window of this demonstration."""
PLAN = "5:40s,10:40s,25:40s,50:60s,100:60s"
PER_SECOND = 30
ALONE = 45.0
"""Seconds of the stable version alone, from which its usual figures are learned."""
FAILING = 0.3
"""The share of requests of the bad version that may fail; every third of them does."""
MORE = f"\npredictions: {{base_window: {BASE}s}}\nwindows: {{lateness: 2s}}"
_TRUTH_AFTER = (3.0, 8.0)


class RolloutKind(StrEnum):
    """How the new version behaves."""

    GOOD = "good"
    BAD = "bad"
    SLOW = "slow"


MEANING = {
    RolloutKind.GOOD: "it is as good as the one before",
    RolloutKind.BAD: "one of ten of its answers fails",
    RolloutKind.SLOW: "it asks the model three times, and takes three times as long",
}


class SlowModel(LateModel):
    """The same model, asked three times for each flight."""

    def answer(self, features: dict[str, object]) -> FlightPrediction:
        """Predict one flight; the latency is that of all three."""
        answers = [super(SlowModel, self).answer(features) for _ in range(3)]
        return FlightPrediction(answers[-1].late, sum(answer.latency_ms for answer in answers))


@dataclass(slots=True)
class TrafficSwitch:
    """Sends each flight to one of two versions, at random, as the daemon says. Without an answer, the share stays."""

    url: str
    stable: Serving
    canary: Serving
    kind: RolloutKind
    share: float = 0.0
    state: str = ""
    reason: str = ""
    _random: random.Random = field(default_factory=lambda: random.Random(3))  # noqa: S311 - traffic, not secrets

    def ask(self, http: httpx2.Client) -> bool:
        """Ask which share the canary receives; whether it has changed."""
        answer = http.get(f"{self.url}/v1/rollouts/{STREAM['client']}/{STREAM['model']}/step")
        if answer.status_code != 200:
            return False
        step = answer.json()
        before = (self.state, self.share)
        self.share, self.state, self.reason = float(step["share"]), str(step["state"]), str(step["reason"])
        return before != (self.state, self.share)

    def second(self, http: httpx2.Client, now: float) -> None:
        """Serve the flights of one second, and send what became known of earlier ones."""
        served = [self.serve(now) for _ in range(PER_SECOND)]
        http.post(f"{self.url}/v1/predictions", json=served).raise_for_status()
        if known := [*self.stable.due(now), *self.canary.due(now)]:
            http.post(f"{self.url}/v1/outcomes", json=known).raise_for_status()

    def serve(self, now: float) -> Record:
        """Predict one flight by the version that its turn falls to."""
        if self._random.random() * 100 >= self.share:
            return self.stable.serve(None, now)
        fails = self.kind is RolloutKind.BAD and self._random.random() < FAILING
        return self.canary.serve(FaultKind.ERRORS if fails else None, now)


def two_versions(
    model: LateModel, url: str, kind: RolloutKind, folder: Path, schedule: Callable[[], Iterator[Record]]
) -> TrafficSwitch:
    """The switch with both versions behind it."""
    new = SlowModel(model.pipeline) if kind is RolloutKind.SLOW else model
    faults = Switch(folder, FaultKind)
    stable = Serving(model, url, faults, schedule(), VERSION, _TRUTH_AFTER)
    return TrafficSwitch(url, stable, Serving(new, url, faults, schedule(), CANARY, _TRUTH_AFTER), kind)


def prepare(folder: Path, port: int) -> Path:
    """A folder for this rollout alone, with a configuration and without earlier figures."""
    place = folder / "rollout"
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("watchkeeper.db*"):
        old.unlink()
    process.write_configuration(place, port, baseline="../training.parquet", more=MORE)
    return place


def begin(place: Path, now: float) -> None:
    """Start the rollout, as `watchkeeper rollout start` does."""
    store = Store(f"sqlite:///{place}/watchkeeper.db")
    stream = Stream(STREAM["client"], STREAM["model"], STREAM["environment"])
    plan = parse_plan(PLAN, BASE)
    with store.write() as connection:
        running.start(
            connection, stream, CANARY, VERSION, plan, who="the demonstration", address="here", now=now
        )
    store.close()


def serve(
    switch: TrafficSwitch,
    place: Path,
    daemon: "subprocess.Popen[bytes]",
    say: Callable[[str], None],
    *,
    until_over: bool = False,
) -> None:
    """Serve until interrupted, start the rollout after a while, and say each of its steps."""
    began, is_started = time.time(), False
    with httpx2.Client(timeout=10) as http:
        while daemon.poll() is None:
            second = time.monotonic()
            with contextlib.suppress(httpx2.HTTPError):  # a second without flights does not matter
                switch.second(http, time.time())
                if switch.ask(http):
                    say(
                        f"{time.strftime('%H:%M:%S')}  {percent(switch.share)}  {switch.state}: {switch.reason}"
                    )
            if not is_started and time.time() - began >= ALONE:
                begin(place, time.time())
                is_started = True
            if until_over and switch.state not in ("", "running"):
                return
            time.sleep(max(0.0, 1.0 - (time.monotonic() - second)))
