"""Computes an expression for each row of a batch, with numpy over Arrow columns.

A row whose value cannot be known (a missing value, a text where a number is needed, a division by zero) has no value
but a reason. The other rows are not affected.
"""

import ast
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from monitor.expressions.grammar import column_of, function_call
from monitor.predictions.log import arrays
from monitor.predictions.log.columns import name_of, names, numbers
from monitor.text_limits import composed, number_in

Labels = tuple[np.ndarray, list[str], np.ndarray]
"""Codes of rows, shape (n,), the texts that they stand for, and the reasons of rows without any."""
LARGEST = 1e140
"""Larger values have no finite square, weighted: they are set aside."""
_MOST_REASONS = 250
_UNUSABLE = "a value is infinite, too large or no number"
_FLAGS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers of rows, float64, shape (n,); `why` is 0 where there is one, else the number of the reason."""

    of_row: np.ndarray
    why: np.ndarray
    is_flag: bool = False


@dataclass(slots=True)
class BatchEvaluation:
    """The rows of one batch, and the reasons why some of them have no value: `reasons[why - 1]`."""

    rows: pa.RecordBatch
    reasons: list[str] = field(default_factory=list)
    _columns: dict[str, pa.Array | None] = field(default_factory=dict)

    def reason(self, text: str) -> int:
        """The number of a reason."""
        if text not in self.reasons:
            if len(self.reasons) >= _MOST_REASONS:
                return _MOST_REASONS
            self.reasons.append(text)
        return self.reasons.index(text) + 1

    def column(self, name: str) -> pa.Array | None:
        """A column of the batch; None if it does not occur in it."""
        if name not in self._columns:
            place = self.rows.schema.names.index(name) if name in self.rows.schema.names else -1
            self._columns[name] = self.rows.column(place) if place >= 0 else None
        return self._columns[name]

    def constant(self, value: float, *, is_flag: bool = False) -> Values:
        """The same number for all rows."""
        n = self.rows.num_rows
        return Values(np.full(n, value), np.zeros(n, np.uint8), is_flag)

    def numbers(self, node: ast.expr) -> Values:
        """The numbers of an expression; values that are too large have a reason instead."""
        values = self._numbers(node)
        with np.errstate(invalid="ignore"):
            too_large = (values.why == 0) & ~(np.abs(values.of_row) < LARGEST)
        if not too_large.any():
            return values
        why = np.where(too_large, self.reason(_UNUSABLE), values.why)
        return Values(values.of_row, why.astype(np.uint8), values.is_flag)

    def _stored(self, node: ast.expr) -> Values | None:
        """The numbers of a column, or of a function of yours, whose values are a column."""
        if (name := column_of(node)) is not None:
            return self._column_numbers(name)
        if (call := function_call(node)) is not None:
            return self._column_numbers(call.column, missing=f"{call.target} gave no value")
        return None

    def _numbers(self, node: ast.expr) -> Values:
        if (stored := self._stored(node)) is not None:
            return stored
        match node:
            case ast.Constant(value=value):
                return self._literal(value)
            case ast.BinOp(left=left, op=op, right=right):
                return self._arithmetic(op, self._numbers(left), self._numbers(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._numbers(operand)
                return Values((inner.of_row == 0).astype(float), inner.why, is_flag=True)
            case ast.UnaryOp(op=op, operand=operand):
                inner = self._numbers(operand)
                return Values(-inner.of_row if isinstance(op, ast.USub) else inner.of_row, inner.why)
            case ast.BoolOp(op=op, values=values):
                return self._logic([self._numbers(one) for one in values], is_or=isinstance(op, ast.Or))
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._choice(*(self._numbers(one) for one in (test, body, orelse)))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._call(name, [self._numbers(arg) for arg in args])
        raise TypeError(f"unchecked expression {type(node).__name__}")

    def _literal(self, value: object) -> Values:
        if value is None or isinstance(value, str):
            number = number_in(value) if isinstance(value, str) else None
            if number is None:
                values = self.constant(0.0)
                values.why[:] = self.reason("a text stands where a number is needed")
                return values
            return self.constant(number)
        return self.constant(float(value), is_flag=isinstance(value, bool))  # type: ignore[arg-type]

    def _column_numbers(self, name: str, missing: str = "") -> Values:
        array = self.column(name)
        return self._read(name, array, self.reason(missing or f"{name} is missing"))

    def _read(self, name: str, array: pa.Array | None, missing: int) -> Values:
        if array is None:
            values = self.constant(0.0)
            values.why[:] = missing
            return values
        if pa.types.is_list(array.type):
            values = self.constant(0.0)
            values.why[:] = self.reason(f"{name} is a list, not a number")
            return values
        read = numbers(array)
        is_missing = read.missing | (np.isnan(read.values) & ~read.unreadable)
        why = np.where(is_missing, missing, 0)
        if read.unreadable.any():
            why = np.where(read.unreadable, self.reason(f"{name} is a text, not a number"), why)
        is_flag = pa.types.is_boolean(array.type)
        return Values(np.where(why == 0, read.values, 0.0), why.astype(np.uint8), is_flag)

    def _arithmetic(self, op: ast.operator, left: Values, right: Values) -> Values:
        why = np.where(left.why != 0, left.why, right.why)
        a, b = left.of_row, right.of_row
        with np.errstate(all="ignore"):
            match op:
                case ast.Add():
                    result = a + b
                case ast.Sub():
                    result = a - b
                case ast.Mult():
                    result = a * b
                case ast.Div():
                    is_zero = (b == 0) & (why == 0)
                    if is_zero.any():
                        why = np.where(is_zero, self.reason("division by zero"), why)
                    result = a / np.where(b == 0, 1.0, b)
                case _:
                    result = np.power(a, b)
        is_flag = isinstance(op, ast.Mult) and left.is_flag and right.is_flag
        return self._defined(Values(result, why.astype(np.uint8), is_flag), a, b)

    def _defined(self, result: Values, *operands: np.ndarray) -> Values:
        """The results that exist: not the root of -1, the logarithm of 0, or what overflows."""
        is_undefined = (result.why == 0) & ~np.isfinite(result.of_row)
        if not is_undefined.any():
            return result
        for operand in operands:
            is_undefined &= np.isfinite(operand) | np.isnan(result.of_row)
        why = np.where(is_undefined, self.reason(_UNUSABLE), result.why)
        return Values(result.of_row, why.astype(np.uint8), result.is_flag)

    def _logic(self, parts: list[Values], *, is_or: bool) -> Values:
        """Three-valued, as in SQL: `false and missing` is false, `true or missing` is true."""
        decided = np.zeros(self.rows.num_rows, bool)
        why = np.zeros(self.rows.num_rows, np.uint8)
        for part in parts:
            decided |= (part.why == 0) & ((part.of_row != 0) == is_or)
            why = np.where(why != 0, why, part.why)
        return Values((decided == is_or).astype(float), np.where(decided, 0, why).astype(np.uint8), True)

    def _choice(self, test: Values, body: Values, orelse: Values) -> Values:
        chosen = test.of_row != 0
        why = np.where(test.why != 0, test.why, np.where(chosen, body.why, orelse.why))
        return Values(
            np.where(chosen, body.of_row, orelse.of_row),
            why.astype(np.uint8),
            body.is_flag and orelse.is_flag,
        )

    def _call(self, name: str, args: list[Values]) -> Values:
        first = args[0]
        if name == "coalesce":
            is_known = first.why == 0
            return Values(
                np.where(is_known, first.of_row, args[1].of_row), np.where(is_known, 0, args[1].why).astype(np.uint8),
                first.is_flag and args[1].is_flag,
            )  # fmt: skip
        if name in ("least", "greatest"):
            choose = np.minimum if name == "least" else np.maximum
            return Values(
                choose(first.of_row, args[1].of_row), np.where(first.why != 0, first.why, args[1].why)
            )
        functions = {"abs": np.abs, "sqrt": np.sqrt, "log": np.log, "exp": np.exp, "round": np.rint}
        with np.errstate(all="ignore"):
            return self._defined(Values(functions[name](first.of_row), first.why), first.of_row)

    def _comparison(self, node: ast.Compare) -> Values:
        left, parts = node.left, []
        for op, right in zip(node.ops, node.comparators, strict=True):
            parts.append(self._compare(left, op, right))
            left = right
        return parts[0] if len(parts) == 1 else self._logic(parts, is_or=False)

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Values:
        match op:
            case ast.Is() | ast.IsNot():
                array = self.column(column_of(left) or "")
                present = np.zeros(self.rows.num_rows, bool) if array is None else _present(array)
                wanted = present if isinstance(op, ast.IsNot) else ~present
                return Values(wanted.astype(float), np.zeros(len(wanted), np.uint8), is_flag=True)
            case ast.In() | ast.NotIn():
                options = [self._equal(left, elt) for elt in right.elts]  # type: ignore[attr-defined]
                values = self._logic(options, is_or=True)
            case ast.Eq() | ast.NotEq():
                values = self._equal(left, right)
            case _:
                return self._ordered(op, self._numbers(left), self._numbers(right))
        if isinstance(op, ast.NotIn | ast.NotEq):
            return Values(1.0 - values.of_row, values.why, is_flag=True)
        return values

    def _ordered(self, op: ast.cmpop, left: Values, right: Values) -> Values:
        compare = {ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal}
        result = compare[type(op)](left.of_row, right.of_row).astype(float)
        return Values(result, np.where(left.why != 0, left.why, right.why), is_flag=True)

    def _equal(self, left: ast.expr, right: ast.expr) -> Values:
        """Whether two values are equal: as texts, or as numbers where both are numbers or flags (`'1'` equals 1)."""
        for column, literal in ((left, right), (right, left)):
            name = column_of(column)
            if (
                name is not None
                and isinstance(literal, ast.Constant)
                and isinstance(literal.value, int | float)
            ):
                return self._equals_number(name, literal.value)
        one, other = self._labels(left), self._labels(right)
        if one is None or other is None:
            a, b = self._numbers(left), self._numbers(right)
            return Values(
                (a.of_row == b.of_row).astype(float), np.where(a.why != 0, a.why, b.why), is_flag=True
            )
        return self._same_labels(one, other)

    def _same_labels(self, one: Labels, other: Labels) -> Values:
        (codes, texts, why), (codes_of_other, texts_of_other, why_of_other) = one, other
        both = [*texts, *texts_of_other]
        known = {key: place for place, key in enumerate(dict.fromkeys(map(_key, both)))}
        places = np.array([known[_key(text)] for text in both] or [0])
        first = np.append(places[: len(texts)], -1)[codes]
        second = np.append(places[len(texts) :], -2)[codes_of_other]
        return Values((first == second).astype(float), np.where(why != 0, why, why_of_other), is_flag=True)

    def _equals_number(self, name: str, wanted: float) -> Values:
        """Whether a column has a number or a flag. True equals 1 and false 0; any other text equals no number."""
        values, array = self._column_numbers(name), self.column(name)
        if array is None or pa.types.is_list(array.type):
            return Values(values.of_row, values.why, is_flag=True)
        is_equal = (values.why == 0) & (values.of_row == wanted)
        if wanted in _FLAGS.values() and not _is_numeric(array):
            wanted_label = (
                np.zeros(self.rows.num_rows, np.int64),
                [str(name_of(wanted))],
                np.zeros(self.rows.num_rows, np.uint8),
            )
            is_equal |= self._same_labels(wanted_label, self._column_labels(name)).of_row != 0
        why = np.where(_present(array), 0, self.reason(f"{name} is missing"))
        return Values(is_equal.astype(float), why.astype(np.uint8), is_flag=True)

    def _labels(self, node: ast.expr) -> Labels | None:
        """A column or a constant as labels; None for a computed number."""
        n = self.rows.num_rows
        if isinstance(node, ast.Constant) and node.value is not None:
            return np.zeros(n, np.int64), [str(name_of(node.value))], np.zeros(n, np.uint8)  # type: ignore[arg-type]
        name = column_of(node)
        return None if name is None else self._column_labels(name)

    def _column_labels(self, name: str) -> Labels:
        n = self.rows.num_rows
        array, missing = self.column(name), self.reason(f"{name} is missing")
        if array is None:
            return np.zeros(n, np.int64), [], np.full(n, missing, np.uint8)
        present = _present(array)
        encoded = names(array)
        texts = [text or "" for text in encoded.dictionary.to_pylist()]
        codes = arrays.codes(encoded, len(texts))
        return codes, texts, np.where(present, 0, missing).astype(np.uint8)


def _present(array: pa.Array) -> np.ndarray:
    """Which rows have a value; NaN is none."""
    present = arrays.valid(array)
    if pa.types.is_floating(array.type):
        present = present & ~np.isnan(arrays.floats(array.cast(pa.float64())))
    return present


def _is_numeric(array: pa.Array) -> bool:
    of = array.type
    return bool(pa.types.is_floating(of) or pa.types.is_integer(of) or pa.types.is_boolean(of))


def _key(text: str) -> object:
    """Equal for labels that are equal: numbers by their value, true as 1, others as they are written."""
    number = number_in(text)
    if number is None or number != number:
        return _FLAGS.get(text.strip().lower(), composed(text))
    return number
