"""Counts for Prometheus, held against the rows they were taken from."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.exporters.monotonic_counter import MonotonicCounter
from monitor.exporters.prediction_counters import (
    DURATION_BOUNDS,
    MOST_NAMES,
    OTHER,
    SCORE_BOUNDS,
    PredictionCounters,
)
from monitor.records import Stream, Window
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.layout.layout import Layout

FRAUD = Stream("acme", "fraud")
WINDOW = Window(1_000_000_020 - 60, 1_000_000_020)
NOW = float(WINDOW.end)


def batch(seed: int, amount: int = 4000) -> pa.RecordBatch:
    chance = np.random.default_rng(seed)
    versions = chance.choice(["6", "7", None], amount)
    errors = chance.choice(["Timeout", "Refused", None, None, None], amount)
    return pa.RecordBatch.from_pydict(
        {
            "timestamp": pa.array(np.full(amount, WINDOW.start * 1_000_000), pa.int64()),
            "version": pa.array(versions.tolist()).dictionary_encode(),
            "error": pa.array(errors.tolist()).dictionary_encode(),
            "latency_ms": pa.array(chance.gamma(3, 30, amount)),
            "confidence": pa.array(chance.random(amount)),
        }
    )


def layout() -> Layout:

    return BARE


@pytest.fixture
def rows() -> list[pa.RecordBatch]:
    return [batch(1), batch(2), batch(3)]


@pytest.fixture
def totals(rows: list[pa.RecordBatch]) -> PredictionCounters:
    made = PredictionCounters()
    for one in rows:
        made.add(FRAUD, WINDOW, count(one, layout()), NOW)
    return made


@pytest.mark.parametrize("version", ["6", "7", ""])
def test_predictions_and_errors_are_those_of_the_rows(
    totals: PredictionCounters, rows: list[pa.RecordBatch], version: str
) -> None:
    part = totals.streams()[FRAUD].parts[version]
    mine = [
        error
        for one in rows
        for own, error in zip(one["version"].to_pylist(), one["error"].to_pylist(), strict=True)
        if (own or "") == version
    ]
    assert part.predictions == len(mine)
    assert part.errors == {kind: mine.count(kind) for kind in ("Timeout", "Refused")}


def test_durations_fall_into_prometheus_buckets_within_the_width_of_ours(
    totals: PredictionCounters, rows: list[pa.RecordBatch]
) -> None:
    seconds = np.concatenate([one["latency_ms"].to_numpy() for one in rows]) / 1000
    parts = totals.streams()[FRAUD].parts.values()
    found = np.sum([part.durations for part in parts], axis=0)
    for bound, at_most in zip(DURATION_BOUNDS, found, strict=False):
        assert (seconds <= bound / 1.021).sum() <= at_most <= (seconds <= bound).sum()
    assert found[-1] == len(seconds)
    assert sum(part.seconds for part in parts) == pytest.approx(seconds.sum(), rel=1e-4)


def test_scores_of_what_was_answered_fall_into_tenths(
    totals: PredictionCounters, rows: list[pa.RecordBatch]
) -> None:
    scores = np.concatenate(
        [one["confidence"].to_numpy()[np.asarray(one["error"].is_null())] for one in rows]
    )
    found = totals.streams()[FRAUD].scores
    for bound, below in zip(SCORE_BOUNDS, found, strict=False):
        assert below == (scores < bound).sum() or bound == 1.0
    assert found[-1] == len(scores)


def test_history_is_no_traffic(rows: list[pa.RecordBatch]) -> None:
    made = PredictionCounters()
    made.add(FRAUD, WINDOW, count(rows[0], layout()), NOW + 7200)
    assert made.streams() == {}


def test_a_count_that_shrinks_with_its_rows_stays_where_it_is() -> None:
    counter: MonotonicCounter[str] = MonotonicCounter()
    assert counter.follow({"a": 5}) == {"a": 5}
    assert counter.follow({"a": 8}) == {"a": 8}
    assert counter.follow({"a": 2}) == {"a": 8}
    assert counter.follow({"a": 4}) == {"a": 10}
    assert counter.follow({}) == {"a": 10}


def test_versions_and_errors_that_a_sender_makes_up_are_counted_together_at_last():
    totals = PredictionCounters()
    for minute in range(12):
        names = [f"{minute}-{number}" for number in range(40)]
        rows = pa.RecordBatch.from_pydict(
            {
                "timestamp": pa.array(np.full(40, WINDOW.start * 1_000_000), pa.int64()),
                "version": pa.array(names).dictionary_encode(),
                "error": pa.array(names).dictionary_encode(),
            }
        )
        totals.add(FRAUD, WINDOW, count(rows, layout()), NOW)
    (counted,) = totals.streams().values()
    assert len(counted.parts) == MOST_NAMES + 1
    assert OTHER in counted.parts
    assert sum(part.predictions for part in counted.parts.values()) == 12 * 40
    assert all(len(part.errors) <= MOST_NAMES + 1 for part in counted.parts.values())
    assert sum(sum(part.errors.values()) for part in counted.parts.values()) == 12 * 40
