"""Columns of many predictions looked through at once: the rows that are clear, by stream, and those in doubt.

A row in doubt is read like any other single record (`monitor.predictions.schema`), which says what is wrong with it.
So columns and single records are held against the same rules, in the same words.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.arrays import valid
from monitor.predictions.arrow import legible
from monitor.predictions.hashing import hash_texts
from monitor.predictions.schema import ENVIRONMENTS, Rules
from monitor.records import Stream

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
_STREAM = ("client", "model", "environment")
_KNOWN_LATER = "outcome."
Doubts = Callable[[dict[str, pa.Array], Rules], Mask]
"""Which rows cannot be told to be right from the columns alone."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """`clear` rows as columns, by stream; `doubtful` ones as row number and record.

    `apart`: each clear row has an id or a time.
    """

    clear: list[tuple[Stream, pa.RecordBatch]]
    doubtful: list[tuple[int, dict[str, Any]]]
    ignored: set[str]
    apart: bool


def look_through(rows: pa.RecordBatch, rules: Rules, *, with_outcomes: bool = False) -> Sheet:
    """Tell clear rows from doubtful ones. `with_outcomes` keeps columns such as `outcome.truth`, of what became known.

    Raises:
        InputError: a column has a type that cannot be used.
    """
    return _looked_through(rows, rules, _doubts, with_outcomes=with_outcomes)


def look_through_outcomes(rows: pa.RecordBatch, rules: Rules) -> Sheet:
    """The same for outcomes; where no `timestamp` says when something became known, that is null. Clear rows may say
    nothing yet.

    Raises:
        InputError: a column has a type that cannot be used.
    """
    sheet = _looked_through(rows, rules, _doubts_of_outcomes, with_outcomes=False)
    if "timestamp" in rows.schema.names:
        return sheet
    return replace(sheet, clear=[(stream, _timeless(clear)) for stream, clear in sheet.clear])


def _looked_through(rows: pa.RecordBatch, rules: Rules, doubts_of: Doubts, *, with_outcomes: bool) -> Sheet:
    known: dict[str, pa.Array] = {}
    unread: dict[str, Mask] = {}
    for name, values in zip(rows.schema.names, rows.columns, strict=True):
        if with_outcomes or not name.startswith(_KNOWN_LATER):
            column, illegible = legible(name, values)
            if column is not None:
                known[name] = column
            if illegible.any():
                unread[name] = illegible
    ignored = set(rows.schema.names) - known.keys()
    told = np.zeros(rows.num_rows, bool)
    for name in ("id", "timestamp"):
        if name in known:
            told |= valid(known[name])
    _say_for_all(known, rows, rules)
    sheet = pa.RecordBatch.from_arrays(list(known.values()), names=list(known))
    doubts = np.logical_or.reduce([doubts_of(known, rules), *unread.values()])
    doubtful = np.flatnonzero(doubts)
    plain = sheet.take(pa.array(doubtful)).to_pylist()
    for name, illegible in unread.items():  # such a record says what was sent
        for place in np.flatnonzero(illegible[doubtful]):
            plain[place][name] = rows.column(name)[int(doubtful[place])].as_py()
    records = [_record(row) for row in plain]
    good = sheet if not len(doubtful) else sheet.take(pa.array(np.setdiff1d(np.arange(len(sheet)), doubtful)))
    return Sheet(
        list(_by_stream(good)),
        list(zip(doubtful.tolist(), records, strict=True)),
        ignored,
        bool((told | doubts).all()),
    )


def _say_for_all(known: dict[str, pa.Array], rows: pa.RecordBatch, rules: Rules) -> None:
    """Fill in what was said for all rows at once: in the schema's metadata, by the key, or by default."""
    metadata = {name.decode(): value.decode() for name, value in (rows.schema.metadata or {}).items() if name in
                (b"client", b"model", b"environment")}  # fmt: skip
    default = {"client": rules.client or None, "environment": "production", **metadata}
    for name in _STREAM:
        value = default.get(name)
        if name not in known:
            codes = pa.array(np.zeros(rows.num_rows, np.int32))
            known[name] = pa.DictionaryArray.from_arrays(codes, pa.array([value], pa.string()))
        elif known[name].null_count and value is not None:
            known[name] = known[name].cast(pa.string()).fill_null(value).dictionary_encode()
    now = int(rules.now * 1e6)
    times = known.get("timestamp")
    known["timestamp"] = pa.array(np.full(rows.num_rows, now)) if times is None else times.fill_null(now)


def _doubts(known: dict[str, pa.Array], rules: Rules) -> Mask:
    times = np.asarray(known["timestamp"])
    doubt: Mask = (times < rules.earliest * 1e6) | (times > rules.latest * 1e6)
    nothing = pa.nulls(len(times), pa.float64())
    doubt |= _both(known.get("prediction", nothing).is_null(), known.get("error", nothing).is_null())
    for name, values in known.items():
        doubt |= _doubts_of(name, values, rules)
    if "confidence" in known:
        doubt |= _true(pc.or_(pc.less(known["confidence"], 0.0), pc.greater(known["confidence"], 1.0)))
    if "latency_ms" in known:
        doubt |= _true(pc.less(known["latency_ms"], 0.0))
    if "id" in known:
        _, place, count = np.unique(hash_texts(known["id"]), return_inverse=True, return_counts=True)
        doubt |= (count[place] > 1) & np.asarray(known["id"].is_valid())
    return doubt


def _doubts_of_outcomes(known: dict[str, pa.Array], rules: Rules) -> Mask:
    times = np.asarray(known["timestamp"])
    doubt: Mask = (times < rules.earliest * 1e6) | (times > rules.latest * 1e6)
    doubt |= np.asarray(known["id"].is_null())
    for name, values in known.items():
        doubt |= _doubts_of(name, values, rules)
    return doubt


def _timeless(rows: pa.RecordBatch) -> pa.RecordBatch:
    at = rows.schema.names.index("timestamp")
    return rows.set_column(at, "timestamp", pa.nulls(rows.num_rows, pa.int64()))


def _doubts_of(name: str, values: pa.Array, rules: Rules) -> Mask:
    settings = rules.settings
    is_feature = name.startswith("features.")
    longest = settings.max_text if is_feature else settings.max_label
    if name in _STREAM:
        return _labels(values, lambda text: not _is_name(name, text, rules)) | _true(values.is_null())
    if pa.types.is_dictionary(values.type):
        return _labels(values, lambda text: len(text) > longest)
    if pa.types.is_string(values.type):
        return _true(pc.greater(pc.utf8_length(values), longest))
    if pa.types.is_list(values.type):
        inner = np.isfinite(np.asarray(values.flatten().fill_null(np.nan))).all()
        return _true(pc.greater(pc.list_value_length(values), settings.max_list)) | (not inner)
    if pa.types.is_floating(values.type) and not is_feature:
        return _true(pc.invert(pc.is_finite(values)))
    return np.zeros(len(values), bool)


def _is_name(name: str, text: str, rules: Rules) -> bool:
    if name == "environment":
        return text in ENVIRONMENTS
    return 0 < len(text) <= rules.settings.max_label and (
        name != "client" or (rules.client in ("", text) and rules.is_known(text))
    )


def _labels(values: pa.Array, is_bad: Callable[[str], bool]) -> Mask:
    """The rows whose category is bad, judged once for each category."""
    bad = np.array([text is not None and is_bad(text) for text in values.dictionary.to_pylist()] + [False])
    found: Mask = bad[np.asarray(values.indices.fill_null(len(bad) - 1))]
    return found


def _true(mask: pa.Array) -> Mask:
    found: Mask = np.asarray(mask.fill_null(False))
    return found


def _both(left: pa.Array, right: pa.Array) -> Mask:
    found: Mask = np.asarray(left) & np.asarray(right)
    return found


def _by_stream(rows: pa.RecordBatch) -> Iterator[tuple[Stream, pa.RecordBatch]]:
    if not rows.num_rows:
        return
    codes, labels = np.zeros(rows.num_rows, np.int64), []
    for name in _STREAM:
        column = rows.column(name)
        labels.append(column.dictionary.to_pylist())
        codes = codes * len(labels[-1]) + np.asarray(column.indices)
    rows = rows.drop_columns(list(_STREAM))
    present = np.unique(codes)
    for code in present:
        chosen = rows if len(present) == 1 else rows.filter(pa.array(codes == code))
        environment = labels[2][code % len(labels[2])]
        model = labels[1][code // len(labels[2]) % len(labels[1])]
        yield Stream(labels[0][code // len(labels[2]) // len(labels[1])], model, environment), chosen


def _record(row: dict[str, Any]) -> dict[str, Any]:
    """A row of columns as the record that it would be in JSON."""
    record: dict[str, Any] = {}
    for name, value in row.items():
        group, _, rest = name.partition(".")
        if value is not None and rest:
            record.setdefault(group, {})[rest] = value
        elif value is not None:
            record[name] = value
    return record
