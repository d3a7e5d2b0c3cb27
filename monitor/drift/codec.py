"""States and calibrations as bytes, and back bit by bit."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from monitor.drift.bend import Bend
from monitor.drift.calibration import Calibration
from monitor.drift.charts import Charts, Filter
from monitor.drift.columns import Column, Kind, Role
from monitor.drift.evidence import Evidence, Unseen
from monitor.drift.present import Present
from monitor.drift.scores import Scores, build
from monitor.drift.season import Season
from monitor.drift.state import Incident, State
from monitor.drift.tails import Tails
from monitor.drift.wander import Wander
from monitor.errors import StoreError

VERSION = 3
_ZSTD = pa.Codec("zstd", compression_level=3)
_RECORDS = {
    kind.__name__: kind
    for kind in (Bend, Charts, Filter, Evidence, Unseen, Present, Season, Incident, Tails, Wander)
}


def encode_state(state: State) -> bytes:
    """Compact bytes, versioned."""
    return _write({item.name: _plain(getattr(state, item.name)) for item in fields(State)})


def decode_state(blob: bytes) -> State:
    """What `encode_state` was given.

    Raises:
        StoreError: the bytes are of another version.
    """
    return State(**{name: _rich(value) for name, value in _read(blob).items()})


def encode_calibration(calibration: Calibration) -> bytes:
    """Compact bytes, versioned. Scores are kept as the columns and counts that they are built from."""
    named = {
        item.name: _plain(getattr(calibration, item.name))
        for item in fields(Calibration)
        if item.name != "scores"
    }
    columns = [
        [c.name, c.kind.value, c.buckets, c.role.value, list(c.labels), list(c.edges)]
        for c in calibration.columns
    ]
    return _write({**named, "columns": columns, "reference": _plain(calibration.scores.reference)})


def decode_calibration(blob: bytes) -> Calibration:
    """What `encode_calibration` was given.

    Raises:
        StoreError: the bytes are of another version.
    """
    held = _read(blob)
    columns = [
        Column(name, Kind(kind), buckets, Role(role), tuple(labels), tuple(edges))
        for name, kind, buckets, role, labels, edges in held.pop("columns")
    ]
    scores: Scores = build(columns, _rich(held.pop("reference")))
    return Calibration(scores=scores, **{name: _rich(value) for name, value in held.items()})


def is_current(blob: bytes) -> bool:
    """Was this written by the present version?"""
    return bool(_unpacked(blob)["version"] == VERSION)


def learned_with(blob: bytes) -> tuple[float, str]:
    """The smallest effect that matters and the time zone that a calibration was made with."""
    content = _read(blob)
    return float(content["least"]), str(content["zone"])


def _write(content: Mapping[str, Any]) -> bytes:
    raw = msgspec.msgpack.encode({"version": VERSION, "content": content})
    return len(raw).to_bytes(8, "little") + bytes(_ZSTD.compress(raw, asbytes=True))


def _read(blob: bytes) -> dict[str, Any]:
    held = _unpacked(blob)
    if held["version"] != VERSION:
        raise StoreError(
            f"a drift state of version {held['version']} cannot be read",
            hint="was it written by a newer one?",
        )
    content: dict[str, Any] = held["content"]
    return content


def _unpacked(blob: bytes) -> dict[str, Any]:
    raw = _ZSTD.decompress(blob[8:], int.from_bytes(blob[:8], "little"), asbytes=True)
    unpacked: dict[str, Any] = msgspec.msgpack.decode(raw)
    return unpacked


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": value.dtype.str, "shape": list(value.shape), "bytes": value.tobytes()}
    if is_dataclass(value) and not isinstance(value, type):
        held = {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        return {"record": type(value).__name__, "fields": held}
    return value


def _rich(value: Any) -> Any:
    if isinstance(value, dict) and "array" in value:
        return np.frombuffer(value["bytes"], np.dtype(value["array"])).reshape(value["shape"])
    if isinstance(value, dict) and "record" in value:
        return _RECORDS[value["record"]](**{name: _rich(item) for name, item in value["fields"].items()})
    return value
