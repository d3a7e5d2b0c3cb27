"""What every format implements: bytes in somebody else's notation become records in ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

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
class Unreadable:
    """A part of a payload that cannot become a record: the part itself, what is wrong, and what helps."""

    content: object
    error: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a payload contains, in the notation of `POST /v1/predictions` and `/v1/outcomes`.

    The records are not validated yet. One record may appear among both: an answer and its truth sent together.
    """

    predictions: Sequence[object] = field(default=())
    outcomes: Sequence[object] = field(default=())
    unreadable: Sequence[Unreadable] = field(default=())


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
