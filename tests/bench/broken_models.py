"""Six real models on a real daemon, each broken in eight ways on its first day: what is told, when, and is it right?

`python -m tests.bench.broken_models [--quiet 8] [--broken 6] [--healed 15] [--faults errors,well]` (minutes) gives each
of 48 models a training file as its baseline, and four predictions a second with their truths. It breaks all of them at
once, heals them, and prints for each the first notification that names its fault, after how many seconds it came, and
how it ended. Six more models stay well all the time. Ends with 1 if a fault was told late, not at all, or not of the
right input; if it was not closed; or if another alert than of the info tier was told. Inputs of the same range that are
swapped are left out: only drift that is learned from a past can tell them.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monitor.alerts.notification import Notification, decode
from monitor.records import Action
from tests.support import http
from tests.support.daemon import ROOT, Daemon
from tests.support.real_models import BREAKS, Break, RealModel, six_models

RATE = 4
CONFIG = """\
notify:
  console: false
  file: {{path: "{folder}/told.jsonl"}}
log: {{level: warning}}
"""
EXPECTED = {
    "unit": {"InputOutOfRange", "SignificantDrift"},
    "dead": {"InputMissing"},
    "swapped": {"InputOutOfRange", "SignificantDrift"},
    "slow": {"HighLatency"},
    "alike": {"AnswersAlike"},
    "errors": {"HighErrorRate"},
    "wrong": {"SuddenDecline", "LowAccuracy"},
    "silent": {"NoPredictions"},
}
CONSEQUENCES = {"AnswersAlike", "SuddenDecline", "LowAccuracy", "SignificantDrift", "InputOutOfRange"}
"""What a broken input does to the answers is told as well, and rightly."""
WITHIN = 300.0


@dataclass
class Patient:
    """One model of the daemon with its traffic, and what was told of it."""

    model: RealModel
    fault: Break | None
    rng: np.random.Generator
    told: list[Notification] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.model.name}-{self.fault.name if self.fault else 'well'}"

    def records(self, *, broken: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The predictions of a second, and their truths."""
        chosen = self.rng.integers(0, len(self.model.live), RATE)
        inputs = self.model.live.iloc[chosen].reset_index(drop=True)
        fault = self.fault if broken else None
        if fault is not None and fault.inputs is not None:
            inputs = fault.inputs(self.model, inputs)
        rows = inputs.assign(latency_ms=self.rng.lognormal(3, 0.3, RATE), error=None)
        rows["prediction"], confidence = self.model.answers(inputs)
        rows["confidence"] = confidence
        rows["id"] = [f"{self.name}-{self.rng.integers(1 << 60)}" for _ in chosen]
        rows["truth"] = self.model.truth[chosen]
        if fault is not None and fault.records is not None:
            rows = fault.records(self.model, rows, self.rng)
        return _predictions(self.name, rows, list(self.model.live.columns)), _truths(self.name, rows)


def _predictions(name: str, rows: pd.DataFrame, features: list[str]) -> list[dict[str, Any]]:
    plain = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return [
        {
            **{
                k: row[k]
                for k in ("id", "latency_ms", "prediction", "confidence", "error")
                if row[k] is not None
            },
            **({"prediction": None} if row["error"] else {}),
            "client": "acme",
            "model": name,
            "timestamp": time.time(),
            "features": {feature: row[feature] for feature in features},
        }
        for row in plain
    ]


def _truths(name: str, rows: pd.DataFrame) -> list[dict[str, Any]]:
    pairs = zip(rows["id"], rows["truth"].tolist(), strict=True)
    return [{"id": one, "client": "acme", "model": name, "truth": truth} for one, truth in pairs]


def send(daemon: Daemon, patients: list[Patient], until: float, *, broken: bool) -> float:
    """Four predictions a second of each model, until a moment of the monotonic clock. Returns how many a second there
    were: fewer on a machine that is too slow, where rules that need a number of rows are late.
    """
    start, rounds = time.monotonic(), 0
    while time.monotonic() < until:
        began = time.monotonic()
        rounds += 1
        made = [patient.records(broken=broken) for patient in patients]
        for path, at in (("predictions", 0), ("outcomes", 1)):
            body = [record for one in made for record in one[at]]
            answer = http.post(f"{daemon.url}/v1/{path}", json=body, timeout=30)
            assert answer.status_code == 202, answer.text[:500]
            assert not answer.json()["rejected"], answer.text[:500]
        time.sleep(max(0.0, began + 1 - time.monotonic()))
    return RATE * rounds / (time.monotonic() - start)


def verdict(patient: Patient, broke_at: float) -> Iterator[str]:
    """What is wrong with what was told of a model; the first text says what was told."""
    pages = [one for one in patient.told if one.action is Action.TRIGGER]
    expected = EXPECTED[patient.fault.name] if patient.fault else set()
    if patient.fault and patient.fault.name == "swapped" and not patient.model.has_unlike_inputs:
        yield "not expected on the first day: the swapped inputs have the same range"
        return
    right = next((one for one in pages if one.alert in expected), None)
    if right is None:
        yield "nothing" if not pages else f"only {', '.join(sorted({one.alert for one in pages}))}"
        if patient.fault:
            yield "NOT TOLD"
    else:
        took = right.said_at - broke_at
        ended = next((o for o in patient.told if o.key == right.key and o.action is Action.RESOLVE), None)
        yield f"{took:4.0f} s {right.title}" + (f" | ended {ended.said_at - broke_at:.0f} s" if ended else "")
        if took > WITHIN:
            yield "LATE"
        if took < 0:
            yield "BEFORE ITS FAULT"
        if ended is None:
            yield "NOT CLOSED"
        if (
            patient.fault
            and patient.fault.names_column
            and patient.model.important[0] not in _first(right, patient)
        ):
            yield f"NAMES {_first(right, patient)}, NOT {patient.model.important[0]}"
    known = expected | (CONSEQUENCES if patient.fault else set())
    others = [one.title for one in pages if one.alert not in known and one.severity != "info"]
    if others:
        yield f"ALSO {'; '.join(others)}"


def _first(page: Notification, patient: Patient) -> list[str]:
    """The inputs that its first sentence names, or else its reason."""
    for text in (page.title, page.value, page.reason):
        named = [str(name) for name in patient.model.live.columns if str(name) in text]
        if named:
            return named
    return []


def main() -> int:
    """Set the baselines, send, break, heal, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, minutes in (("quiet", 8.0), ("broken", 6.0), ("healed", 15.0)):
        parser.add_argument(f"--{name}", type=float, default=minutes, help="minutes")
    parser.add_argument("--faults", default="", help="names of faults, and `well`; all by default")
    arguments = parser.parse_args()
    only = arguments.faults.split(",") if arguments.faults else []
    models = six_models()
    patients = [
        Patient(model, fault, np.random.default_rng([number, at]))
        for number, model in enumerate(models)
        for at, fault in enumerate((*BREAKS, None))
        if not only or (fault.name if fault else "well") in only
    ]
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder), CONFIG.format(folder=folder), loads_itself=True)
        with daemon:
            _set_baselines(daemon, patients)
            broke_at = _live(daemon, patients, arguments)
        _read(Path(folder) / "told.jsonl", patients)
    return _report(patients, broke_at)


def _set_baselines(daemon: Daemon, patients: list[Patient]) -> None:
    paths = {patient.model.name: patient.model.write_training_file(daemon.folder) for patient in patients}

    def set_one(patient: Patient) -> None:
        words = ["baseline", "set", f"acme/{patient.name}", str(paths[patient.model.name])]
        command = [sys.executable, "-m", "monitor", *words, "--config", str(daemon.config)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(set_one, patients))


def _live(daemon: Daemon, patients: list[Patient], arguments: argparse.Namespace) -> float:
    broke_at = 0.0
    for name, minutes in (
        ("quiet", arguments.quiet),
        ("broken", arguments.broken),
        ("healed", arguments.healed),
    ):
        if name == "broken":
            broke_at = time.time()
        rate = send(daemon, patients, time.monotonic() + 60 * minutes, broken=name == "broken")
        print(f"{name} for {minutes:g} minutes, {rate:.1f} predictions a second of each", flush=True)
    return broke_at


def _read(path: Path, patients: list[Patient]) -> None:
    by_name = {patient.name: patient for patient in patients}
    for line in path.read_bytes().splitlines() if path.exists() else []:
        told = decode(line)
        members = [one for one in patients if any(one.name in text for text in told.members)]
        if len(members) > 1:
            for one in members:  # a storm: one incident of several models
                one.told.append(told)
        elif told.model in by_name:
            by_name[told.model].told.append(told)
        else:
            print("of the daemon:", told.title)


def _report(patients: list[Patient], broke_at: float) -> int:
    wrong = 0
    for patient in patients:
        told, *faults = verdict(patient, broke_at)
        wrong += bool(faults)
        print(f"{patient.name:18} {told}" + (f"   <-- {'; '.join(faults)}" if faults else ""))
    print(f"{len(patients) - wrong} of {len(patients)} right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
