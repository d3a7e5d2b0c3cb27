"""A strict receiver of Prometheus remote write 2.0: a decoder from the fields of the official .proto, and its rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet

from tests.support.receiver import Receiver, _Handler

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_FIELDS = {
    "Request": {"symbols": (4, "string*"), "timeseries": (5, "TimeSeries*")},
    "TimeSeries": {
        "labels_refs": (1, "uint32*"), "samples": (2, "Sample*"), "metadata": (5, "Metadata"), "created": (6, "int64"),
    },
    "Sample": {"value": (1, "double"), "timestamp": (2, "int64")},
    "Metadata": {"type": (1, "uint32"), "help_ref": (3, "uint32"), "unit_ref": (4, "uint32")},
}  # fmt: skip
"""Messages of `io.prometheus.write.v2`, by name, number and type; `*` if repeated. An enum is a number on the wire."""


def _described() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="write.proto", package="io.prometheus.write.v2", syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for label, (number, kind) in fields.items():
            made = message.field.add(name=label, number=number)
            made.label = kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL
            if kind.rstrip("*") in _FIELDS:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".io.prometheus.write.v2.{kind.rstrip('*')}"
            else:
                made.type = getattr(kinds, f"TYPE_{kind.rstrip('*').upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("io.prometheus.write.v2.Request"))


Request = _described()


@dataclass(frozen=True, slots=True)
class Series:
    """One decoded series: its labels, value, time in milliseconds, type, help and unit."""

    labels: dict[str, str]
    value: float
    time: int
    kind: int
    help: str
    unit: str


def decoded(body: bytes) -> list[Series]:
    """The series of a compressed message of 2.0; fails on all that the specification forbids."""
    size, shift = 0, 0
    for byte in body:  # the length before compression stands first
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    request = Request.FromString(pa.decompress(body, size, codec="snappy", asbytes=True))
    assert not UnknownFieldSet(request)
    assert request.symbols[0] == ""
    assert len(set(request.symbols)) == len(request.symbols)
    return list(_series(request))


def _series(request: Any) -> Iterator[Series]:
    used = {0}
    for one in request.timeseries:
        assert not UnknownFieldSet(one)
        assert not UnknownFieldSet(one.metadata)
        assert len(one.labels_refs) % 2 == 0
        used |= {*one.labels_refs, one.metadata.help_ref, one.metadata.unit_ref}
        texts = [request.symbols[reference] for reference in one.labels_refs]
        names = texts[::2]
        assert names == sorted(set(names)), names
        assert all(_LABEL.fullmatch(name) for name in names), names
        assert "__name__" in names
        assert all(texts[1::2]), "an empty label is no label"
        assert 1 <= one.metadata.type <= 7
        (sample,) = one.samples
        labels = dict(zip(names, texts[1::2], strict=True))
        described = request.symbols[one.metadata.help_ref], request.symbols[one.metadata.unit_ref]
        yield Series(labels, sample.value, sample.timestamp, one.metadata.type, *described)
    assert used == set(range(len(request.symbols))), "a symbol that nobody refers to"


class _HandlerOf2(_Handler):
    def end_headers(self) -> None:
        assert isinstance(self.receiver, RemoteWriteIntake)
        if self.receiver.written is not None:
            self.send_header("X-Prometheus-Remote-Write-Samples-Written", str(self.receiver.written))
        super().end_headers()


@dataclass(slots=True)
class RemoteWriteIntake(Receiver):
    """Knows version 2.0 only; `old` makes it one that answers 415 to it and takes 1.0 unread."""

    old: bool = False
    series: list[Series] = field(default_factory=list)
    written: int | None = None

    def __post_init__(self) -> None:
        Receiver.__post_init__(self)
        self.server.RequestHandlerClass = type("Handler", (_HandlerOf2,), {"receiver": self})

    def judge(self, body: bytes) -> int:
        headers = self.requests[-1].headers
        self.written = None
        is_2 = headers["Content-Type"] == "application/x-protobuf;proto=io.prometheus.write.v2.Request"
        assert headers["X-Prometheus-Remote-Write-Version"] == ("2.0.0" if is_2 else "0.1.0")
        assert headers["Content-Encoding"] == "snappy"
        if is_2 == self.old:
            return 415
        if is_2:
            arrived = decoded(body)
            self.series += arrived
            self.written = len(arrived)
        return 204
