"""The user's functions in own metrics. Each runs in a process of its own, so that a fault in it stops nothing else."""

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.texts import lazy_signals
from monitor.runtime.faults import Faults
from monitor.windows.declared.custom_metric import CustomMetric

PART = "own metrics"
"""Of faults."""
_PATIENCE = 20.0
"""Seconds in which a function may be loaded before its rows are set aside."""


def with_values(rows: pa.RecordBatch, metrics: Sequence[CustomMetric], faults: Faults) -> pa.RecordBatch:
    """The rows with a column for each call of a function in the metrics. One that fails gets none, and is reported."""
    calls = {call.column: call for metric in metrics for call in metric.expression.calls}
    returned: dict[tuple[str, tuple[str, ...]], pa.Array | Exception] = {}
    for name, call in calls.items():
        asked = call.target, call.reads
        if asked not in returned:  # once for all its places
            returned[asked] = _returned(call.target, _table(rows, call.reads))
        try:
            values = _at(returned[asked], call.place)
        except Exception as error:  # whatever a function of somebody else does must not stop the counts
            faults.report(PART, call.target, error)
        else:
            faults.resolve(PART, call.target)
            rows = rows.append_column(name, values)
    return rows


def _returned(target: str, table: pa.Table) -> pa.Array | Exception:
    try:
        return _values(target, table)
    except Exception as error:  # which is reported where the values are used
        return error


def _at(values: pa.Array | Exception, place: int | None) -> pa.Array:
    """The values, or of several numbers of each row the one at a place; null where there is none.

    Raises:
        TypeError: the function returns something else than what is taken of it.
    """
    if isinstance(values, Exception):
        raise values
    if pa.types.is_list(values.type) != (place is not None):
        if place is None:
            raise TypeError(
                "it returned several numbers for each row: take one of them, such as plugin(...)[0]"
            )
        raise TypeError(f"it returned one number for each row: there is no [{place}]")
    if place is None:
        return values
    has = pc.greater(pc.list_value_length(values), place)
    return pc.list_element(pc.if_else(has, values, pa.scalar([None] * (place + 1), values.type)), place)


def _values(target: str, table: pa.Table) -> pa.Array:
    process = _process(target, os.getpid())  # a forked process must not share the pipes of its parent
    if not process.is_ready(_PATIENCE):
        raise TimeoutError(f"it was not loaded within {_PATIENCE:g} s")
    return process.values(table)


@lru_cache(maxsize=64)
def _process(target: str, _of_process: int) -> Any:
    return lazy_signals.plugin().Plugin(
        "own_metric", target, of="function of own metrics", vectors=pa.float64()
    )


def _table(rows: pa.RecordBatch, reads: Sequence[str]) -> pa.Table:
    columns = {}
    for name in reads:
        array = rows.column(name) if name in rows.schema.names else pa.nulls(rows.num_rows)
        columns[name] = array.cast(pa.string()) if pa.types.is_dictionary(array.type) else array
    return pa.table(columns)
