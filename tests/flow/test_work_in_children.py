"""What child processes do for the daemon: killed at any moment it is done again, and nothing is lost or doubled."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.childprocess import ChildProcesses
from monitor.clock import ManualClock
from monitor.drift.learning import LearningContext, LearningTask, prepare
from monitor.drift.settings import DriftSettings
from monitor.maintenance.baseline_selection import BaselineSelector
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.compaction import compact
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.runtime.faults import Faults
from monitor.store import drift, predictions, profiles
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.windows.counting import count_new
from monitor.windows.settings import BaselineSettings, WindowSettings
from tests.support.log import outcome, send
from tests.support.streams import DAY, HALF_HOUR, load
from tests.support.thorough import THOROUGH

MOST_KILLED = 6 if THOROUGH else 2


@contextmanager
def killer(children: ChildProcesses, chance: random.Random) -> Iterator[list[int]]:
    """Kills some children at random moments of their lives."""
    killed: list[int] = []
    done = threading.Event()

    def kill() -> None:
        while len(killed) < MOST_KILLED and not done.wait(chance.random() * 2.5):
            for pid in children.pids():
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        done.set()
        thread.join()


def state(store: Store, stream: Stream) -> tuple[object, ...]:
    """What is to be the same, whatever was killed: profiles, rows of the log, the learned and its baseline."""
    with store.read() as connection:
        counted = [
            (one.window, one.layout, one.rows, one.blob)
            for one in profiles.between(connection, stream, HALF_HOUR, 0, 4e9)
        ]
        batches = sorted((one.window, one.rows) for one in predictions.batches(connection, stream, 0, 4e9))
        known = drift.calibration(connection, stream)
    return counted, batches, known and known.blob


def test_children_that_are_killed_at_random_moments_lose_and_double_nothing(tmp_path: Path) -> None:
    stream, now = Stream("acme", "fraud"), 1_800_000_000
    start = now - 9 * DAY
    settings = DriftSettings.model_validate({"window": "30m"})

    def work(folder: str, children: ChildProcesses, is_over: Callable[[tuple[object, ...]], bool]) -> Store:
        (tmp_path / folder).mkdir()
        store = Store(f"sqlite:///{tmp_path}/{folder}/state.db")
        migrate(store)
        load(store, [stream], start, 9, 2, 10)
        clock = ManualClock(float(now))
        log = PredictionLog(store, PredictionSettings(base_window=float(HALF_HOUR)), clock)
        log.start()
        for number in range(6):
            record = {"client": "acme", "model": "fraud", "timestamp": now - 7200, "features": {"f1": 1.0}}
            send(log, RecordKind.PREDICTIONS, [record | {"id": f"late-{number}", "prediction": "ok"}])
        send(log, RecordKind.OUTCOMES, outcome(id="late-3", truth="ok"))
        log.stop()
        count_new(store, WindowSettings(), now)
        named = {stream: BaselineSettings(rows=100)}
        keeper = BaselineSelector(store, HALF_HOUR, WindowSettings(), named, children)
        for attempt in range(200):
            at = now  # the same whatever was killed: what is made says when
            children._attempts._failing.clear()
            keeper.update(at)
            compact(store, now, runner=children)
            prepare(store, [LearningTask(stream, now)], LearningContext(settings, HALF_HOUR, at), children)
            if attempt and is_over(state(store, stream)):
                break
        return store

    # In children as well: the last bits of what is learned depend on how numpy computes in a process.
    plain = state(work("plain", ChildProcesses(Faults()), lambda _: True), stream)
    assert plain[2] is not None
    children = ChildProcesses(Faults())
    with killer(children, random.Random(5)) as killed:
        store = work("killed", children, lambda found: found == plain)
    assert state(store, stream) == plain
    assert killed
