"""What every format implements: bytes in somebody else's notation become records in ours."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec
import pyarrow as pa

from monitor.sources.source import Payload

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """Where the fields of a record stand in a foreign message, as JSON paths (`monitor.sources.formats.json_path`).

    `rows` is the path of the elements that become one record each; `fields` are the paths by field of the record,
    absolute (`$.model.version`) or relative to the element (`@.label`). `columns` names values that have no name.
    """

    rows: str = "$"
    fields: Mapping[str, str] = field(default_factory=dict)
    columns: Sequence[str] = ()


NO_MAPPING = FieldMapping()


@dataclass(frozen=True, slots=True)
class UnreadablePart:
    """A part of a payload that cannot become a record: the part itself, what is wrong, and what helps."""

    content: object
    error: str
    hint: str = ""


class Side(StrEnum):
    """Which half of a call a message holds."""

    REQUEST = "request"
    RESPONSE = "response"

    @property
    def other(self) -> "Side":
        """The half that is missing."""
        return Side.RESPONSE if self is Side.REQUEST else Side.REQUEST


class HalfCall(msgspec.Struct, frozen=True):
    """A request without its response, or the other way round. Both have the same `call`, the id of the call.

    `rows` are the inputs of a request, or the answers of a response. `fields` are what is known of the whole call, as
    fields of a record; `event` is what the platform says of this half (`$.event` in a mapping). `at` is when it was
    sent, in seconds since the epoch; None where the platform's clock is too coarse to measure a latency.
    """

    call: str
    side: Side
    rows: Sequence[Any] = ()
    fields: Mapping[str, Any] = {}
    event: Mapping[str, str] = {}
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a payload contains, in the notation of `POST /v1/predictions` and `/v1/outcomes`.

    The records are not validated yet. One record may appear among both: an answer and its truth sent together. `halves`
    become records once both halves of a call arrived.
    """

    predictions: Sequence[object] = field(default=())
    outcomes: Sequence[object] = field(default=())
    unreadable: Sequence[UnreadablePart] = field(default=())
    halves: Sequence[HalfCall] = field(default=())


class Format(Protocol):
    """Pure: the same payload always has the same contents."""

    kind: ClassVar[str]
    """Its name in the configuration."""

    def __init__(self, mapping: FieldMapping) -> None:
        """A format that needs a mapping checks it here.

        Raises:
            ValueError: the mapping cannot be used.
        """

    def read(self, payload: Payload) -> Contents:
        """The records of a payload.

        Raises:
            InputError: nothing in it can be read; the whole payload goes to quarantine.
        """


@runtime_checkable
class PairingFormat(Format, Protocol):
    """A format in which the request and the response of a call are two messages."""

    def joined(self, request: HalfCall | None, response: HalfCall | None) -> Contents:
        """The records of a call from its halves; one of them may be missing for good."""


class ColumnarFormat(ABC):
    """A format that can read many predictions at once."""

    @abstractmethod
    def columns(self, payload: Payload) -> pa.RecordBatch | None:
        """The predictions of a payload, as columns with the names of `monitor.predictions.log.batch`.

        None where `read` has to look at each of them. It would give the same predictions, and nothing else.
        """
