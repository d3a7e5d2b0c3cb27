"""Many rows are counted on a grid, to the same bits as when they are sorted."""

from weakref import WeakKeyDictionary, ref

import numpy as np
import pyarrow as pa
import pytest

from monitor.windows.kernel import grid
from monitor.windows.kernel.count_column import Weights, count_numbers
from monitor.windows.kernel.exact_sums import SumArrays
from monitor.windows.layout import edges
from monitor.windows.layout.build import assemble
from monitor.windows.layout.layout import Column, ColumnKind
from monitor.windows.profile import Slice, empty

ROWS = 3 * grid.MOST_ROWS + 17
_RNG = np.random.default_rng(7)
_NORMAL = _RNG.normal(3.0, 2.0, ROWS)
SHAPES = {
    "normal": _NORMAL,
    "far from zero": _NORMAL + 1e9,
    "lognormal": _RNG.lognormal(3.0, 0.5, ROWS),
    "heavy tails": _RNG.standard_cauchy(ROWS),
    "half of them zero": np.where(_RNG.random(ROWS) < 0.5, 0.0, _NORMAL),
    "whole numbers": np.rint(_NORMAL * 100.0),
    "cents": np.rint(_NORMAL * 1e5) / 100.0,
    "one value": np.full(ROWS, 4.25),
    "tiny": _NORMAL * 1e-300,
    "huge": _NORMAL * 1e300,
    "infinite ones": np.where(_RNG.random(ROWS) < 0.001, -np.inf, _NORMAL),
    "nearly all missing": np.where(_RNG.random(ROWS) < 0.999, np.nan, _NORMAL),
    "in order": np.sort(_NORMAL),
}


def target(part: Slice) -> SumArrays:
    return SumArrays(part.counts, part.sums, part.extremes)


def counted(column: Column, values: np.ndarray, same: float, rows_at_a_time: int) -> Slice:
    """Count the values as an Arrow column in which some are missing, so many at a time."""
    layout = assemble((), [column])
    part = empty(layout)
    missing = np.random.default_rng(1).random(values.size) < 0.02
    array = pa.array(values, pa.float64(), mask=missing)
    with np.errstate(all="ignore"):
        for start in range(0, values.size, rows_at_a_time):
            count_numbers(layout.columns[0], array.slice(start, rows_at_a_time), Weights(same), target(part))
    return part


def assert_same(column: Column, values: np.ndarray, same: float = 1.0) -> None:
    """All at once, in parts that are too small for a grid, and in parts of both kinds."""
    sorted_ones = counted(column, values, same, grid.FEWEST_ROWS - 1)
    for found in (counted(column, values, same, values.size), counted(column, values, same, 3_333)):
        assert np.array_equal(found.counts, sorted_ones.counts)
        assert np.array_equal(found.sums, sorted_ones.sums)
        assert np.array_equal(found.extremes, sorted_ones.extremes)


def learned(values: np.ndarray) -> Column:
    with np.errstate(all="ignore"):
        return edges.numbers("features.x", values)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("learned_from", SHAPES)
def test_on_a_grid_or_sorted_the_counts_are_the_same(shape, learned_from):
    assert_same(learned(SHAPES[learned_from]), SHAPES[shape])


@pytest.mark.parametrize("same", [2.0, 1 / 1024, 1000.0])
def test_rows_may_count_for_more_or_less_than_one(same):
    assert_same(learned(_NORMAL), _NORMAL, same)


@pytest.mark.parametrize(
    "column", [edges.score("features.x"), edges.duration("features.x", 0.01, 1e7)], ids=["score", "duration"]
)
def test_buckets_that_no_baseline_gave_are_counted_alike(column):
    for values in (_RNG.beta(8.0, 2.0, ROWS), SHAPES["lognormal"], _NORMAL):
        assert_same(column, values)


def test_values_on_an_edge_or_between_two_cells_are_on_its_upper_side():
    column = learned(_NORMAL)
    edge = column.edges[_RNG.integers(0, column.edges.size, ROWS)]
    steps = np.rint(_NORMAL / column.unit)
    ties = (steps + 0.5) * column.unit
    for values in (edge, np.nextafter(edge, -np.inf), np.nextafter(edge, np.inf), ties):
        assert_same(column, values)


def test_the_grid_is_used_where_it_is_meant_to_be(monkeypatch):
    left: list[int] = []
    whole = grid.count_on_grid

    def watched(column: Column, values: np.ndarray, *others: object) -> np.ndarray:
        rest = whole(column, values, *others)  # type: ignore[arg-type]
        left.append(rest.size)
        return rest

    monkeypatch.setattr("monitor.windows.kernel.count_column.count_on_grid", watched)
    counted(learned(_NORMAL), _NORMAL, 1.0, ROWS)
    assert len(left) == 4  # parts of 32,768 rows, and what is left
    assert sum(left) == 0


def test_no_more_tables_are_kept_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(grid, "_GRIDS", WeakKeyDictionary())
    monkeypatch.setattr(grid, "_CACHE_SIZE", 3)
    columns = [learned(_NORMAL * scale) for scale in (1.0, 2.0, 3.0, 5.0)]
    for column in (*columns, *columns):
        assert grid.grid_of(column) is grid.grid_of(column) is not None
        assert 1 <= len(grid._GRIDS) <= 3


def test_a_table_goes_with_its_column():
    column = learned(_NORMAL)
    grid.grid_of(column)
    tables = len(grid._GRIDS)
    gone = ref(column)
    del column
    assert gone() is None
    assert len(grid._GRIDS) == tables - 1


def test_edges_of_a_baseline_run_between_cells_but_for_the_deciles_and_the_ends():
    column = learned(_NORMAL)
    at = np.rint(column.edges / column.unit)
    through = at == np.rint(np.nextafter(column.edges, -np.inf) / column.unit)
    assert column.kind is ColumnKind.NUMBER
    assert through.sum() <= 0.1 * edges.MOST_BUCKETS
    assert (np.diff(column.edges) > 0).all()
    ordered = np.sort(_NORMAL)
    first = np.searchsorted(ordered, column.edges)
    assert np.isin(np.arange(10) * ordered.size // 10, first).all()
    narrow = np.searchsorted(ordered.astype(np.float32).astype(float), column.edges)
    assert (narrow == first)[:: edges.MOST_BUCKETS // 10].all()
    assert np.abs(np.diff(np.searchsorted(ordered, column.edges)) - ROWS / 1000).max() < 0.5 * ROWS / 1000
