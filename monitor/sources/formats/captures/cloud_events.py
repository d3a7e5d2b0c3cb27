"""CloudEvents: in the headers of a message with the data as its body, or as JSON objects that hold their data.

Headers carry the attributes as `ce-<name>` over HTTP, `ce_<name>` in Kafka, and `cloudEvents:<name>` in AMQP; Seldon
sends them to Kafka without a prefix.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from monitor.predictions.intake import bodies
from monitor.sources.source import Payload
from monitor.times.reading import micros_of

_PREFIXES = ("ce-", "ce_", "cloudevents:", "cloudevents_")


def rows_of_payload(payload: Payload, content_type: str = "") -> list[object]:
    """The events of a payload as objects with the attributes and `data`; bytes where the data is the body.

    Raises:
        InputError: the body has to be JSON, and is not.
    """
    attributes = attributes_of(payload.headers)
    if "type" in attributes and ("id" in attributes or "requestid" in attributes):
        kind = payload.headers.get("content-type", "")
        return [{"datacontenttype": kind, **attributes, "data": payload.body}]
    rows: list[object] = []
    for record in bodies.records(payload.body, content_type or payload.headers.get("content-type", "")):
        rows += record if isinstance(record, list) else [record]
    return rows


def attributes_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes in the headers of a message, whose names are in lower case."""
    prefixed = {
        name.removeprefix(prefix): value
        for name, value in headers.items()
        for prefix in _PREFIXES
        if name.startswith(prefix)
    }
    return {**headers, **prefixed} if "type" in headers and not prefixed else prefixed


def data_of(event: Mapping[str, Any]) -> object:
    """The data: bytes, or the value of JSON, also where the sender wrote JSON into a text.

    Raises:
        ValueError: its Base64 is damaged.
    """
    if (encoded := event.get("data_base64")) is None:
        return _unwrapped(event.get("data"))
    try:
        return base64.b64decode(str(encoded), validate=True)
    except binascii.Error as error:
        raise ValueError("its data_base64 is not Base64") from error


def _unwrapped(data: object) -> object:
    if isinstance(data, str) and data.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(data)
        except (ValueError, RecursionError):  # a text
            return data
    return data


def seconds_of(event: Mapping[str, Any]) -> float | None:
    """When the event happened, in seconds since the epoch; None if it does not say."""
    time = event.get("time")
    micros = micros_of(time) if isinstance(time, str | int | float) and not isinstance(time, bool) else None
    return None if micros is None else micros / 1e6


def described(event: Mapping[str, Any], *besides: str) -> dict[str, str]:
    """The attributes that are texts, for `$.event` of a mapping. Data is none of them."""
    left_out = {"data", "data_base64", "datacontenttype", *besides}
    return {
        name: value
        for name, value in event.items()
        if isinstance(value, str) and name not in left_out and value
    }
