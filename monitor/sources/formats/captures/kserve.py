"""`kserve`: the events of KServe's logger, sent over HTTP or by a broker, or written to a bucket.

Request and response are two events with the same id. Only responses with status 200 are logged, and the content type of
a response is that of its request.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, ClassVar

from monitor.sources.formats.captures import cloud_events
from monitor.sources.formats.captures.captured import CapturedFormat, known
from monitor.sources.formats.captures.inference_bodies import read_body
from monitor.sources.formats.format import HalfCall, Side
from monitor.sources.source import Payload

_OF_OBJECTS = ("inferenceService", "namespace", "component", "endpoint")


class KServeFormat(CapturedFormat):
    """Reads each event as one half of a call."""

    kind: ClassVar[str] = "kserve"

    def rows(self, payload: Payload) -> list[object]:
        """The events of a payload."""
        return cloud_events.rows_of_payload(payload)

    def read_call(self, row: Mapping[str, Any]) -> HalfCall:
        """One event."""
        return half_of(_event(row) if "reqType" in row else row, "id")


def half_of(event: Mapping[str, Any], id_name: str) -> HalfCall:
    """One half of a call from an event.

    Raises:
        ValueError: it is none, or its body cannot be read.
    """
    kind = str(event.get("type") or "")
    side = next((side for side in Side if kind.rpartition(".")[2] == side), None)
    call = event.get(id_name)
    if side is None or not isinstance(call, str | int) or call == "":
        msg = f"it is not the request or response of a call (type {kind[:100]!r}, {id_name} {str(call)[:100]!r})"
        raise ValueError(msg)
    body = read_body(cloud_events.data_of(event), str(event.get("datacontenttype") or ""), side)
    at = cloud_events.seconds_of(event)
    described = cloud_events.described(event, "id", "type", "time", "specversion")
    return HalfCall(str(call), side, body.rows, known({"timestamp": at, **body.fields}), described, at)


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    """An object of a bucket as an event. Its bytes are Base64, except where Parquet holds them as they are."""
    written = row.get("bytes")
    if not isinstance(written, str):
        msg = "it is empty"
        raise ValueError(msg)
    try:
        data = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        data = written.encode(errors="surrogatepass")
    about = {name.lower(): row.get(name) for name in _OF_OBJECTS}
    about["inferenceservicename"] = about.pop("inferenceservice")
    return {
        **about,
        "id": row.get("id"),
        "type": row["reqType"],
        "time": row.get("occurrenceTime"),
        "datacontenttype": row.get("contentType"),
        "data": data,
    }
