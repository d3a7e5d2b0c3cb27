"""The format of a text file: encoding, separator and date order; configured, or detected where that is safe."""

import codecs
import csv
import io
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from monitor.errors import InputError
from monitor.sources.files import text_stream
from monitor.sources.files.local import ReadableFile, ending
from monitor.times.reading import DateOrder

OTHER_ENCODING = "if the file is written in another encoding, name it: --encoding cp1252"
_SEPARATORS = (",", ";", "\t", "|")
_HEAD_BYTES = 64_000
_DETECTION_LINES = 50
_MOST_FIT, _FEW_FIT = 0.9, 0.5
_MARKS_OF_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The encoding of a file, the separator of its values, and the date order. Empty fields are detected."""

    separator: str = ""
    encoding: str = ""
    dates: DateOrder | None = None

    @property
    def has_decimal_commas(self) -> bool:
        """Whether `1,5` may be a number: if values are not separated by commas."""
        return self.separator != ","


DETECTED = Dialect()
"""Nothing is configured: everything is detected."""


def dialect(separator: str = "", encoding: str = "", dates: str = "") -> Dialect:
    r"""A dialect from command-line options. `\t` and `tab` are the tab character.

    Raises:
        InputError: the separator is not a single character, or the encoding or date order is unknown.
    """
    sign = {"\\t": "\t", "tab": "\t"}.get(separator, separator)
    if len(sign) > 1 or not sign.isascii() or sign in ('"', "\n", "\r"):
        raise InputError(
            f"{separator!r} is not a valid separator", hint="use one character, such as ';', or tab"
        )
    if encoding:
        try:
            codecs.getincrementaldecoder(encoding)
            "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise InputError(f"unknown encoding {encoding!r}", hint="for example utf-8 or cp1252") from error
    if dates and dates not in (order.value for order in DateOrder):
        raise InputError(f"unknown date order {dates!r}", hint=f"use {' or '.join(DateOrder)}")
    return Dialect(sign, encoding, DateOrder(dates) if dates else None)


def of(file: ReadableFile, configured: Dialect = DETECTED) -> Dialect:
    """The dialect of a file. Configured fields have precedence. The default is UTF-8 (UTF-16 with its byte order mark),
    and commas (tabs in `.tsv`), unless the first lines clearly differ.

    Raises:
        OSError: the file cannot be read.
    """
    encoding = configured.encoding or encoding_of(file)
    with_encoding = replace(configured, encoding=encoding)
    if configured.separator:
        return with_encoding
    usual = "\t" if ending(file.name) == ".tsv" else ","
    return replace(with_encoding, separator=_separator(text_stream.head(file, encoding, _HEAD_BYTES), usual))


def doubt(names: list[str]) -> str:
    """A hint for a file with one column whose name looks like several; empty if it does not."""
    if len(names) != 1:
        return ""
    sign = max(_SEPARATORS, key=names[0].count)
    if not names[0].count(sign):
        return ""
    return (
        f"its one column is named {names[0]!r}: if {sign!r} separates the values, pass --separator {sign!r}"
    )


def encoding_of(file: ReadableFile) -> str:
    """UTF-8, or UTF-16 if a file starts with its byte order mark or with a character of two bytes.

    Raises:
        OSError: the file cannot be read.
    """
    with text_stream.opened(file, text_stream.BYTES) as text:
        start = bytes(text.stream.read(2))
    if start in _MARKS_OF_UTF_16:
        return "utf-16"
    if len(start) == 2 and start.count(0) == 1:
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return text_stream.UTF_8


def _separator(start: str, usual: str) -> str:
    """The usual separator, unless it does not fit the first lines and another one fits nearly all of them."""
    fit = {sign: _fit(start, sign) for sign in dict.fromkeys((usual, *_SEPARATORS))}
    if fit[usual] >= _FEW_FIT:
        return usual
    best = max(fit, key=lambda sign: fit[sign])
    return best if fit[best] >= _MOST_FIT else usual


def _fit(start: str, separator: str) -> float:
    """The share of the first lines with as many values as the header; 0 for a header with one value."""
    whole = start.rpartition("\n")[0] or start  # the last line may be cut
    lines = csv.reader(io.StringIO(whole, newline=""), delimiter=separator)
    try:
        rows = [row for row in islice(lines, _DETECTION_LINES) if row]
    except csv.Error:
        return 0.0
    if not rows or len(rows[0]) < 2:
        return 0.0
    return float(np.mean([len(row) == len(rows[0]) for row in rows[1:]])) if rows[1:] else 1.0
