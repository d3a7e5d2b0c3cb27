"""Laws of the drift decision on whole streams: what must not change a decision."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor import drift
from monitor.drift.columns import FIRST, starts
from tests.bench.streams import HOUR, REFERENCE, Drift, Spec, columns, windows

SPEC = Spec("over", 200, 10, seed=88, windows=60, drift=Drift("new category 2 %", REFERENCE + 10))
LIMIT = drift.parse("1 per 30 days").limit(HOUR)


def evidence(described: Sequence[drift.WatchedColumn], counted: list[drift.WindowCounts]) -> np.ndarray:
    """The evidence of each column and of all together, by window (windows, columns + 1)."""
    calibration = drift.fit(described, counted[:REFERENCE])
    limits, state = drift.limits(calibration.columns, LIMIT), drift.begin(calibration)
    seen = []
    for window in counted[REFERENCE:]:
        state, decision = drift.advance(calibration, state, window, limits)
        seen.append(decision.ratio * limits)
    return np.array(seen)


@pytest.fixture(scope="module")
def stream() -> list[drift.WindowCounts]:
    return list(windows(SPEC))


@pytest.fixture(scope="module")
def usual(stream: list[drift.WindowCounts]) -> np.ndarray:
    return evidence(columns(SPEC), stream)


def test_law_columns_that_never_vary_change_no_evidence_on_the_others(
    stream: list[drift.WindowCounts], usual: np.ndarray
) -> None:
    """They only take their share of the budget."""
    constant = [
        drift.WatchedColumn("constant label", drift.ColumnType.LABEL, 1, labels=("only",)),
        drift.WatchedColumn("constant number", drift.ColumnType.NUMBER, 1),
    ]
    beside = [replace(one, kept=np.append(one.counts, [0, 0, SPEC.n, 0] * 2)) for one in stream]
    with_it = evidence([*columns(SPEC), *constant], beside)
    assert with_it[:, SPEC.columns : -1].max() < 1
    np.testing.assert_allclose(with_it[:, : SPEC.columns], usual[:, : SPEC.columns], rtol=1e-9)
    np.testing.assert_allclose(with_it[:, -1], usual[:, -1], rtol=1e-9)
    decided, before = (
        found[:, : SPEC.columns] >= drift.limits(tuple(described), LIMIT)[: SPEC.columns]
        for found, described in ((with_it, [*columns(SPEC), *constant]), (usual, columns(SPEC)))
    )
    assert before.any()
    np.testing.assert_array_equal(decided, before)


def test_law_other_names_and_another_order_of_categories_change_nothing(
    stream: list[drift.WindowCounts], usual: np.ndarray
) -> None:
    described, rng = list(columns(SPEC)), np.random.default_rng(3)
    order = np.arange(int(starts(described)[-1]))
    for index, first in enumerate(starts(described)[:-1]):
        if described[index].kind is drift.ColumnType.LABEL:
            size = described[index].buckets
            moved = rng.permutation(size)
            order[first + FIRST : first + FIRST + size] = first + FIRST + moved
            names = tuple(f"{described[index].labels[place]}, renamed" for place in moved)
            described[index] = replace(described[index], labels=names)
    renamed = [replace(one, kept=one.counts[order]) for one in stream]
    np.testing.assert_allclose(evidence(described, renamed), usual, rtol=1e-6, atol=1e-9)


def test_law_the_counts_of_a_stream_in_two_parts_add_to_the_same_decision(
    stream: list[drift.WindowCounts], usual: np.ndarray
) -> None:
    rng = np.random.default_rng(4)
    parts = [rng.binomial(one.counts.astype(int), 0.3) for one in stream]
    added = [replace(one, kept=part + (one.counts - part)) for one, part in zip(stream, parts, strict=True)]
    np.testing.assert_array_equal(evidence(columns(SPEC), added), usual)
