"""JSON lines that Arrow cannot read as columns, because a field is a number here and a text there: one by one."""

import io
import json
from collections.abc import Collection, Iterator, Sequence

import msgspec
import pyarrow as pa

from monitor.predictions.columns import Value, column, name_of
from monitor.sources.delimited import Broken, Piece
from monitor.sources.places import Place

_PIECE = 20_000
_PLAIN = (str, bool, int, float, list, type(None))


def read(place: Place, after: int, read_as_text: Collection[str]) -> Iterator[Piece]:
    """The records after the first ones some at a time; a line that is no object of JSON is set aside.

    Objects inside records are columns with a dot. Each column has the widest kind of its piece; those in
    `read_as_text` are the texts that stand there.
    """
    records: list[dict[str, object]] = []
    broken: list[Broken] = []
    with place.open() as file:
        number = 0
        for line in io.BufferedReader(file):
            number += bool(line.strip())
            if number > after and line.strip():
                try:
                    records.append(_record(line))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    broken.append(Broken(number, line.decode(errors="replace"), str(error)))
            if len(records) + len(broken) >= _PIECE:
                share = min(1.0, file.tell() / max(1, place.size))
                yield Piece(_batch(records, read_as_text), share, tuple(broken))
                records, broken = [], []
        if records or broken:
            yield Piece(_batch(records, read_as_text), 1.0, tuple(broken))


def _record(line: bytes) -> dict[str, object]:
    record = msgspec.json.decode(line, type=dict[str, object])
    flat: dict[str, object] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat


def _batch(records: Sequence[dict[str, object]], read_as_text: Collection[str]) -> pa.RecordBatch:
    names = dict.fromkeys(name for record in records for name in record)
    columns = []
    for name in names:
        values = [_value(record.get(name)) for record in records]
        is_text = name in read_as_text
        columns.append(pa.array(map(name_of, values), pa.string()) if is_text else column(values))
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def _value(value: object) -> Value:
    return value if isinstance(value, _PLAIN) else json.dumps(value)
