"""How a CSV file is written: its encoding and its separator; said by somebody, or found where that is safe."""

import codecs
import csv
import io
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from monitor.errors import InputError
from monitor.sources import text
from monitor.sources.local import File, ending

OTHER_ENCODING = "if the file is written in another encoding, name it: --encoding cp1252"
_SEPARATORS = (",", ";", "\t", "|")
_HEAD = 64_000
_LINES = 50
_MOST_FIT, _FEW_FIT = 0.9, 0.5
_MARKS_OF_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The encoding of a file, and what stands between its values; what is empty is to be found."""

    separator: str = ""
    encoding: str = ""

    @property
    def has_decimal_commas(self) -> bool:
        """May `1,5` be a number? Where values are not separated by commas, that is why."""
        return self.separator != ","


FOUND = Dialect()
"""Nothing is said: all of it is to be found."""


def dialect(separator: str = "", encoding: str = "") -> Dialect:
    r"""What somebody says of a file. `\t` and `tab` are the tabulator.

    Raises:
        InputError: the separator is no single character, or no encoding has that name.
    """
    sign = {"\\t": "\t", "tab": "\t"}.get(separator, separator)
    if len(sign) > 1 or not sign.isascii() or sign in ('"', "\n", "\r"):
        raise InputError(f"{separator!r} separates nothing", hint="use one character, such as ';', or tab")
    if encoding:
        try:
            codecs.getincrementaldecoder(encoding)
            "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise InputError(f"no encoding is called {encoding!r}", hint="such as utf-8, cp1252") from error
    return Dialect(sign, encoding)


def of(file: File, said: Dialect = FOUND) -> Dialect:
    """How a file is written. What is said counts. Else it is UTF-8 (UTF-16 where it begins with that one's mark), and
    separated by commas (tabulators in `.tsv`), unless its first lines say clearly otherwise.

    Raises:
        OSError: it cannot be read.
    """
    encoding = said.encoding or _encoding(file)
    known = replace(said, encoding=encoding)
    if said.separator:
        return known
    usual = "\t" if ending(file.name) == ".tsv" else ","
    return replace(known, separator=_separator(text.head(file, encoding, _HEAD), usual))


def doubt(names: list[str]) -> str:
    """What to do about a file with one column whose name looks like several; empty if it does not."""
    if len(names) != 1:
        return ""
    sign = max(_SEPARATORS, key=names[0].count)
    if not names[0].count(sign):
        return ""
    return (
        f"its one column is named {names[0]!r}: if {sign!r} separates the values, pass --separator {sign!r}"
    )


def _encoding(file: File) -> str:
    with file.open() as raw:
        return "utf-16" if raw.read(2) in _MARKS_OF_UTF_16 else text.UTF_8


def _separator(start: str, usual: str) -> str:
    """The usual one, unless it does not fit the first lines, and another one fits nearly all of them."""
    fit = {sign: _fit(start, sign) for sign in dict.fromkeys((usual, *_SEPARATORS))}
    if fit[usual] >= _FEW_FIT:
        return usual
    best = max(fit, key=lambda sign: fit[sign])
    return best if fit[best] >= _MOST_FIT else usual


def _fit(start: str, separator: str) -> float:
    """The share of the first lines that have as many values as the header; 0 for a header of one."""
    whole = start.rpartition("\n")[0] or start  # the last line may be cut
    lines = csv.reader(io.StringIO(whole, newline=""), delimiter=separator)
    try:
        rows = [row for row in islice(lines, _LINES) if row]
    except csv.Error:
        return 0.0
    if not rows or len(rows[0]) < 2:
        return 0.0
    return float(np.mean([len(row) == len(rows[0]) for row in rows[1:]])) if rows[1:] else 1.0
