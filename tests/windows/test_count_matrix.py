"""Few rows are counted for many columns at once, to the same bits as column by column."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.windows.kernel.count_column import Weights, count_matrix, count_numbers, fits_matrix
from monitor.windows.kernel.exact_sums import SumArrays
from monitor.windows.layout import edges
from monitor.windows.layout.build import assemble
from monitor.windows.layout.layout import ColumnKind, Layout
from monitor.windows.profile import Slice, empty
from tests.support.thorough import examples

_values = st.none() | st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0, 1e308, -1e308, 5e-324, 1e17])
_column = st.lists(_values, min_size=1, max_size=30)


def target(part: Slice) -> SumArrays:
    return SumArrays(part.counts, part.sums, part.extremes)


@st.composite
def cases(draw) -> tuple[Layout, list[pa.Array], float]:
    """A layout learned from some values, a batch of others, and what a row of it counts for."""
    rows = draw(st.integers(1, 12))
    learned = [draw(_column) for _ in range(draw(st.integers(1, 4)))]
    with np.errstate(all="ignore"):  # sums beyond float64 are no concern here
        columns = [
            edges.numbers(f"features.{at}", np.array(values, np.float64)) for at, values in enumerate(learned)
        ]
    columns.append(edges.duration("features.latency", 0.01, 1e7))
    batch = [pa.array(draw(st.lists(_values, min_size=rows, max_size=rows)), pa.float64()) for _ in columns]
    return assemble((), columns), batch, draw(st.sampled_from([1.0, 2.0, 1.5, 1000.0, 1 / 1024]))


@settings(max_examples=examples(50))
@given(cases())
def test_together_or_apart_the_counts_are_the_same(case):
    layout, batch, same = case
    together, apart = empty(layout), empty(layout)
    with np.errstate(all="ignore"):
        for column, array in zip(layout.columns, batch, strict=True):
            count_numbers(column, array, Weights(same), target(apart))
    for _ in range(2):  # adding to what is there already is the same as well
        count_matrix(layout.columns, batch, same, target(together))
    with np.errstate(all="ignore"):
        for column, array in zip(layout.columns, batch, strict=True):
            count_numbers(column, array, Weights(same), target(apart))
    assert np.array_equal(together.counts, apart.counts)
    assert np.array_equal(together.sums, apart.sums)
    assert np.array_equal(together.extremes, apart.extremes)


def test_only_numbers_that_are_read_as_they_are_fit():
    number = edges.numbers("features.x", np.arange(5.0))
    assert fits_matrix(number, pa.array([1.0]))
    assert not fits_matrix(number, pa.array(["1"]).dictionary_encode())
    assert not fits_matrix(number, pa.array([True]))
    assert number.kind is ColumnKind.NUMBER
