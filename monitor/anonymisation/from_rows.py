"""A table like another one, drawn from its columns' cells and from how their ranks correlate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.anonymisation.cells import Cells, Floats, of_labels, of_numbers
from monitor.errors import InputError
from monitor.visible import counted

K = 10
"""Rows that share each value, label or range, unless told otherwise."""
_ROUNDS = 20
_UNIQUE = 0.5
"""Texts of which more than this part is distinct are ids or free text: no label of theirs is reproduced."""


@dataclass(frozen=True, slots=True, eq=False)
class Anonymised:
    """The table; why columns are left out, by name; and how many values of each column are not reproduced."""

    table: pa.Table
    left_out: Mapping[str, str] = field(default_factory=dict)
    rare: Mapping[str, int] = field(default_factory=dict)


def anonymise(table: pa.Table, rows: int, *, k: int = K, seed: int = 0) -> Anonymised:
    """Draw `rows` rows that are like those of `table`. Deterministic for a seed.

    Columns are numbers, times, booleans or labels; others are left out. Rows that equal a row of the table, or whose
    labels together are those of fewer than k rows, are not returned, so there may be fewer than `rows`.

    Raises:
        InputError: k or rows is too small, or the table has fewer than 2k rows or no column that can be drawn.
    """
    if k < 2 or rows < 1:
        raise InputError(f"k is {k} and rows {rows}", hint="k is at least 2, rows at least 1")
    if table.num_rows < 2 * k:
        raise InputError(
            f"only {counted(table.num_rows, 'row')}: 2k = {2 * k} are needed", hint="use more rows"
        )
    cells, codes, left_out = _columns(table, k)
    if not cells:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(f"no column can be drawn: {reasons[:500]}")
    rng = np.random.default_rng(seed)
    root = _root(codes)
    taken = _taken(table, cells, k)
    parts: list[pa.Table] = []
    for _ in range(_ROUNDS):
        missing = rows - sum(part.num_rows for part in parts)
        if missing <= 0:
            break
        drawn = _drawn(table, cells, root, missing, rng)
        parts.append(drawn.filter(pa.array([key not in taken for key in _keys(drawn)], pa.bool_())))
    rare = {name: one.rare for name, one in cells.items() if one.rare}
    return Anonymised(pa.concat_tables(parts), left_out, rare)


def _columns(table: pa.Table, k: int) -> tuple[dict[str, Cells], list[Floats], dict[str, str]]:
    """The cells of each column, the ranks of its rows, and why others are left out."""
    cells: dict[str, Cells] = {}
    codes: list[Floats] = []
    left_out: dict[str, str] = {}
    for name in dict.fromkeys(table.schema.names):
        column = (
            table.column(table.schema.get_field_index(name)) if table.schema.names.count(name) == 1 else None
        )
        if column is None:
            left_out[name] = "several columns have this name"
            continue
        result = _cells(column.combine_chunks(), k)
        if isinstance(result, str):
            left_out[name] = result
        else:
            cells[name], code = result
            codes.append(code)
    return cells, codes, left_out


def _cells(column: pa.Array, k: int) -> tuple[Cells, Floats] | str:
    """A column's cells and the order of its rows; or why it is left out."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    numbers = _numbers(column)
    if numbers is not None:
        values = numbers[np.isfinite(numbers)]
        made = of_numbers(values, len(numbers) - len(values), k)
        return (
            (made, np.where(np.isfinite(numbers), numbers, -np.inf))
            if made.shares.any()
            else "too few numbers"
        )
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return f"{column.type} cannot be drawn"
    counted = pc.value_counts(column.drop_null())
    labels = counted.field(0).to_pylist()
    if len(labels) > _UNIQUE * max(len(column) - column.null_count, 1):
        return "ids or free text: most values are unique"
    counts = counted.field(1).to_numpy(zero_copy_only=False).astype(float)
    made = of_labels(labels, counts, column.null_count, k)
    place = {label: at for at, label in enumerate(made.labels)}
    codes = [-1 if label is None else place.get(label, len(place)) for label in column.to_pylist()]
    return (made, np.array(codes, float)) if made.shares.any() else "too few labels"


def _numbers(column: pa.Array) -> Floats | None:
    """The values as float64, NaN where missing; None if they are no numbers or times."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_duration(kind):
        column = column.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _root(codes: list[Floats]) -> Floats:
    """A root of the correlation of the columns' normal scores, shape (columns, columns)."""
    rows = len(codes[0])
    scores = np.array([NormalDist().inv_cdf((at + 0.5) / rows) for at in range(rows)])
    normal = np.stack([scores[_ranks(code)] for code in codes])
    deviations = normal.std(axis=1, keepdims=True)
    normal = (normal - normal.mean(axis=1, keepdims=True)) / np.where(deviations > 0, deviations, 1.0)
    correlation = normal @ normal.T / rows
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    return np.asarray(root / np.sqrt((root**2).sum(axis=1, keepdims=True)))


def _ranks(codes: Floats) -> np.ndarray:
    """The middle rank of each value among all, from 0."""
    _, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle = (ends - counts + (counts - 1) / 2).astype(int)
    return np.asarray(middle[place])


def _drawn(
    table: pa.Table, cells: Mapping[str, Cells], root: Floats, rows: int, rng: np.random.Generator
) -> pa.Table:
    normal = root @ rng.standard_normal((root.shape[0], rows))
    columns = {}
    for at, (name, one) in enumerate(cells.items()):
        # Ranks instead of the normal distribution function: uniform in each draw, and cheaper.
        chance = (np.argsort(np.argsort(normal[at], kind="stable"), kind="stable") + rng.random(rows)) / rows
        values, missing = one.draw(chance)
        columns[name] = _typed(values, missing, one, table.schema.field(name).type)
    return pa.table(columns)


def _typed(values: np.ndarray, missing: np.ndarray, cells: Cells, kind: pa.DataType) -> pa.Array:
    """Drawn values in the type of the original column."""
    if cells.labels:
        texts = pa.array(
            [None if gone else cells.labels[at] for at, gone in zip(values, missing, strict=True)],
            pa.string(),
        )
        return texts.cast(pa.bool_()) if pa.types.is_boolean(kind) else texts
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.array(values, pa.float64(), mask=missing)
    whole = pa.array(np.where(missing, 0, np.rint(values)).astype(np.int64), pa.int64(), mask=missing)
    if pa.types.is_date32(kind):
        return whole.cast(pa.int32()).cast(kind)
    return whole.cast(kind, safe=False)


def _keys(table: pa.Table) -> list[str]:
    names = sorted(table.schema.names)
    return [repr(row) for row in zip(*(_plain(table.column(name)) for name in names), strict=True)]


def _plain(column: pa.ChunkedArray) -> list[object]:
    numbers = _numbers(column.combine_chunks())
    return (
        column.to_pylist()
        if numbers is None
        else [None if np.isnan(number) else number for number in numbers]
    )


def _taken(table: pa.Table, cells: Mapping[str, Cells], k: int) -> set[str]:
    """The rows that must not be drawn: every row of the table if a column is continuous, else those of fewer than k."""
    keys = _keys(table.select(list(cells)))
    if any(cell.is_continuous for cell in cells.values()):
        return set(keys)
    counts: dict[str, int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    return {key for key, count in counts.items() if count < k}
