"""The same work with Watchkeeper, while the baseline is in memory. Whole processes run the real command instead."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

import monitor
from monitor.metrics import MetricSettings, Subject, measure
from monitor.metrics.drift import column_drift, presence
from monitor.records import Stream, Window
from monitor.sources.files.tables import read_table
from monitor.windows import codec
from monitor.windows.baseline_from_table import Baseline, conform, from_table
from monitor.windows.kernel.count_rows import count

STREAM = Stream("bench", "bench")


def kept(reference: Path, current: Path) -> dict[str, float]:
    """The current window alone, from an Arrow batch to every verdict; the best of ten."""
    base, rows = _baseline(reference), _rows(current)
    found = 0

    def work() -> None:
        nonlocal found
        found = len(measure(_subject(base, rows)))

    return {"seconds": _best_in_turns(work=work)["work"], "figures": found}


def shares(reference: Path, current: Path) -> dict[str, float]:
    """What the parts of a window cost (CPU seconds), and the bytes of a column's profile."""
    base, rows = _baseline(reference), _rows(current)
    some, subject, columns = rows.slice(0, 10_000), _subject(base, rows), len(base.layout.watched)

    def drift() -> None:
        fresh = _subject(base, rows)
        for family in (column_drift.measure, presence.measure):
            family(fresh)

    cost = _best_in_turns(
        whole=lambda: measure(_subject(base, rows)),
        drift=drift,
        row_100k=lambda: count(rows, base.layout),
        tick=lambda: [measure(_subject(base, some)) for _ in range(10)],
        row_10k=lambda: [count(some, base.layout) for _ in range(10)],
    )
    return {
        "whole": cost["whole"],
        "drift": cost["drift"],
        "tick": cost["tick"] / 10,
        "row_10k": cost["row_10k"] / 100_000 * 1e6,
        "row_100k": cost["row_100k"] / rows.num_rows * 1e6,
        "bytes_1000": len(codec.encode(count(rows.slice(0, 1000), base.layout))) / columns,
        "bytes_all": len(codec.encode(subject.profile)) / columns,
    }


def _baseline(path: Path) -> Baseline:
    return from_table(STREAM, read_table(path).rows, 0.0)


def _rows(path: Path) -> pa.RecordBatch:
    return conform(read_table(path).rows).combine_chunks().to_batches()[0]


def _subject(base: Baseline, rows: pa.RecordBatch) -> Subject:
    return Subject(STREAM, Window(0, 60), count(rows, base.layout), base, MetricSettings())


def _best_in_turns(**works: Callable[[], object]) -> dict[str, float]:
    """The least CPU seconds of each work, in turns, so that a busy moment hits all of them."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(10):
        for name, work in works.items():
            began = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - began)
    return best


if __name__ == "__main__":
    mode, *paths = sys.argv[1:4]
    told = {"kept": kept, "shares": shares}[mode](Path(paths[0]), Path(paths[1]))
    print(json.dumps(told | {"version": monitor.__version__}))
