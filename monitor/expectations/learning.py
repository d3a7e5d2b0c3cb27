"""Suggests expectations from rows without problems: the training data, or the rows of a baseline."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.expectations.expectation import Check, Expectation, Tier
from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names, numbers

FEWEST = 100
"""Fewer rows say too little about what is usual."""
_MOST_VALUES, _ROWS_A_VALUE = 50, 20
_MOST_RELATED = 30
_SAFETY = 10.0
"""In `n` rows, a value beyond all others is expected in about 2 of the next `n`: this many are tolerated."""
_SHAPES = (
    r"\d+",
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"\d{4}-\d{2}-\d{2}.*",
    r"[A-Z]{2}\d+",
)
_SKIPPED = frozenset(("timestamp", "error", "sampled", "weight"))


def suggest(rows: pa.RecordBatch) -> list[Expectation]:
    """Expectations that nearly all of the rows meet, columns as in a batch of the log.

    What no row violates tolerates the share that chance explains; a column with missing values twice its own share.
    """
    n = rows.num_rows
    suggestions: list[Expectation] = []
    ordered: dict[str, np.ndarray] = {}
    for name, array in zip(rows.schema.names, rows.columns, strict=True):
        if (
            name in _SKIPPED
            or name.startswith(("outcome.", "probabilities."))
            or pa.types.is_list(array.type)
        ):
            continue
        present = arrays.valid(array)
        if pa.types.is_floating(array.type):
            present = present & ~np.isnan(arrays.floats(array.cast(pa.float64())))
        missing = n - int(np.count_nonzero(present))
        if missing < n:
            tolerated = min(2 * missing / n + _SAFETY / n, 0.99) if missing else 0.0
            suggestions.append(Expectation(Check.PRESENT, name, {}, tolerated, Tier.WARNING))
            suggestions += _of_values(name, array.filter(pa.array(present)), _SAFETY / n)
            if name.startswith("features.") and pa.types.is_floating(array.type):
                ordered[name] = np.where(present, numbers(array).values, np.nan)
    return [*suggestions, *_relations(ordered, _SAFETY / n)]


def _of_values(name: str, known: pa.Array, tolerated: float) -> Iterator[Expectation]:
    tolerated = min(tolerated, 0.1)
    if name == "id":
        if len(pc.unique(known)) == len(known):
            yield Expectation(Check.UNIQUE, name, {}, 0.0, Tier.CRITICAL)
        return
    if pa.types.is_boolean(known.type):
        yield Expectation(Check.TYPE, name, {"type": "boolean"}, 0.0, Tier.CRITICAL)
        return
    if pa.types.is_floating(known.type) or pa.types.is_integer(known.type):
        values = numbers(known).values
        is_whole = bool(np.all(np.isfinite(values)) and np.all(values == np.rint(values)))
        yield Expectation(Check.TYPE, name, {"type": "integer" if is_whole else "number"}, 0.0, Tier.CRITICAL)
        finite = values[np.isfinite(values)]
        if finite.size:
            bounds = {"least": float(finite.min()), "most": float(finite.max())}
            yield Expectation(Check.RANGE, name, bounds, tolerated, Tier.WARNING)
        return
    yield Expectation(Check.TYPE, name, {"type": "text"}, 0.0, Tier.WARNING)
    encoded = names(known)
    texts = [text for text in pc.unique(encoded).to_pylist() if text is not None]
    if 0 < len(texts) <= min(_MOST_VALUES, len(known) / _ROWS_A_VALUE):
        yield Expectation(Check.ALLOWED, name, {"values": sorted(texts)}, tolerated, Tier.WARNING)
        return
    distinct = pa.array(texts, pa.string())
    for shape in _SHAPES:
        if texts and pc.all(pc.match_substring_regex(distinct, f"^(?:{shape})$")).as_py():
            yield Expectation(Check.PATTERN, name, {"regex": shape}, tolerated, Tier.WARNING)
            return


def _relations(columns: dict[str, np.ndarray], tolerated: float) -> Iterator[Expectation]:
    """Pairs of columns of which one is never larger, although their ranges overlap."""
    for one, other in permutations(list(columns)[:_MOST_RELATED], 2):
        a, b = columns[one], columns[other]
        both = ~np.isnan(a) & ~np.isnan(b)
        a, b = a[both], b[both]
        if a.size < FEWEST or not np.all(a <= b) or a.max() <= b.min() or np.all(a == b):
            continue
        text = f"{_reference(one)} <= {_reference(other)}"
        yield Expectation(Check.CONDITION, "", {"expression": text}, min(tolerated, 0.1), Tier.WARNING)


def _reference(column: str) -> str:
    name = column.removeprefix("features.")
    return column if name.isidentifier() and name.isascii() else f"features[{name!r}]"
