"""What the cells of a CSV column hold: numbers, true and false, or texts.

The first values of a column say what it holds. A piece in which it holds anything else keeps its texts. Codes such as
`01067` are texts. Where values are not separated by commas, `1,5` is a number.
"""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

_NO_VALUE = ("NA", "N/A", "n/a", "#N/A", "NULL", "null", "None")
"""What stands for a missing number. Among texts it may be one: `NA` is a country."""
_CODE = r"^0\d"
_DECIMAL_COMMA = r"^[+-]?\d+,\d+([eE][+-]?\d+)?$"


class Cells:
    """The kinds of the columns of one file, found as its pieces come. `kinds` has one for each column, or None."""

    def __init__(self, kinds: Sequence[pa.DataType | None], *, decimal_commas: bool) -> None:
        self._kinds = list(kinds)
        self._cleaned = _with_points if decimal_commas else _cleaned

    def converted(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The columns in their kinds; of a column of no kind yet, the first values decide."""
        columns = [self._column(place, column) for place, column in enumerate(rows.columns)]
        return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)

    def _column(self, place: int, column: pa.Array) -> pa.Array:
        wanted = self._kinds[place]
        tried = _tried(column) if wanted is None else (wanted,)
        casts = (_cast(column, kind, self._cleaned) for kind in tried)
        found = next((cast for cast in casts if cast is not None), column)
        if wanted is None and column.null_count < len(column):
            self._kinds[place] = found.type
        return found


def _tried(texts: pa.Array) -> tuple[pa.DataType, ...]:
    """What a column may hold besides texts: digits behind a zero are a code, such as `01067`."""
    return () if pc.any(pc.match_substring_regex(texts, _CODE)).as_py() else (pa.float64(), pa.bool_())


def _cast(texts: pa.Array, kind: pa.DataType, clean: Callable[[pa.Array], pa.Array]) -> pa.Array | None:
    """The texts as values of a kind, or None where one is none."""
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


def _cleaned(texts: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(trimmed, pa.array(_NO_VALUE)), pa.scalar(None, pa.string()), trimmed)


def _with_points(texts: pa.Array) -> pa.Array:
    """The same, and decimal commas as points; a column with both has texts, as it is not known what they mean."""
    cleaned = _cleaned(texts)
    commas = pc.match_substring_regex(cleaned, _DECIMAL_COMMA)
    if pc.any(commas).as_py() and not pc.any(pc.match_substring(cleaned, ".")).as_py():
        return pc.if_else(commas, pc.replace_substring(cleaned, ",", "."), cleaned)
    return cleaned
