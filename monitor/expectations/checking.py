"""Checks all rows of a table: how many violate each expectation, and whether that is too many."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from monitor.expectations.expectation import Check, Expectation
from monitor.expectations.violations import find, occurrences

SURE = 3.719
"""The normal deviate of 99.99 %, one-sided: an expectation is checked so often that 95 % would fail by chance."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`violations` of `rows` checked rows; `places` are the first rows that violate it."""

    expectation: Expectation
    rows: float = 0.0
    violations: float = 0.0
    places: tuple[int, ...] = ()

    @property
    def failed(self) -> bool | None:
        """Whether more rows violate it than are tolerated; None if no row was checked."""
        return is_beyond(self.violations, self.rows, self.expectation.tolerated)


def is_beyond(violations: float, rows: float, tolerated: float) -> bool | None:
    """Whether the share of violations is surely above what is tolerated (99.99 %, Wilson). Where none is tolerated, one
    is too many. None without rows.
    """
    if rows <= 0:
        return None
    if tolerated <= 0:
        return violations > 0
    share, squared = violations / rows, SURE * SURE
    middle = share + squared / (2 * rows)
    half = SURE * math.sqrt(share * (1 - share) / rows + squared / (4 * rows * rows))
    return (middle - half) / (1 + squared / rows) > tolerated


def check(
    some: Iterable[Expectation], batches: Iterable[pa.RecordBatch], most_places: int = 3
) -> list[CheckResult]:
    """The results of expectations about rows, in their order. Those about windows are left out."""
    results = {one.id: CheckResult(one) for one in some if one.check is not Check.ROWS}
    seen: dict[str, dict[str, float]] = {}
    start = 0
    for rows in batches:
        for key, result in results.items():
            one = result.expectation
            if one.check is Check.UNIQUE:
                values = seen.setdefault(key, {})
                for text, amount in occurrences(rows, one.columns).items():
                    values[text] = values.get(text, 0.0) + amount
                continue
            checked_rows = find(one, rows)
            places = np.flatnonzero(checked_rows.violating)[:most_places] + start
            results[key] = replace(
                result,
                rows=result.rows + float(np.count_nonzero(checked_rows.checked)),
                violations=result.violations + float(np.count_nonzero(checked_rows.violating)),
                places=(*result.places, *places.tolist())[:most_places],
            )
        start += rows.num_rows
    for key, values in seen.items():
        duplicates = sum(amount for amount in values.values() if amount > 1)
        results[key] = replace(results[key], rows=sum(values.values()), violations=duplicates)
    return list(results.values())
