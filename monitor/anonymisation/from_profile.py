"""A table like the rows that a profile has counted. Rows are not needed; how columns belong together is not known."""

import numpy as np
import pyarrow as pa

from monitor.anonymisation.cells import Cells, Floats, merged_ranges, of_labels
from monitor.anonymisation.from_rows import Anonymised
from monitor.errors import InputError
from monitor.windows.layout.layout import FIRST, FIRST_LABEL, MISSING, Column, ColumnKind
from monitor.windows.profile import Profile

_DRAWN = frozenset(
    {
        ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.SCORE, ColumnKind.DURATION, ColumnKind.CATEGORY,
        ColumnKind.BOOLEAN,
    }
)  # fmt: skip


def anonymise_profile(profile: Profile, rows: int, *, k: int, seed: int) -> Anonymised:
    """Draw `rows` rows from the histograms of a profile, each column independently. Deterministic for a seed.

    Raises:
        InputError: k or rows is too small, or no column has k rows.
    """
    if k < 2 or rows < 1:
        raise InputError(f"k is {k} and rows {rows}", hint="k is at least 2, rows at least 1")
    rng = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {}
    left_out: dict[str, str] = {}
    rare: dict[str, int] = {}
    for column in profile.layout.watched:
        name = column.name.removeprefix("features.")
        if column.kind not in _DRAWN or column.part:
            left_out[name] = f"{column.kind.value} cannot be drawn"
            continue
        cells = _cells(column, profile.overall.column(column.name).counts, k)
        if not cells.shares.any():
            left_out[name] = f"no value has {k} rows"
            continue
        values, missing = cells.draw(rng.random(rows))
        columns[column.name] = _array(values, missing, cells)
        rare |= {name: cells.rare} if cells.rare else {}
    if not columns:
        raise InputError(f"no column has {k} rows", hint="use a baseline with more rows, or a smaller k")
    return Anonymised(pa.table(columns), left_out, rare)


def _cells(column: Column, counts: Floats, k: int) -> Cells:
    gone = int(counts[MISSING])
    if column.labelled:
        return of_labels(list(column.labels), counts[FIRST_LABEL : FIRST_LABEL + len(column.labels)], gone, k)
    rows = counts[FIRST : FIRST + column.buckets]
    if column.atoms:
        low, share = column.edges[:-1][rows >= k], rows[rows >= k]
        made = Cells(np.concatenate([[0.0], share]), low, low)
    else:
        made = merged_ranges(column.edges, rows, k)
    shares = made.shares.copy()
    shares[0] = gone if gone >= k else 0.0
    return Cells(
        shares, made.low, made.high, (), int((rows[rows > 0] < k).sum()), column.kind is ColumnKind.INTEGER
    )


def _array(values: np.ndarray, missing: np.ndarray, cells: Cells) -> pa.Array:
    if cells.labels:
        return pa.array(
            [None if gone else cells.labels[at] for at, gone in zip(values, missing, strict=True)],
            pa.string(),
        )
    return pa.array(values, pa.float64(), mask=missing)
