"""The bytes of profiles: their size, versions, and values at the edges of buckets."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.errors import UnreadableError
from monitor.store.checksums import seal, unseal
from monitor.windows import codec
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import from_table
from monitor.windows.layout.layout import LayoutMismatchError


@pytest.mark.parametrize(("rows", "most"), [(1000, 1000), (100_000, 4000), (3_000_000, 4000)])
def test_a_column_takes_few_bytes_at_any_size(rows, most):
    rng = np.random.default_rng(0)
    columns = 4
    table = pa.table({f"features.n{i}": rng.normal(size=50_000) for i in range(columns)})
    layout = from_table.of(table)
    batch = pa.RecordBatch.from_pydict({f"features.n{i}": rng.normal(size=rows) for i in range(columns)})
    blob = codec.encode(count(batch, layout))
    assert len(blob) / columns < most


def test_bytes_of_another_layout_or_version_are_refused():
    one = from_table.of(pa.table({"features.a": [1.0, 2.0]}))
    other = from_table.of(pa.table({"features.a": [1.0, 3.0]}))
    blob = codec.encode(count(pa.RecordBatch.from_pydict({"features.a": [1.0]}), one))
    with pytest.raises(LayoutMismatchError):
        codec.decode(blob, other)
    with pytest.raises(UnreadableError, match="version 2"):
        codec.decode(seal(unseal(blob).replace(b"\x98\x01", b"\x98\x02", 1)), one)


def test_a_value_never_falls_between_buckets():
    layout = from_table.of(pa.table({"features.a": [1.0, 2.0, 3.0]}))
    values = [None, float("nan"), float("-inf"), 0.0, 1.0, 1.5, 2.0, 3.0, 3.1, float("inf")]
    column = count(pa.RecordBatch.from_pydict({"features.a": values}), layout).overall.column("features.a")
    # missing, unreadable, NaN, -inf, below, [1, 2), [2, 3), [3, 3], above, +inf
    assert column.counts.tolist() == [1, 0, 1, 1, 1, 2, 1, 1, 1, 1]
    assert (column.n, column.missing, column.below, column.above) == (8, 2, 2, 2)
    assert column.mean == pytest.approx((0 + 1 + 1.5 + 2 + 3 + 3.1) / 6, abs=1e-3)
