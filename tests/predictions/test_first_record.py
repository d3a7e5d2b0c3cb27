"""The first record is stored as fast as the others: what its way needs was loaded before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STORED = """\
import json, sys
from queue import Queue
from monitor.clock import ManualClock
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.runtime.imports import without_extras, without_masked_arrays, without_pandas
from monitor.store.db import Store
from monitor.store.migrate import migrate

without_pandas()
without_extras()
if sys.argv[2] == "daemon":
    without_masked_arrays()
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


@pytest.mark.parametrize("process", ["daemon", "another"])
def test_law_the_first_record_loads_nothing(tmp_path: Path, process: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", STORED, str(tmp_path / "a.db"), process],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
