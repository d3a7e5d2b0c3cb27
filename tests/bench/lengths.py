"""Does a rule over an hour cost more than one over ten minutes? Sliding windows over one-minute profiles."""

import argparse
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
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.counting import add_to_window
from monitor.windows.kernel.count_rows import count
from monitor.windows.profile import Profile
from monitor.windows.rolling import Rolling
from tests.bench.fleet import MINUTE, START, minute_of_rows, model
from tests.bench.line import Line, against_goal, show
from tests.support.log import running

LENGTHS = (600, 3600)
_BEFORE, _TIMED = 130, 60


def slide(store: Store, base: Baseline, counted: Profile, *, spared: bool) -> dict[int, float]:
    """CPU seconds of a minute by length: put the last `length` seconds together and measure all of it. The median, or
    if measuring is `spared` while less than a twentieth of it is new, as the daemon does, the mean.

    Each length has a stream of its own, whose sums no other length has made already; they take round_robin.
    """
    costs: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for length in LENGTHS:
        with store.write() as connection:
            baseline.save(connection, replace(base, stream=_stream(length)), START)
    for minute in range(_BEFORE + _TIMED):
        for length in LENGTHS:
            looks = not spared or minute % max(1, length // MINUTE // 20) == 0
            costs[length].append(_minute(store, base, counted, length, minute, looks=looks))
    middle = statistics.fmean if spared else statistics.median
    return {length: middle(found[_BEFORE:]) for length, found in costs.items()}


def _minute(
    store: Store, base: Baseline, counted: Profile, length: int, minute: int, *, looks: bool
) -> float:
    stream, window = _stream(length), Window(START + minute * MINUTE, START + (minute + 1) * MINUTE)
    began = time.process_time()
    with store.write() as connection:
        add_to_window(connection, stream, window, counted, START)
    if looks:
        looked_at = Window(window.end - length, window.end)
        with store.read() as connection:
            rolling = Rolling(connection, MINUTE, settled=window.end)
            profile = rolling.profile(stream, looked_at)
            measure(Subject(stream, looked_at, profile, base, MetricSettings()))
            sums = rolling.sums()
        assert profile.rows == counted.rows * min(minute + 1, length // MINUTE)
        with store.write() as connection:
            profiles.put(connection, stream, [total for _, total in sums], START)
    return time.process_time() - began


def _stream(length: int) -> Stream:
    return Stream("bench", f"over {length} seconds")


def run() -> list[Line]:
    """Ten minutes against an hour, looked at each minute and as the daemon looks; both should cost the same."""
    base = model(Stream("bench", "0"), 0)
    counted = count(minute_of_rows(START, 100), base.layout)
    lines = []
    for work, spared in (("each minute", False), ("as the daemon does", True)):
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (_, store):
            costs = slide(store, base, counted, spared=spared)
        short, long = (1000 * seconds for seconds in costs.values())
        title = f"a minute of a rule over an hour, {work} (goal: ten minutes)"
        lines.append(show(against_goal(title, long, short, "ms CPU")))
    return lines


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    run()
