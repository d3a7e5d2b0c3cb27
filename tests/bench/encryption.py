"""What the encryption of the database costs: processor time of the same work with and without it, in turns.

`python -m tests.bench.encryption [--runs 7]` takes in the same requests and runs the same ticks on a plain and on an
encrypted SQLite database, and prints the ratio of their processor times: the rate that is left of the one without. Time
that the disk takes is not counted, and is the same for both.
"""

import argparse
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.predictions.intake.parse import RecordKind
from tests.support.log import send

START = 1_800_000_000.0
MODELS, REQUESTS, TICKS = 40, 400, 20


def requests() -> list[bytes]:
    """Requests of 50 records with ten features and an id, for one model each."""
    return [msgspec.json.encode([record(number, place) for place in range(50)]) for number in range(REQUESTS)]


def record(number: int, place: int) -> dict[str, Any]:
    features = {f"f{name}": (number * 31 + place * 17 + name * 7) % 1000 / 10 for name in range(10)}
    content = {
        "client": "acme",
        "model": f"m{number % MODELS}",
        "id": f"{number}-{place}",
        "prediction": "ok",
    }
    return content | {"timestamp": START - place, "confidence": 0.5 + place / 100, "features": features}


def run(folder: Path, bodies: list[bytes], key: str) -> tuple[float, float]:
    """Processor seconds of taking in all requests, and of the ticks."""
    clock = ManualClock(START)
    store = {"url": f"sqlite:///{folder}/w.db", "key": key}
    app = App(Config(store=store), clock)  # type: ignore[arg-type]
    app.log.start()
    try:
        send(app.log, RecordKind.PREDICTIONS, bodies[0])
        began = time.process_time()
        for body in bodies[1:]:
            send(app.log, RecordKind.PREDICTIONS, body)
        taken_in = time.process_time() - began
        app.tick()
        began = time.process_time()
        for number in range(TICKS):
            clock.advance(15)
            send(app.log, RecordKind.PREDICTIONS, bodies[number])
            app.tick()
        return taken_in, time.process_time() - began
    finally:
        app.log.stop()
        app.store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs, bodies, key = parser.parse_args().runs, requests(), secrets.token_hex(32)
    kept: list[tuple[float, float]] = []
    for number in range(runs + 1):
        times = {}
        for name in ("", key) if number % 2 else (key, ""):
            with tempfile.TemporaryDirectory() as folder:
                times[name] = run(Path(folder), bodies, name)
        if number:  # the first turn warms up
            kept.append((times[""][0] / times[key][0], times[""][1] / times[key][1]))
            print(f"turn {number}: ingest {kept[-1][0]:.2f}, tick {kept[-1][1]:.2f}", flush=True)
    for name, place in (("ingest", 0), ("tick", 1)):
        found = sorted(one[place] for one in kept)
        print(
            f"{name}: {statistics.median(found):.2f} of the rate without ({found[0]:.2f} to {found[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
