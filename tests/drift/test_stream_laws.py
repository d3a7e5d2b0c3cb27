"""Laws of the drift decision on whole streams: what must not change a decision."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from monitor import drift
from monitor.drift.columns import FIRST, starts
from monitor.drift.profile_columns import adapter
from monitor.records import Window
from monitor.windows.baseline_from_table import conform
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import from_table
from monitor.windows.profile import merge
from tests.bench.streams import HOUR, MONDAY, REFERENCE, Drift, Spec, columns, windows

SPEC = Spec("over", 200, 10, seed=88, windows=60, drift=Drift("new category 2 %", REFERENCE + 10))
LIMIT = drift.parse("1 per 30 days").limit(HOUR)


def evidence(
    described: Sequence[drift.WatchedColumn], counted: list[drift.WindowCounts], known: int = REFERENCE
) -> np.ndarray:
    """The evidence of each column and of all together, by window after the `known` ones (windows, columns + 1)."""
    calibration = drift.fit(described, counted[:known])
    limits, state = drift.limits(calibration.columns, LIMIT), drift.begin(calibration)
    seen = []
    for window in counted[known:]:
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


def test_law_a_column_that_varies_and_does_not_move_changes_no_decision_on_the_others(
    stream: list[drift.WindowCounts], usual: np.ndarray
) -> None:
    """It lends and borrows some of the shape of the tails, so the logarithm of evidence may differ by hundredths."""
    rng = np.random.default_rng(5)
    still = drift.WatchedColumn("still", drift.ColumnType.LABEL, 2, labels=("a", "b"))
    drawn = rng.binomial(SPEC.n, 0.4, len(stream))
    beside = [
        replace(one, kept=np.append([0, 0, few, SPEC.n - few, 0], one.counts))
        for one, few in zip(stream, drawn, strict=True)
    ]
    described = [still, *columns(SPEC)]
    with_it = evidence(described, beside)
    np.testing.assert_allclose(np.log1p(with_it[:, 1:-1]), np.log1p(usual[:, :-1]), rtol=0, atol=0.1)
    decided = with_it >= drift.limits(tuple(described), LIMIT)
    alone = usual[:, :-1] >= drift.limits(columns(SPEC), LIMIT)[:-1]
    assert not decided[:, 0].any()
    assert alone.any()
    np.testing.assert_array_equal(decided[:, 1:-1], alone)


def test_law_the_profiles_of_a_stream_in_two_parts_add_to_the_same_decision() -> None:
    rng = np.random.default_rng(4)
    hours, known, n = 220, 180, 60
    tables = [_rows(rng, n, shift=0.8 * (hour >= 200)) for hour in range(hours)]
    layout = from_table.of(pa.concat_tables(tables[:known]), with_relations=True)
    watched = adapter(layout)
    whole, added = [], []
    for hour, table in enumerate(tables):
        window = Window(MONDAY + hour * HOUR, MONDAY + (hour + 1) * HOUR)
        mine = rng.random(n) < 0.3
        parts = [count(_batch(table.filter(pa.array(chosen))), layout) for chosen in (mine, ~mine)]
        assert all(part.rows for part in parts)
        whole.append(watched.counts(count(_batch(table), layout), window))
        added.append(watched.counts(merge(parts), window))
    expected = evidence(watched.columns, whole, known)
    assert (expected >= drift.limits(watched.columns, LIMIT)).any()
    np.testing.assert_array_equal(evidence(watched.columns, added, known), expected)


def _rows(rng: np.random.Generator, n: int, shift: float) -> pa.Table:
    amount, age = rng.normal(size=n) + shift, rng.normal(size=n)
    missing = rng.random(n) < 0.1
    return pa.table(
        {
            "features.amount": pa.array(amount, mask=missing),
            "features.age": age + amount / 2,
            "features.country": rng.choice(["DE", "FR", "IT"], n, p=[0.6, 0.3, 0.1]),
            "prediction": np.where(amount + age > 0, "yes", "no"),
        }
    )


def _batch(table: pa.Table) -> pa.RecordBatch:
    return conform(table).combine_chunks().to_batches()[0]
