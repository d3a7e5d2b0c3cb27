"""From profiles to watched columns."""

import numpy as np
import pyarrow as pa

from monitor.drift.columns import ColumnType, Role, WindowCounts, packed, starts, total
from monitor.drift.profile_columns import adapter
from monitor.records import Window
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import from_table

WINDOW = Window(0, 3600)


def rows(amounts: list[float | None], countries: list[str | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "features.amount": pa.array(amounts, pa.float64()),
            "features.country": pa.array(countries, pa.string()).dictionary_encode(),
            "prediction": pa.array(["yes"] * len(amounts)).dictionary_encode(),
        }
    )


def test_features_and_outputs_are_watched_with_every_row_in_its_place() -> None:
    rng = np.random.default_rng(1)
    table = rows(list(rng.normal(size=2000)), list(rng.choice(["DE", "FR"], 2000)))
    layout = from_table.of(pa.Table.from_batches([table]))
    watched = adapter(layout)
    by_name = {column.name: (index, column) for index, column in enumerate(watched.columns)}
    assert by_name["prediction"][1].role is Role.OUTPUT
    assert by_name["features.amount"][1].kind is ColumnType.NUMBER

    window = rows([0.0, 99.0, -99.0, None, 0.1], ["DE", "XX", None, "FR", "DE"])
    counts = watched.counts(count(window, layout), WINDOW).counts
    bounds = starts(watched.columns)
    index, _ = by_name["features.amount"]
    amount = counts[bounds[index] : bounds[index + 1]]
    assert (amount[0], amount[1], amount[-1], amount.sum()) == (1, 1, 1, 5)
    index, column = by_name["features.country"]
    country = counts[bounds[index] : bounds[index + 1]]
    assert (country[0], country[1], country.sum()) == (1, 1, 5)
    assert country[2 + column.labels.index("DE")] == 2


def test_no_row_is_lost_or_doubled_in_any_column() -> None:
    rng = np.random.default_rng(2)
    table = rows(list(rng.normal(size=500)), list(rng.choice(["DE", "FR", "IT"], 500)))
    layout = from_table.of(pa.Table.from_batches([table]))
    watched = adapter(layout)
    counts = watched.counts(count(table, layout), WINDOW).counts
    bounds = starts(watched.columns)
    sums = {
        column.name: counts[first:stop].sum()
        for column, first, stop in zip(watched.columns, bounds[:-1], bounds[1:], strict=True)
        if column.name != "confidence"
    }
    assert set(sums.values()) == {500}


def test_slices_are_put_together_before_or_after_they_are_watched() -> None:
    rng = np.random.default_rng(2)
    table = rows(list(rng.normal(size=500)), list(rng.choice(["DE", "FR"], 500)))
    layout = from_table.of(pa.Table.from_batches([table]))
    watched = adapter(layout)
    plain = [count(table.slice(first, 100), layout).overall for first in range(0, 500, 100)]
    before = [one.counts.copy() for one in plain]
    assert np.array_equal(watched.of_slices(plain), sum(watched.of_slice(one) for one in plain))
    assert all(np.array_equal(one.counts, known) for one, known in zip(plain, before, strict=True))
    heavy = [
        count(table.slice(first, 100).append_column("weight", pa.array(np.full(100, weight))), layout).overall
        for first, weight in ((0, 10.0), (100, 10.0), (200, 3.0))
    ]
    apart = np.sum([watched.of_slice(one) for one in (*heavy, *plain)], axis=0)
    assert np.allclose(watched.of_slices([*heavy, *plain]), apart, rtol=1e-12)


def test_counts_are_kept_in_few_bytes_only_where_they_are_whole() -> None:
    whole, parts = np.array([0.0, 300.0, 7.0]), np.array([0.0, 1.5])
    assert packed(whole).dtype == np.uint16
    assert np.array_equal(WindowCounts(WINDOW, packed(whole)).counts, whole)
    assert packed(parts).dtype == np.float64
    held = [WindowCounts(WINDOW, packed(whole)) for _ in range(300)]
    assert np.array_equal(total(held), 300 * whole)
