"""`seldon`: the events of Seldon's request logger, sent over HTTP or to Kafka.

Request, response and feedback are events with the same `requestid`. Bodies are Seldon's own (`data` with `names` and
`ndarray` or `tensor`, `strData`, `jsonData`) or those of the Open Inference Protocol.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from monitor.sources.formats.captures import cloud_events
from monitor.sources.formats.captures.captured import CapturedFormat, Truth, known, rows_of
from monitor.sources.formats.captures.inference_bodies import Body, read_body, read_document
from monitor.sources.formats.captures.tensors import rows_of_tensors
from monitor.sources.formats.format import HalfCall, Side
from monitor.sources.source import Payload
from monitor.visible import counted


class SeldonFormat(CapturedFormat):
    """Reads each event as one half of a call, and feedback as an outcome."""

    kind: ClassVar[str] = "seldon"

    def rows(self, payload: Payload) -> list[object]:
        """The events of a payload."""
        return cloud_events.rows_of_payload(payload)

    def read_call(self, row: Mapping[str, Any]) -> HalfCall | Truth:
        """One event."""
        kind = str(row.get("type") or "").rpartition(".")[2]
        call = row.get("requestid") or row.get("id")
        if kind == "feedback":
            return _feedback(read_document(cloud_events.data_of(row))[0], call)
        side = next((side for side in Side if kind == side), None)
        if side is None or not isinstance(call, str | int):
            msg = (
                f"it is not the request, response or feedback of a call (type {str(row.get('type'))[:100]!r})"
            )
            raise ValueError(msg)
        document, behind = read_document(cloud_events.data_of(row))
        body = _own(document, side) or read_body(document, "", side, behind)
        at = cloud_events.seconds_of(row)
        described = cloud_events.described(row, "id", "requestid", "type", "time", "specversion")
        return HalfCall(str(call), side, body.rows, known({"timestamp": at, **body.fields}), described, at)


def _own(document: object, side: Side) -> Body | None:
    """A body in Seldon's own notation; None for any other."""
    if not isinstance(document, Mapping):
        return None
    for name in ("strData", "jsonData"):
        if name in document:
            return Body(rows_of(document[name]))
    data = document.get("data")
    if not isinstance(data, Mapping):
        return None
    names = [str(name) for name in data.get("names") or ()]
    rows = _rows(data)
    return Body([_answer(row, names) if side is Side.RESPONSE else _named(row, names) for row in rows])


def _rows(data: Mapping[str, Any]) -> list[object]:
    if isinstance(rows := data.get("ndarray"), list):
        return rows
    if isinstance(tensor := data.get("tensor"), Mapping):
        described = {**tensor, "name": "tensor", "datatype": "FP64", "data": tensor.get("values")}
        rows = rows_of_tensors([described], b"")
        return [row.get("tensor", {}) if isinstance(row, Mapping) else row for row in rows]
    msg = "its data has no ndarray and no tensor"
    raise ValueError(msg)


def _named(row: object, names: Sequence[str]) -> object:
    return dict(zip(names, row, strict=True)) if isinstance(row, list) and len(names) == len(row) else row


def _answer(row: object, names: Sequence[str]) -> object:
    """An answer; the probabilities of several classes by the names of the classes."""
    if not isinstance(row, list) or len(row) != len(names) or len(row) < 2:
        return row
    if all(isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= 1 for one in row):
        shares = dict(zip(names, row, strict=True))
        if abs(sum(row) - 1) < 1e-3:
            best = max(shares, key=lambda name: float(shares[name]))
            return {"prediction": best, "confidence": shares[best], "probabilities": shares}
    return dict(zip(names, row, strict=True))


def _feedback(document: object, call: object) -> Truth:
    if not isinstance(document, Mapping):
        msg = "its feedback is not an object"
        raise ValueError(msg)
    response = document.get("response")
    about = response.get("meta") if isinstance(response, Mapping) else None
    named = about.get("puid") if isinstance(about, Mapping) else None
    truth = _own(document.get("truth"), Side.REQUEST)
    rows = [] if truth is None else list(truth.rows)
    if len(rows) > 1:
        msg = f"its truth has {counted(len(rows), 'row')}, not one"
        raise ValueError(msg)
    value = rows[0] if rows else None
    while isinstance(value, list | dict) and len(value) == 1:
        value = value[0] if isinstance(value, list) else next(iter(value.values()))
    fields = {"id": call or named, "truth": value, "feedback": document.get("reward")}
    return Truth(known(fields))
