"""Whether a model's answers are classes or numbers, inferred from a baseline. `task` in the configuration
overrides it.
"""

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names
from monitor.windows.kernel.probabilities import PROBABILITIES
from monitor.windows.layout.layout import ColumnKind
from monitor.windows.layout.notation import number_of, says_nothing

_MOST_WITH_CONFIDENCE, _MOST_WITH_PROBABILITIES = 100, 1000
_MIN_READABLE = 0.95


def kind_of_answers(column: pa.Array, table: pa.Table) -> ColumnKind | None:
    """The type of the answers if it depends on more than their values, else None.

    Integers are classes if all are 0 or 1 (also the truths), or if there are few of them with probabilities or a
    confidence. Texts are numbers if nearly all can be read as numbers, some with fractions; `"01"` is not a number.
    """
    if pa.types.is_float64(column.type):
        values = arrays.known_floats(column)
        values = values[np.isfinite(values)]
        return ColumnKind.CATEGORY if values.size and _are_classes(np.unique(values), table) else None
    if not (pa.types.is_dictionary(column.type) or pa.types.is_string(column.type)):
        return None
    encoded = names(column)
    texts, uses = encoded.dictionary.to_pylist(), arrays.code_counts(encoded)[:-1]
    not_missing = np.array(
        [n > 0 and not says_nothing(text) for text, n in zip(texts, uses, strict=True)], bool
    )
    values = np.array([number_of(text) for text in texts], np.float64)
    readable = not_missing & np.isfinite(values)
    if not readable.any() or uses[readable].sum() < _MIN_READABLE * uses[not_missing].sum():
        return ColumnKind.CATEGORY if not_missing.any() and _resemble_numbers(texts) else None
    if (values[readable] != np.rint(values[readable])).any():
        return ColumnKind.NUMBER
    return ColumnKind.CATEGORY if _are_classes(np.unique(values[readable]), table) else None


def _are_classes(distinct: np.ndarray, table: pa.Table) -> bool:
    """Whether these distinct answers are classes."""
    if not np.array_equal(distinct, np.rint(distinct)):
        return False
    if np.isin(distinct, (0.0, 1.0)).all() and _truths_are_binary(table):
        return True
    with_values = [n for n in table.schema.names if n.startswith(PROBABILITIES) and _has_values(table, n)]
    if len(with_values) > 1:
        return distinct.size <= _MOST_WITH_PROBABILITIES
    return _has_values(table, "confidence") and distinct.size <= _MOST_WITH_CONFIDENCE


def _truths_are_binary(table: pa.Table) -> bool:
    if "outcome.truth" not in table.schema.names:
        return True
    column = table.column("outcome.truth").combine_chunks()
    if not pa.types.is_floating(column.type):
        return True
    values = arrays.floats(column.cast(pa.float64()))
    return bool(np.isin(values[np.isfinite(values)], (0.0, 1.0)).all())


def _has_values(table: pa.Table, name: str) -> bool:
    return name in table.schema.names and table.column(name).null_count < table.num_rows


def _resemble_numbers(texts: list[str]) -> bool:
    """Whether texts would be read as numbers if leading zeros were ignored."""
    return any(text.lstrip("0").isdigit() for text in texts)
