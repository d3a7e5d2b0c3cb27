"""A column of each type that Arrow has, with the values that hurt."""

import math
from decimal import Decimal

import pyarrow as pa


def _not_utf_8(rows: int) -> pa.StringArray:
    """What programs write that call any bytes a text."""
    data = pa.array([b"caf\xe9" if n % 3 else b"ok" for n in range(rows)])
    return pa.StringArray.from_buffers(rows, data.buffers()[1], data.buffers()[2])


def _columns(rows: int = 200) -> dict[str, pa.Array]:
    ns = range(rows)
    vectors = pa.array([[1.0, float(n)] for n in ns])
    return {
        "number": pa.array([n % 41 + 0.5 for n in ns]),
        "huge": pa.array([(1e308, -1e308, 5e-324)[n % 3] for n in ns]),
        "infinite": pa.array([math.inf if n % 2 else -math.inf for n in ns]),
        "nan": pa.array([math.nan] * rows),
        "null": pa.nulls(rows),
        "uint64": pa.array([2**64 - 1 - n for n in ns], pa.uint64()),
        "decimal": pa.array([Decimal(n) / 3 for n in ns], pa.decimal256(60, 30)),
        "yes": pa.array([("yes", "no", None)[n % 3] for n in ns]),
        "bool": pa.array([n % 2 == 0 for n in ns]),
        "comma": pa.array([f"{n % 90},{n % 10}" for n in ns]),
        "dates": pa.array([("2026-11-23", "23.11.2026", "11/23/2026")[n % 3] for n in ns]),
        "text": pa.array(["some words and more " * 9] * rows),
        "not_utf_8": _not_utf_8(rows),
        "not_utf_8_labels": _not_utf_8(rows).dictionary_encode(),
        "null_label": pa.DictionaryArray.from_arrays(pa.array([n % 2 for n in ns]), pa.array([None, "x"])),
        "label_twice": pa.DictionaryArray.from_arrays(
            pa.array([n % 3 for n in ns]), pa.array(["a", "a", "b"])
        ),
        "seconds": pa.array([2**62 + n for n in ns], pa.timestamp("s")),
        "micros": pa.array([-(2**62)] * rows, pa.timestamp("us", "Europe/Berlin")),
        "no_zone": pa.array([n * 3600 * 10**9 for n in ns], pa.timestamp("ns", "Not/A_Zone")),
        "date": pa.array(ns, pa.int32()).cast(pa.date32()),
        "date_labels": pa.array([n % 9 for n in ns], pa.int32()).cast(pa.date32()).dictionary_encode(),
        "clock": pa.array(ns, pa.time64("ns")),
        "wait": pa.array(ns, pa.duration("ms")),
        "interval": pa.array([(1, 2, 3)] * rows, pa.month_day_nano_interval()),
        "vector": vectors,
        "ragged": pa.array([[1.0] * (n % 4) for n in ns]),
        "gaps": pa.array([[math.nan, 1.0], None] * (rows // 2)),
        "view": pa.array([[1.0]] * rows, pa.list_view(pa.float64())),
        "words": pa.array([["a"]] * rows),
        "map": pa.array([[("k", n)] for n in ns], pa.map_(pa.string(), pa.int64())),
        "bytes": pa.array([bytes([n % 256, 255]) for n in ns]),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([rows], pa.int32()), pa.array(["a"])),
        "union": pa.UnionArray.from_sparse(
            pa.array([n % 2 for n in ns], pa.int8()), [pa.array(ns), pa.array([str(n) for n in ns])]
        ),
    }


COLUMNS = _columns()
"""By name; `number` is a plain one."""
