"""Encode and decode drift states and calibrations; decoding returns identical bits.

The format is a checksum, then zstd-compressed msgpack. Arrays are stored with data type, shape and bytes.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from monitor.drift.columns import ColumnType, Role, WatchedColumn
from monitor.drift.decision import recovery
from monitor.drift.decision.current_effect import CurrentEffect
from monitor.drift.decision.e_detector import Evidence, Unseen
from monitor.drift.decision.recovery import Recovery
from monitor.drift.decision.state import DecisionState, IncidentState
from monitor.drift.model.amplitude import Amplitude
from monitor.drift.model.autocorrelation import Autocorrelation
from monitor.drift.model.calibration import Calibration
from monitor.drift.model.control_charts import Charts
from monitor.drift.model.kalman_filter import KalmanState
from monitor.drift.model.location_coupling import LocationCoupling
from monitor.drift.model.scores import Scores, build
from monitor.drift.model.season import Season
from monitor.drift.model.tails import Tails
from monitor.errors import UnreadableError
from monitor.store.checksums import reading, seal, unseal

VERSION = 3
_ZSTD = pa.Codec("zstd", compression_level=3)
_NAMES: dict[type, str] = {
    Amplitude: "Amplitude",
    Autocorrelation: "Wander",
    Charts: "Charts",
    CurrentEffect: "Present",
    Evidence: "Evidence",
    IncidentState: "Incident",
    KalmanState: "Filter",
    LocationCoupling: "Bend",
    Recovery: "Recovery",
    Season: "Season",
    Tails: "Tails",
    Unseen: "Unseen",
}
"""The stored name of each record. It is part of the format and stays if the class is renamed."""
_FIELDS: dict[type, dict[str, str]] = {
    Autocorrelation: {"correlation": "memory", "variance": "power"},
    Charts: {
        "autocorrelation": "wander", "coupling": "bend", "effect_sizes": "bets", "tail_shape": "heaviness",
    },
    IncidentState: {"joined": "latest", "latest": "latest_begun", "earliest": "earliest_begun"},
    KalmanState: {"mean": "level", "variance": "spread", "absorbed": "followed"},
    Unseen: {"outside": "found"},
}  # fmt: skip
"""The stored names of fields, where they differ from the attributes."""
_RECORDS = {name: kind for kind, name in _NAMES.items()}
_ATTRIBUTES = {
    kind: {stored: attribute for attribute, stored in names.items()} for kind, names in _FIELDS.items()
}


def encode_state(state: DecisionState) -> bytes:
    """Return compact, versioned bytes."""
    return _write({item.name: _plain(getattr(state, item.name)) for item in fields(DecisionState)})


def decode_state(blob: bytes) -> DecisionState:
    """Return the state that `encode_state` encoded.

    Raises:
        UnreadableError: the bytes are damaged or of another version.
    """
    content = {name: _rich(value) for name, value in _read(blob).items()}
    if "recovery" not in content:  # an earlier version wrote it
        content["recovery"] = recovery.begin(len(content["dense_rows"]), len(content["present"].unseen))
    return DecisionState(**content)


def encode_calibration(calibration: Calibration) -> bytes:
    """Return compact, versioned bytes. Scores are kept as the columns and counts that they are built from."""
    named = {
        item.name: _plain(getattr(calibration, item.name))
        for item in fields(Calibration)
        if item.name != "scores"
    }
    columns = [
        [c.name, c.kind.value, c.buckets, c.role.value, c.labels, c.edges, c.novelty, c.replaced, c.relates]
        for c in calibration.columns
    ]
    reference = _plain(calibration.scores.reference)
    return _write(
        {**named, "columns": columns, "reference": reference, "by_name": calibration.scores.by_name}
    )


def decode_calibration(blob: bytes) -> Calibration:
    """Return the calibration that `encode_calibration` encoded.

    Raises:
        UnreadableError: the bytes are damaged or of another version.
    """
    content = _read(blob)
    columns = [
        WatchedColumn(name, ColumnType(kind), buckets, Role(role), *(_fixed(value) for value in more))
        for name, kind, buckets, role, *more in content.pop("columns")
    ]
    by_name = content.pop("by_name", True)  # as earlier releases did
    scores: Scores = build(columns, _rich(content.pop("reference")), by_name=by_name)
    return Calibration(scores=scores, **{name: _rich(value) for name, value in content.items()})


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def is_current(blob: bytes) -> bool:
    """Return whether the bytes are undamaged and of this version."""
    try:
        return bool(_unpacked(blob)["version"] == VERSION)
    except (
        msgspec.MsgspecError,
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
        MemoryError,
        OSError,
        RecursionError,
    ):
        return False


def learned_with(blob: bytes) -> tuple[float, str]:
    """The smallest effect that matters and the time zone that a calibration was made with."""
    content = _read(blob)
    return float(content["least"]), str(content["zone"])


def _write(content: Mapping[str, Any]) -> bytes:
    raw = msgspec.msgpack.encode({"version": VERSION, "content": content})
    return seal(len(raw).to_bytes(8, "little") + bytes(_ZSTD.compress(raw, asbytes=True)))


def _read(blob: bytes) -> dict[str, Any]:
    stored = _unpacked(blob)
    if stored["version"] != VERSION:
        raise UnreadableError(
            f"unsupported drift state version {stored['version']}",
            hint="upgrade Watchkeeper; a newer version wrote it",
        )
    content: dict[str, Any] = stored["content"]
    return content


def _unpacked(blob: bytes) -> dict[str, Any]:
    with reading("a drift state"):
        blob = unseal(blob)
        raw = _ZSTD.decompress(blob[8:], int.from_bytes(blob[:8], "little"), asbytes=True)
        unpacked: dict[str, Any] = msgspec.msgpack.decode(raw)
        return unpacked


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": value.dtype.str, "shape": list(value.shape), "bytes": value.tobytes()}
    kind = type(value)
    if kind in _NAMES:
        stored = _FIELDS.get(kind, {})
        content = {
            stored.get(item.name, item.name): _plain(getattr(value, item.name)) for item in fields(kind)
        }
        return {"record": _NAMES[kind], "fields": content}
    return value


def _rich(value: Any) -> Any:
    if isinstance(value, dict) and "array" in value:
        return np.frombuffer(value["bytes"], np.dtype(value["array"])).reshape(value["shape"])
    if isinstance(value, dict) and "record" in value:
        kind = _RECORDS[value["record"]]
        attributes = _ATTRIBUTES.get(kind, {})
        stored = {attributes.get(name, name): _rich(item) for name, item in value["fields"].items()}
        return kind(**_added(kind, stored), **stored)
    return value


def _added(kind: type, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that records of earlier versions lack: an amplitude that does not change, steady hours, one wave,
    change points whose interval is not known, and errors that do not depend on each other.
    """
    if kind is Season:
        offset = stored["offset"]
        fixed = {"factor": np.ones(offset.shape[1]), "change": 0.0, "unsteady": np.zeros_like(offset)}
        return {name: value for name, value in fixed.items() if name not in stored}
    if kind is IncidentState:
        member, unknown = stored["member"], np.zeros(len(stored["member"]))
        earlier = {"wave": member.astype(np.int64), "joined": stored["opened"], "waves": 1}
        earlier |= {"earliest": unknown, "latest": unknown}
        return {name: value for name, value in earlier.items() if name not in stored}
    if kind is Charts and "dependence" not in stored:
        return {"dependence": np.ones_like(stored["inflation"])}
    if kind is KalmanState and "amplitude" not in stored:
        return {"amplitude": Amplitude(np.ones_like(stored["mean"]), np.zeros_like(stored["mean"]))}
    return {}
