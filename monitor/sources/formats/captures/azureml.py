"""`azureml`: the lines of Azure ML's model data collector, and what its library posts to a collector beside it.

Inputs and outputs are in different files; `correlationid` says which belong together. Times are whole seconds, so there
is no latency. Data above 256 kB and binary data are elsewhere, and only named.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from monitor.sources.formats.captures import cloud_events
from monitor.sources.formats.captures.captured import CapturedFormat, known, rows_of
from monitor.sources.formats.captures.inference_bodies import read_document
from monitor.sources.formats.format import HalfCall, Side
from monitor.sources.source import Payload

_SIDES = {
    "model_inputs": Side.REQUEST,
    "inputs": Side.REQUEST,
    "request": Side.REQUEST,
    "model_outputs": Side.RESPONSE,
    "outputs": Side.RESPONSE,
    "response": Side.RESPONSE,
}
"""What a record holds, by the last part of its type."""
_UNNAMED_VERSION = "default"


class AzureMLFormat(CapturedFormat):
    """Reads each record as one half of a call."""

    kind: ClassVar[str] = "azureml"

    def rows(self, payload: Payload) -> list[object]:
        """The records of a payload."""
        return cloud_events.rows_of_payload(payload)

    def read_call(self, row: Mapping[str, Any]) -> HalfCall:
        """One record."""
        kind, call = str(row.get("type") or ""), row.get("correlationid")
        side = _SIDES.get(kind.rpartition(".")[2])
        if side is None or not isinstance(call, str | int) or call == "":
            msg = f"it has no correlationid, or holds no inputs and no outputs (type {kind[:100]!r})"
            raise ValueError(msg)
        if str(row.get("datainblob")).lower() == "true":
            msg = f"its data is not included, but in {str(row.get('data'))[:300]}"
            raise ValueError(msg)
        version = row.get("modelversion")
        document, _ = read_document(cloud_events.data_of(row))
        fields = {
            "timestamp": cloud_events.seconds_of(row),
            "version": None if version == _UNNAMED_VERSION else version,
        }
        described = cloud_events.described(
            row, "type", "time", "specversion", "correlationid", "contentrange"
        )
        return HalfCall(str(call), side, rows_of(document), known(fields), described)
