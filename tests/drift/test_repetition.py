"""What repeats is told in words: a column that became constant, and rows that are sent again and again."""

from collections.abc import Callable

import numpy as np
import pytest

from monitor.drift.columns import ColumnType, Floats, Role, WatchedColumn, WindowCounts, starts
from monitor.drift.explain.repetition import Repetition, repetition
from monitor.records import Window

BUCKETS, NUMBERS, ROWS = 200, 5, 400
CUTS = np.linspace(-4, 4, BUCKETS + 1)
LABELS = ("web", "app", "shop")
COLUMNS = (
    *(WatchedColumn(f"features.n{i}", ColumnType.NUMBER, BUCKETS, edges=tuple(CUTS)) for i in range(NUMBERS)),
    WatchedColumn("features.channel", ColumnType.LABEL, len(LABELS), labels=LABELS),
    WatchedColumn("features.seen_at", ColumnType.PRESENCE, 0),
    WatchedColumn("prediction", ColumnType.LABEL, 2, Role.OUTPUT, labels=("no", "yes")),
)
Rows = np.ndarray
"""Shape (rows, columns): numbers, then the number of the label, then whether there is a value."""


def drawn(rng: np.random.Generator, rows: int) -> Rows:
    numbers = rng.normal(size=(rows, NUMBERS))
    labels = rng.choice(len(LABELS), rows, p=[0.5, 0.3, 0.2])
    return np.column_stack([numbers, labels, np.ones(rows), rng.random(rows) < 0.1])


def counted(rows: Rows) -> Floats:
    parts = []
    for column, values in zip(COLUMNS, rows.T, strict=True):
        if column.kind is ColumnType.NUMBER:
            places = 1 + np.searchsorted(CUTS, values, side="right")
        else:
            places = values.astype(int) + (1 if column.kind is ColumnType.PRESENCE else 2)
            places = np.minimum(places, column.size - 1)
        places = np.where(np.isnan(values), 0, places)
        parts.append(np.bincount(places, minlength=column.size).astype(float))
    assert [len(part) for part in parts] == np.diff(starts(COLUMNS)).tolist()
    return np.concatenate(parts)


REFERENCE = counted(drawn(np.random.default_rng(1), 30_000))


def said(change: Callable[[Rows, np.random.Generator], None], windows: int = 4, seed: int = 2) -> Repetition:
    """What is told of windows of `ROWS` rows that were changed."""
    rng = np.random.default_rng(seed)
    rows = drawn(rng, windows * ROWS)
    change(rows, rng)
    return repetition(
        COLUMNS,
        REFERENCE,
        [
            WindowCounts(Window(3600 * at, 3600 * at + 3600), counted(part))
            for at, part in enumerate(np.split(rows, windows))
        ],
    )


def repeating(share: float, distinct: int) -> Callable[[Rows, np.random.Generator], None]:
    def change(rows: Rows, rng: np.random.Generator) -> None:
        again = rng.random(len(rows)) < share
        rows[again] = rows[rng.integers(distinct, size=int(again.sum()))]

    return change


@pytest.mark.parametrize(("share", "distinct"), [(0.05, 1), (0.3, 1), (0.3, 4), (0.9, 2), (1.0, 1)])
def test_rows_that_are_sent_again_are_told_with_their_share_and_number(share: float, distinct: int) -> None:
    words = said(repeating(share, distinct)).rows
    told = "the same row" if distinct == 1 else f"the same {distinct} rows"
    assert f"look like {told}, sent again and again" in words
    assert float(words.removeprefix("about ").partition("%")[0]) == pytest.approx(100 * share, abs=4)
    assert "5 of the 5 inputs with many values repeat" in words


def nothing(rows: Rows, rng: np.random.Generator) -> None:
    pass


def shifted(rows: Rows, rng: np.random.Generator) -> None:
    rows[:, :NUMBERS] += 1.0


def narrower(rows: Rows, rng: np.random.Generator) -> None:
    rows[:, :NUMBERS] *= 0.2


def rounded(rows: Rows, rng: np.random.Generator) -> None:
    rows[:, :NUMBERS] = np.round(rows[:, :NUMBERS] * 2) / 2


def whole(rows: Rows, rng: np.random.Generator) -> None:
    rows[:, :NUMBERS] = np.round(rows[:, :NUMBERS])


def beyond(rows: Rows, rng: np.random.Generator) -> None:
    rows[:, :NUMBERS] *= 1000


def missing(rows: Rows, rng: np.random.Generator) -> None:
    rows[rng.random(len(rows)) < 0.5, :NUMBERS] = np.nan


def defaults(rows: Rows, rng: np.random.Generator) -> None:
    """Each column has its default in rows of its own number."""
    for index, share in enumerate((0.05, 0.1, 0.2, 0.4, 0.6)):
        rows[rng.random(len(rows)) < share, index] = 0.5


def one_source(rows: Rows, rng: np.random.Generator) -> None:
    """Two of five columns come from a join that finds nothing in some rows."""
    rows[rng.random(len(rows)) < 0.3, :2] = 0.5


@pytest.mark.parametrize(
    "change", [nothing, shifted, narrower, rounded, whole, beyond, missing, defaults, one_source]
)
@pytest.mark.parametrize("seed", range(3))
def test_other_changes_are_not_told_as_rows_that_repeat(
    change: Callable[[Rows, np.random.Generator], None], seed: int
) -> None:
    assert not said(change, seed=seed).rows


@pytest.mark.parametrize("change", [nothing, shifted, narrower, beyond, missing])
@pytest.mark.parametrize("seed", range(3))
def test_no_column_is_told_to_repeat_values_that_it_does_not(
    change: Callable[[Rows, np.random.Generator], None], seed: int
) -> None:
    assert not said(change, seed=seed).columns


def test_columns_that_became_constant_are_told_with_their_value() -> None:
    def constant(rows: Rows, rng: np.random.Generator) -> None:
        rows[ROWS:, 1], rows[2 * ROWS :, NUMBERS] = 0.02, 2

    told = said(constant)
    assert not told.rows
    assert told.columns["features.n1"].startswith(
        "constant, or nearly: all of the last 1,200 values are from 0 to 0.04"
    )
    assert told.columns["features.channel"].startswith("constant: all of the last 800 values are 'shop' (20%")
    assert len(told.columns) == 2


def test_few_values_that_are_alike_are_no_constant() -> None:
    def few(rows: Rows, rng: np.random.Generator) -> None:
        rows[:, 1] = np.nan
        rows[-10:, 1], rows[-10:, NUMBERS] = 0.02, 0

    assert not said(few).columns, "ten labels that half of the rows have, and ten numbers"


def test_one_value_that_a_column_repeats_is_told() -> None:
    words = said(one_source).columns
    assert set(words) == {"features.n0", "features.n1"}
    assert words["features.n0"].startswith("one value repeats: ")
    assert "from 0.48 to 0.52" in words["features.n0"]


def test_without_windows_nothing_is_told() -> None:
    assert repetition(COLUMNS, REFERENCE, []) == Repetition()
