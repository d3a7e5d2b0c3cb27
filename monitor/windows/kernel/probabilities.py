"""The class probabilities of rows: normalized names, scaled to one, and their uncertainty."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.windows.layout.expected_answers import joins_of
from monitor.windows.layout.layout import Column, Floats, Layout

PROBABILITIES = "probabilities."
"""Prefix of the columns that hold the probability of a class."""


def known_classes(layout: Layout) -> list[str]:
    """The columns of the classes that have probabilities in the baseline."""
    return [column.name for column in layout.columns if column.name.startswith(PROBABILITIES)]


def under_known_names(rows: pa.RecordBatch, layout: Layout) -> pa.RecordBatch:
    """Rename probabilities of `True` or `1.0` to the baseline's names, such as `true` and `1`."""
    names = rows.schema.names
    other = [n for n in names if n.startswith(PROBABILITIES) and n not in layout.by_name]
    if not other:
        return rows
    key = joins_of(layout).key
    absent = {key(n.removeprefix(PROBABILITIES)): n for n in known_classes(layout) if n not in names}
    if not absent:
        return rows
    renamed = {n: absent.pop(key(n.removeprefix(PROBABILITIES)), n) for n in other}
    return pa.RecordBatch.from_arrays(rows.columns, names=[renamed.get(n, n) for n in names])


def probabilities(rows: pa.RecordBatch, columns: Iterable[str]) -> Floats:
    """Probabilities of the classes, each row scaled to a sum of one, NaN where a row has none, shape (n, classes).

    A class that a row does not name has the probability 0.
    """
    present = set(rows.schema.names)
    unknown = np.full(rows.num_rows, np.nan)
    raw = np.stack(
        [arrays.floats(rows.column(name)) if name in present else unknown for name in columns], axis=1
    )
    absent = np.isnan(raw)
    filled = np.clip(np.where(absent, 0.0, raw), 0.0, None)
    total = filled.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(absent.all(axis=1, keepdims=True) | (total <= 0), np.nan, filled / total)


def uncertainties(
    rows: pa.RecordBatch, columns: Sequence[Column], layout: Layout
) -> dict[str, pa.Array | None]:
    """Entropy and margin, as far as `columns` contains them; None if they cannot be computed."""
    wanted = [column.name for column in columns if column.name in ("entropy", "margin")]
    present = [n for n in rows.schema.names if n.startswith(PROBABILITIES)] if wanted else []
    classes = len({*present, *known_classes(layout)}) if present else 0
    if classes < 2 or rows.num_rows == 0:
        return dict.fromkeys(wanted)
    return {name: _uncertainty(rows, present, classes, name) for name in wanted}


def _uncertainty(rows: pa.RecordBatch, present: Sequence[str], classes: int, name: str) -> pa.Array:
    """Entropy relative to its maximum, or the margin between the two likeliest classes, from all class
    probabilities.
    """
    shares = probabilities(rows, present)
    known = np.isfinite(shares).all(axis=1)
    uncertainty = np.full(rows.num_rows, np.nan)
    if name == "margin":
        two = np.pad(shares[known], ((0, 0), (0, max(0, 2 - len(present)))))
        top = np.partition(two, -2, axis=1)
        uncertainty[known] = top[:, -1] - top[:, -2]
    else:
        positive = np.where(shares[known] > 0, shares[known], 1.0)
        uncertainty[known] = -(positive * np.log(positive)).sum(axis=1) / np.log(classes)
    return pa.array(np.clip(uncertainty, 0.0, 1.0), mask=~known)
