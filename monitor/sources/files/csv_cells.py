"""The types of CSV columns: numbers, booleans, or texts.

The first values of a column determine its type. A chunk in which other values occur keeps its texts. Codes such as
`01067` are texts. `1,234.5` is a number; if values are not separated by commas, so are `1,5` and `1.234,5`.
"""

from collections.abc import Callable, Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

_PLACEHOLDERS = ("NA", "N/A", "n/a", "#N/A", "NULL", "null", "None")
"""Placeholders of missing numbers. In columns of texts they may be values: `NA` is a country."""
_CODE = r"^0\d"
_DECIMAL_COMMA = r"^[+-]?\d+,\d+([eE][+-]?\d+)?$"
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_GROUPED_BY_POINTS = r"^[+-]?\d{1,3}(\.\d{3})+,\d+$"
"""Numbers with thousands separators: `1,234.5`, or `1.234,5`."""


class CellTypes:
    """The types of the columns of one file, determined by its first chunks. `kinds` has one type per column,
    or None. Columns whose numbers are in `with_points` stay texts, with points instead of decimal commas.
    """

    def __init__(
        self,
        kinds: Sequence[pa.DataType | None],
        with_points: Collection[int] = (),
        *,
        decimal_commas: bool,
    ) -> None:
        self._kinds = list(kinds)
        self._with_points = with_points if decimal_commas else ()
        self._cleaned = _cleaned_with_commas if decimal_commas else _cleaned

    def converted(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The columns in their types; the first values determine a type that is still unknown."""
        columns = [self._column(index, column) for index, column in enumerate(rows.columns)]
        return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)

    def _column(self, index: int, column: pa.Array) -> pa.Array:
        if index in self._with_points:
            return _with_points(column)
        known = self._kinds[index]
        candidates = _candidate_types(column) if known is None else (known,)
        casts = (_cast(column, kind, self._cleaned) for kind in candidates)
        converted = next((cast for cast in casts if cast is not None), column)
        if known is None and column.null_count < len(column):
            self._kinds[index] = converted.type
        return converted


def _candidate_types(texts: pa.Array) -> tuple[pa.DataType, ...]:
    """The types that a column may have besides text: digits after a zero are a code, such as `01067`."""
    return () if pc.any(pc.match_substring_regex(texts, _CODE)).as_py() else (pa.float64(), pa.bool_())


def _cast(texts: pa.Array, kind: pa.DataType, clean: Callable[[pa.Array], pa.Array]) -> pa.Array | None:
    """The texts converted to a type, or None if one of them cannot be converted."""
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), kind)
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        pass
    try:
        return clean(texts).cast(kind)
    except pa.ArrowInvalid:
        return None


def _without_placeholders(texts: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(trimmed, pa.array(_PLACEHOLDERS)), pa.scalar(None, pa.string()), trimmed)


def _cleaned(texts: pa.Array) -> pa.Array:
    """Texts without placeholders of missing numbers, and numbers without thousands separators."""
    return _ungrouped(_without_placeholders(texts), _GROUPED, ",")


def _ungrouped(texts: pa.Array, form: str, sign: str) -> pa.Array:
    grouped = pc.match_substring_regex(texts, form)
    return (
        pc.if_else(grouped, pc.replace_substring(texts, sign, ""), texts)
        if pc.any(grouped).as_py()
        else texts
    )


def _cleaned_with_commas(texts: pa.Array) -> pa.Array:
    """As `_cleaned`, with decimal commas as points. A column with both keeps its texts, as it is ambiguous."""
    return _with_points(_without_placeholders(texts))


def _with_points(texts: pa.Array) -> pa.Array:
    """Texts in which `1,5` and `1.234,5` are `1.5` and `1234.5`, unless other ones have points as well."""
    cleaned = _ungrouped(texts, _GROUPED_BY_POINTS, ".")
    commas = pc.match_substring_regex(cleaned, _DECIMAL_COMMA)
    if pc.any(commas).as_py() and not pc.any(pc.match_substring(cleaned, ".")).as_py():
        return pc.if_else(commas, pc.replace_substring(cleaned, ",", "."), cleaned)
    return texts
