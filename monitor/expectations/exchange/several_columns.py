"""Conditions over several columns, with what Great Expectations does about missing values.

Rows that it does not look at are no violation here either.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from monitor.expectations.exchange.parts import UnsupportedError, reference

_ANY = ("either_value_is_missing", "any_value_is_missing")
_ALL = ("both_values_are_missing", "all_values_are_missing")
_NONE = ("neither", "never")


def references_of(*columns: object) -> list[str]:
    """Columns in an expression.

    Raises:
        UnsupportedError: they are no names.
    """
    if len(columns) < 2 or not all(isinstance(column, str) for column in columns):
        raise UnsupportedError("the columns are not the names of two or more columns")
    return [reference(str(column)) for column in columns]


def unless_missing(
    text: str, references: Sequence[str], given: Mapping[str, Any], usual: str = "both_values_are_missing"
) -> str:
    """A condition of columns that all have a value. By default, a row with some of them is a violation, and one with
    none is not.

    Raises:
        UnsupportedError: it is not known which rows are ignored.
    """
    every = " and ".join(f"{one} is not None" for one in references)
    match given.get("ignore_row_if") or usual:
        case ignored if ignored in _ANY:
            return _where_all_are_known(text, references)
        case ignored if ignored in _ALL:
            return f"({every} or {_none_of(references)}) and ({text})"
        case ignored if ignored in _NONE:
            return f"{every} and ({text})"
        case unknown:
            raise UnsupportedError(f"ignore_row_if: {unknown} is not known")


def all_different(references: Sequence[str], given: Mapping[str, Any]) -> str:
    """That columns have different values. Two that are missing are alike.

    Raises:
        UnsupportedError: it is not known which rows are ignored.
    """
    pairs = list(combinations(references, 2))
    match given.get("ignore_row_if") or "all_values_are_missing":
        case ignored if ignored in _ANY:
            return _where_all_are_known(" and ".join(f"{one} != {other}" for one, other in pairs), references)
        case ignored if ignored in (*_ALL, *_NONE):
            known = (
                f"not ({a} is None and {b} is None) and ({a} is None or {b} is None or {a} != {b})"
                for a, b in pairs
            )
            text = " and ".join(known)
            return text if ignored in _NONE else f"{_none_of(references)} or ({text})"
        case unknown:
            raise UnsupportedError(f"ignore_row_if: {unknown} is not known")


def pairs_of(references: Sequence[str], pairs: object) -> str:
    """That two columns have one of these pairs of values.

    Raises:
        UnsupportedError: they are no pairs of texts and numbers.
    """
    if (
        not isinstance(pairs, list)
        or not pairs
        or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)
    ):
        raise UnsupportedError("value_pairs_set has no pairs")
    if not all(isinstance(one, str | int | float) for pair in pairs for one in pair):
        raise UnsupportedError("value_pairs_set has values that are neither text nor numbers")
    one, other = references
    return " or ".join(f"({one} == {first!r} and {other} == {second!r})" for first, second in pairs)


def _where_all_are_known(text: str, references: Sequence[str]) -> str:
    """A condition that sets rows aside in which a column is missing. Of three values, two that are alike would decide
    a comparison alone.
    """
    return f"({text}) if {' and '.join(f'{one} == {one}' for one in references)} else False"


def _none_of(references: Sequence[str]) -> str:
    return f"({' and '.join(f'{one} is None' for one in references)})"
