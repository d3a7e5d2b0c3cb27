"""Does a rule over an hour cost more than one over ten minutes? Sliding windows over one-minute profiles."""

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from monitor.metrics import MetricSettings, Subject, measure
from monitor.records import Stream, Window
from monitor.store import profiles
from monitor.store.db import Store
from monitor.windows import baseline
from monitor.windows.count import count
from monitor.windows.counting import add_to_window
from monitor.windows.profile import Profile
from monitor.windows.reference import Baseline
from monitor.windows.rolling import Rolling
from tests.bench.fleet import MINUTE, START, minute_of_rows, model
from tests.bench.line import Line, against_goal, show
from tests.support.log import running

LENGTHS = (600, 3600)
_BEFORE, _TIMED = 130, 60


def slide(store: Store, base: Baseline, counted: Profile) -> dict[int, float]:
    """Median CPU seconds of a minute by length: put the last `length` seconds together and measure all of it.

    Each length has a stream of its own, whose sums no other length has made already; they take turns.
    """
    costs: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for length in LENGTHS:
        with store.write() as connection:
            baseline.save(connection, replace(base, stream=_stream(length)), START)
    for minute in range(_BEFORE + _TIMED):
        for length in LENGTHS:
            costs[length].append(_minute(store, base, counted, length, minute))
    return {length: statistics.median(found[_BEFORE:]) for length, found in costs.items()}


def _minute(store: Store, base: Baseline, counted: Profile, length: int, minute: int) -> float:
    stream, window = _stream(length), Window(START + minute * MINUTE, START + (minute + 1) * MINUTE)
    began = time.process_time()
    with store.write() as connection:
        add_to_window(connection, stream, window, counted, START)
        rolling = Rolling(connection, MINUTE, settled=window.end)
        looked_at = Window(window.end - length, window.end)
        profile = rolling.profile(stream, looked_at)
        measure(Subject(stream, looked_at, profile, base, MetricSettings()))
        for _, total in rolling.sums():
            profiles.put(connection, stream, [total], START)
    seconds = time.process_time() - began
    assert profile.rows == counted.rows * min(minute + 1, length // MINUTE)
    return seconds


def _stream(length: int) -> Stream:
    return Stream("bench", f"over {length} seconds")


def run() -> list[Line]:
    """Ten minutes against an hour; the goal is that both cost the same."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (_, store):
        base = model(Stream("bench", "0"), 0)
        counted = count(minute_of_rows(START, 100), base.layout)
        short, long = (1000 * seconds for seconds in slide(store, base, counted).values())
    work = "a minute of a rule over an hour (goal: over ten minutes)"
    return [show(against_goal(work, long, short, "ms CPU"))]


if __name__ == "__main__":
    run()
