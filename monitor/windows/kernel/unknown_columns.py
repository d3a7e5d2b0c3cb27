"""Features that are not in the layout: counted as tallies from their first window on, so that schema changes are
detected together with their values.

Numbers are counted in signed logarithmic buckets of 5 %, labels as they are.
"""

from functools import lru_cache

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names
from monitor.windows.kernel.count_column import Weights
from monitor.windows.kernel.tally import Tally, bounded
from monitor.windows.layout.layout import Layout

MOST_COLUMNS = 200
_STEP = np.log(1.05)
_PREFIX = "extra:"
_MOST_BUCKETS = 2**12


def count(rows: pa.RecordBatch, layout: Layout, weights: Weights) -> dict[str, Tally]:
    """Tallies of the features that are not in the layout, `extra:<name>`: rows, missing values, and values."""
    known = layout.sources
    unknown = [n for n in rows.schema.names if n.startswith("features.") and n not in known]
    return {f"{_PREFIX}{name}": _count(rows.column(name), weights) for name in unknown[:MOST_COLUMNS]}


def unknown_features(tallies: dict[str, Tally]) -> list[str]:
    """The names of the features in a slice that its layout does not contain."""
    return sorted(name.removeprefix(f"{_PREFIX}features.") for name in tallies if name.startswith(_PREFIX))


def _count(column: pa.Array, weights: Weights) -> Tally:
    each = np.full(len(column), weights.same) if weights.each is None else weights.each
    absent = ~arrays.valid(column)
    tally: Tally = {"#rows": float(each.sum()), "#missing": float(each[absent].sum())}
    if pa.types.is_floating(column.type):
        values = np.nan_to_num(arrays.floats(column.cast(pa.float64())))
        steps = _buckets(values)
        for step in np.unique(steps[~absent]).tolist():
            tally[_bucket(step)] = float(each[(steps == step) & ~absent].sum())
    elif pa.types.is_dictionary(column.type) or pa.types.is_boolean(column.type):
        encoded = names(column)
        codes = arrays.codes(encoded, len(encoded.dictionary))
        totals = np.bincount(codes, weights=each, minlength=len(encoded.dictionary) + 1)
        labels = encoded.dictionary.to_pylist()
        tally |= {f"label {labels[i]}": float(totals[i]) for i in np.flatnonzero(totals[:-1]).tolist()}
    return bounded(tally)


@lru_cache(_MOST_BUCKETS)
def _bucket(step: int) -> str:
    """The name of a bucket, of which there is one however many windows and features have it."""
    return f"bucket {step}"


def _buckets(values: np.ndarray) -> np.ndarray:
    """Signed logarithmic bucket numbers; 0 for zero, and one large number for values that are not finite."""
    size = np.clip(np.nan_to_num(np.abs(values), nan=1e30, posinf=1e30), 0.0, 1e30)
    steps = np.where(size < 1e-12, 0.0, np.floor(np.log(np.maximum(size, 1e-12)) / _STEP) + 600)
    return np.asarray(np.copysign(steps, np.where(np.isnan(values), 1.0, values)), np.int64)
