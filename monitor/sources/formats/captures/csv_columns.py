"""CSV without a header as Arrow columns: the bodies of many captured calls at once, without an object for each value.

Only texts about which `csv_rows` would say the same are read. All others are left to it.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

_NUMERIC = b"0123456789.,-+eE\n"
_COMMA, _BREAK, _PLUS, _MINUS, _ZERO, _NINE = b",\n+-09"
_MEANT_OTHERWISE = bytes({*range(0x20), 0x7F, ord('"')} - {_BREAK})
"""Quotes and control characters."""
NUMBER = r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""What is written as a number. With leading zeros it is a code, such as `007`."""


def columns(texts: Sequence[str]) -> list[pa.Array] | None:
    """The columns of the lines of all texts: float64, or dictionaries of texts. None where values have to be read one
    by one: a column has numbers and texts, lines have different lengths, or there are quotes.

    No text may be empty or end with a line break.
    """
    body = "\n".join(texts).encode(errors="surrogatepass")
    count = body.count(b"\n") + 1
    width = body[: body.find(b"\n") if count > 1 else None].count(b",") + 1
    is_numeric = not body.translate(None, _NUMERIC) and not _has_codes(body)
    if body[:1] == b"\n" or b"\n\n" in body:  # an empty line is no row
        return None
    if not is_numeric and len(body) != len(body.translate(None, _MEANT_OTHERWISE)):
        return None
    try:
        read = _parsed(body, width, pa.float64() if is_numeric else pa.string())
    except (pa.ArrowException, ValueError):
        return None
    if any(len(column) != count for column in read):
        return None
    typed = read if is_numeric else [_typed(column) for column in read]
    return None if any(column is None or not _is_finite(column) for column in typed) else typed


def _parsed(body: bytes, width: int, kind: pa.DataType) -> list[pa.Array]:
    names = [str(number) for number in range(width)]
    table = pa.csv.read_csv(
        pa.BufferReader(body),
        pa.csv.ReadOptions(use_threads=False, block_size=len(body) + 1, column_names=names),
        pa.csv.ParseOptions(quote_char=False, newlines_in_values=False, ignore_empty_lines=False),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, kind), null_values=[""], strings_can_be_null=True
        ),
    )
    return [column.combine_chunks() for column in table.columns]


def _has_codes(body: bytes) -> bool:
    """Whether a value begins with a zero and another digit, after a sign or none."""
    if b"0" not in body:
        return False
    signs = np.frombuffer(b"\n" + body + b"\n\n", np.uint8)
    begins = (signs[:-3] == _COMMA) | (signs[:-3] == _BREAK)
    is_zero, is_digit = signs == _ZERO, (signs >= _ZERO) & (signs <= _NINE)
    plain = begins & is_zero[1:-2] & is_digit[2:-1]
    has_sign = (signs[1:-2] == _PLUS) | (signs[1:-2] == _MINUS)
    return bool(plain.any() or (begins & has_sign & is_zero[2:-1] & is_digit[3:]).any())


def _typed(column: pa.Array) -> pa.Array | None:
    """Texts as numbers if all are, or as categories if none is."""
    if not pc.all(pc.equal(pc.utf8_trim_whitespace(column), column), min_count=0).as_py():
        return None
    column = pc.if_else(pc.equal(pc.utf8_lower(column), "nan"), None, column)
    are_numbers = pc.match_substring_regex(column, f"^(?:{NUMBER})$")
    numbers, known = pc.sum(are_numbers).as_py() or 0, len(column) - column.null_count
    if not numbers:
        return column.dictionary_encode()
    return column.cast(pa.float64()) if numbers == known else None


def _is_finite(column: pa.Array) -> bool:
    if not pa.types.is_floating(column.type):
        return True
    return bool(pc.all(pc.is_finite(column), min_count=0).as_py())
