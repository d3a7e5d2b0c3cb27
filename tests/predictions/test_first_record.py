"""The first record is stored as fast as the others: what its way needs was loaded before."""

import os
import subprocess
import sys
from pathlib import Path

STORED = """\
import json, sys
from queue import Queue
from monitor.clock import ManualClock
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.runtime.imports import without_extras, without_pandas
from monitor.store.db import Store
from monitor.store.migrate import migrate

without_pandas()
without_extras()
store = Store(f"sqlite:///{sys.argv[1]}")
migrate(store)
log = PredictionLog(store, PredictionSettings(), ManualClock(1e9))
log.start()
before = set(sys.modules)
answers = Queue()
record = {"id": "1", "client": "acme", "model": "fraud", "features": {"a": 1.5, "b": "x"}, "prediction": "ok"}
body = json.dumps(record).encode()
request = RawRequest(RecordKind.PREDICTIONS, body, "application/json", log.rules(), "", None)
log.submit([(request, answers.put)])
assert answers.get(timeout=300).accepted == 1
print(*sorted({name for name in set(sys.modules) - before}))
log.stop()
"""

COUNTED = """\
import json, sys
from queue import Queue
from monitor.cli import daemon
daemon._prepare()
from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import RawRequest

clock = ManualClock(1e9)
app = App(Config.model_validate({"store": {"url": f"sqlite:///{sys.argv[1]}"}}), clock)
app.log.start()
before = set(sys.modules)
answers = Queue()
records = [
    {"id": str(n), "client": "acme", "model": "fraud", "features": {"a": n / 7, "b": "xyz"[n % 3]}, "prediction": "ok"}
    for n in range(20)
]
body = json.dumps(records).encode()
request = RawRequest(RecordKind.PREDICTIONS, body, "application/json", app.log.rules(), "", None)
app.log.submit([(request, answers.put)])
assert answers.get(timeout=300).accepted == 20
clock.set(1e9 + 3600)
assert app.tick().windows > 0
print(*sorted({name for name in set(sys.modules) - before}))
app.log.stop()
"""


def test_law_the_first_count_loads_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COUNTED, str(tmp_path / "a.db")]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_law_the_first_record_loads_nothing(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", STORED, str(tmp_path / "a.db")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
