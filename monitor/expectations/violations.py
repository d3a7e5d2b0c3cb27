"""Finds the rows of a batch that violate an expectation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.expectations.expectation import Check, Expectation
from monitor.expressions.condition import compile_condition
from monitor.expressions.rows import BatchEvaluation
from monitor.predictions.log import arrays
from monitor.predictions.log.columns import name_of, names, numbers
from monitor.text_limits import number_in
from monitor.times.columns import micros_of_column


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """Which rows of a batch were checked, and which of these violate the expectation, both bool, shape (n,)."""

    checked: np.ndarray
    violating: np.ndarray


def find(expectation: Expectation, rows: pa.RecordBatch) -> CheckedRows:
    """Check the rows of a batch. Rows without a value violate `present` only; no other expectation checks them."""
    n = rows.num_rows
    everywhere, nowhere = np.ones(n, bool), np.zeros(n, bool)
    if expectation.check is Check.CONDITION:
        return _condition(expectation, rows)
    array = _column(rows, expectation.column)
    present = nowhere if array is None else _present(array)
    if expectation.check is Check.PRESENT:
        return CheckedRows(everywhere, ~present)
    if array is None or expectation.check is Check.ROWS:
        return CheckedRows(nowhere, nowhere)
    if pa.types.is_list(array.type):
        return CheckedRows(present, present if expectation.check is Check.TYPE else nowhere)
    match expectation.check:
        case Check.TYPE:
            return CheckedRows(present, present & ~_is_of_type(array, expectation.arguments["type"]))
        case Check.RANGE:
            read = numbers(array)
            known = present & ~read.unreadable & ~np.isnan(read.values)
            return CheckedRows(known, known & ~_between(read.values, expectation))
        case Check.INCREASING:
            read = numbers(array)
            known = np.flatnonzero(present & ~read.unreadable & ~np.isnan(read.values))
            checked, violating = np.zeros(n, bool), np.zeros(n, bool)
            checked[known[1:]] = True
            violating[known[1:]] = np.diff(read.values[known]) < 0
            return CheckedRows(checked, violating)
        case Check.FRESH:
            return _fresh(expectation, rows, array)
        case Check.UNIQUE:
            return CheckedRows(
                present, nowhere
            )  # counted by `occurrences`: two batches may have the same value
        case _:
            return CheckedRows(present, present & ~_of_labels(expectation, array))


def occurrences(rows: pa.RecordBatch, columns: Sequence[str]) -> dict[str, float]:
    """How often each value of a column, or of several together, occurs; NaN is none."""
    array = _key_of(rows, columns)
    if array is None:
        return {}
    array = array.filter(pa.array(_present(array)))
    encoded = names(array)
    counts = arrays.code_counts(encoded)[:-1].tolist()
    return {text: float(n) for text, n in zip(encoded.dictionary.to_pylist(), counts, strict=True) if n}


def repeated(rows: pa.RecordBatch, columns: Sequence[str], seen: set[str]) -> list[int]:
    """The rows whose value is in `seen` or in a row before it; values that are new are added to `seen`."""
    array = _key_of(rows, columns)
    if array is None:
        return []
    labels, places = names(array).cast(pa.string()).to_pylist(), []
    for place in np.flatnonzero(_present(array)).tolist():
        if labels[place] in seen:
            places.append(place)
        seen.add(labels[place])
    return places


def _key_of(rows: pa.RecordBatch, columns: Sequence[str]) -> pa.Array | None:
    """The value of each row, or of several columns as one text, in which missing ones are alike; none of a row that has
    no value. None if there are no values.
    """
    arrays_of = [array for name in columns if (array := _column(rows, name)) is not None]
    if not arrays_of or any(pa.types.is_list(array.type) for array in arrays_of):
        return None
    if len(columns) == 1:
        return arrays_of[0]
    parts, known = [], np.zeros(rows.num_rows, bool)
    for array in arrays_of:
        present = _present(array)
        known |= present
        text = pc.if_else(pa.array(present), names(array).cast(pa.string()), None)
        length = pc.utf8_length(text).cast(pa.string())  # so that no two rows are alike by where a text ends
        parts.append(pc.binary_join_element_wise(length, text, ":").fill_null(""))
    return pc.if_else(pa.array(known), pc.binary_join_element_wise(*parts, ","), None)


def _condition(expectation: Expectation, rows: pa.RecordBatch) -> CheckedRows:
    evaluated = BatchEvaluation(rows).numbers(compile_condition(expectation.arguments["expression"]).body)
    checked = evaluated.why == 0
    return CheckedRows(checked, checked & (evaluated.of_row == 0))


def _fresh(expectation: Expectation, rows: pa.RecordBatch, array: pa.Array) -> CheckedRows:
    """Times that are older than the row by more than what is allowed. A value that is no time is not checked."""
    made = _column(rows, "timestamp")
    if made is None:
        nowhere = np.zeros(rows.num_rows, bool)
        return CheckedRows(nowhere, nowhere)
    times = [micros_of_column(one) for one in (made, array)]
    checked = arrays.valid(times[0]) & arrays.valid(times[1])
    at, stamped = (np.asarray(time.fill_null(0)) for time in times)
    return CheckedRows(checked, checked & (at - stamped > round(expectation.arguments["within"] * 1e6)))


def _column(rows: pa.RecordBatch, name: str) -> pa.Array | None:
    return rows.column(rows.schema.names.index(name)) if name in rows.schema.names else None


def _present(array: pa.Array) -> np.ndarray:
    present = arrays.valid(array)
    if pa.types.is_floating(array.type):
        present = present & ~np.isnan(arrays.floats(array.cast(pa.float64())))
    return present


def _is_of_type(array: pa.Array, wanted: str) -> np.ndarray:
    if wanted == "text":
        return np.full(len(array), pa.types.is_dictionary(array.type) or pa.types.is_string(array.type))
    if wanted == "boolean":
        if pa.types.is_boolean(array.type):
            return np.ones(len(array), bool)
        return _each_label(array, lambda text: text.lower() in ("true", "false", "0", "1"))
    read = numbers(array)
    is_number = ~read.unreadable & ~np.isnan(read.values)
    if wanted == "integer":
        with np.errstate(invalid="ignore"):
            return np.asarray(is_number & np.isfinite(read.values) & (read.values == np.rint(read.values)))
    return np.asarray(is_number)


def _between(values: np.ndarray, expectation: Expectation) -> np.ndarray:
    least, most = (expectation.arguments.get(name) for name in ("least", "most"))
    inside = np.ones(values.size, bool)
    if least is not None:
        inside &= values >= least
    if most is not None:
        inside &= values <= most
    return np.asarray(inside)


def _of_labels(expectation: Expectation, array: pa.Array) -> np.ndarray:
    """For each row, whether its label is as expected."""
    if expectation.check is Check.ALLOWED:
        return _is_allowed(array, expectation.arguments["values"])
    if expectation.check is Check.LENGTH:
        least, most = (expectation.arguments.get(name) for name in ("least", "most"))
        return _each_label(
            array, lambda text: (least or 0) <= len(text) <= (len(text) if most is None else most)
        )
    encoded = names(array)
    whole = f"^(?:{expectation.arguments['regex']})$"
    matching = np.asarray(pc.match_substring_regex(encoded.dictionary, whole).fill_null(False))
    wanted = expectation.check is Check.PATTERN
    return np.asarray(np.append(matching == wanted, False)[arrays.codes(encoded, len(matching))])


def _is_allowed(array: pa.Array, values: Sequence[bool | float | str]) -> np.ndarray:
    """For each row, whether its label is one of the values. A flag that is set equals 1, as in expressions."""
    wanted = {_key(str(name_of(value))) for value in values}
    wanted |= {float(value) for value in values if isinstance(value, bool)}
    numbers_of_flags = {"true": 1.0, "false": 0.0} if pa.types.is_boolean(array.type) else {}
    return _each_label(array, lambda text: _key(text) in wanted or numbers_of_flags.get(text) in wanted)


def _each_label(array: pa.Array, holds: object) -> np.ndarray:
    encoded = names(array)
    known = [bool(holds(text or "")) for text in encoded.dictionary.to_pylist()]  # type: ignore[operator]
    return np.asarray(np.array([*known, False])[arrays.codes(encoded, len(known))])


def _key(text: str) -> object:
    number = number_in(text)
    return text if number is None or number != number else number
