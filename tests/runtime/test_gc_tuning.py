"""What lives on is looked at once, and what becomes garbage is still found."""

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.runtime.gc_tuning import PauseTimes


class Ring:
    """Refers to itself: only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def clock() -> Iterator[list[float]]:
    """The times that the collector's callback reads, one after the other; the last one for ever."""
    times = [0.0]
    callback = PauseTimes(lambda: times.pop(0) if len(times) > 1 else times[0])
    gc.collect()
    gc.callbacks.append(callback)
    yield times
    gc.callbacks.remove(callback)
    gc.unfreeze()
    gc.collect()
    gc.freeze()  # as tests/conftest.py leaves it


def test_what_survives_a_long_look_is_set_aside(clock: list[float]) -> None:
    clock[:] = [1.0, 1.03]
    gc.collect()
    assert gc.get_freeze_count() > 1000


def test_after_a_short_look_nothing_is_set_aside(clock: list[float]) -> None:
    before = gc.get_freeze_count()
    clock[:] = [1.0, 1.01]
    gc.collect()
    assert gc.get_freeze_count() == before


def test_garbage_that_was_set_aside_is_found_within_the_hour(clock: list[float]) -> None:
    ring = Ring()
    found = weakref.ref(ring)
    clock[:] = [1.0, 1.03]
    gc.collect()
    del ring
    clock[:] = [2.0, 2.01]
    gc.collect()
    assert found() is not None, "set aside: not looked at"
    clock[:] = [3700.0, 3700.01]
    gc.collect()
    assert found() is None


def test_garbage_that_came_later_is_found_at_once(clock: list[float]) -> None:
    clock[:] = [1.0, 1.03]
    gc.collect()
    found = weakref.ref(Ring())
    gc.collect()
    assert found() is None


STARTED = """\
import gc, sys
from pathlib import Path
from monitor.cli.daemon import run
from monitor.app import App
App.serve = lambda *_: print(gc.get_freeze_count(), len(gc.get_objects()))
run(Path(sys.argv[1]))
"""


def test_what_the_start_made_is_set_aside_before_the_first_request(tmp_path: Path) -> None:
    config = tmp_path / "watchkeeper.yaml"
    config.write_text(f'store: {{url: "sqlite:///{tmp_path}/a.db"}}\nweb: {{listen: "127.0.0.1:9"}}\n')
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", STARTED, str(config)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    aside, others = map(int, run.stdout.split())
    assert aside > 20 * others
