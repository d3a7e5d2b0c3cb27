"""`mapped`: a team's own JSON messages, read by a mapping in the configuration. No code is needed for them."""

from typing import Any, ClassVar

from monitor.predictions.fields import ANSWERS, OUTCOME_FIELDS
from monitor.predictions.intake import bodies
from monitor.predictions.intake.validation import RecordError
from monitor.predictions.texts.call import FIELDS as CALL
from monitor.predictions.texts.call_columns import SENT
from monitor.sources.formats import json_path, plain
from monitor.sources.formats.format import Contents, FieldMapping, UnreadablePart
from monitor.sources.formats.paths import RecordPaths
from monitor.sources.source import Payload


class MappedFormat:
    """Fills the fields of a record from JSON paths."""

    kind: ClassVar[str] = "mapped"

    def __init__(self, mapping: FieldMapping) -> None:
        if not mapping.fields:
            msg = "the format `mapped` needs `fields`: the JSON path of each field, such as prediction: $.output.label"
            raise ValueError(msg)
        self._rows = json_path.parse(mapping.rows)
        if self._rows.is_relative:
            msg = f"`rows` begins with $, not @: {mapping.rows!r}"
            raise ValueError(msg)
        self._paths = RecordPaths(mapping.fields)
        self._outcome: tuple[str, ...] = ()
        """The fields of outcomes, where the messages are no predictions: one that a message lacks is null."""
        if not any(name in (*ANSWERS, "error", *CALL, *SENT) for name in mapping.fields):
            self._outcome = tuple(name for name in mapping.fields if name in OUTCOME_FIELDS)

    def read(self, payload: Payload) -> Contents:
        """The records of a payload.

        Raises:
            InputError: the body is not JSON.
        """
        records: list[object] = []
        unreadable: list[UnreadablePart] = []
        for message in bodies.records(payload.body, payload.headers.get("content-type", "")):
            if isinstance(message, RecordError):
                unreadable.append(UnreadablePart("", message.message, message.hint))
                continue
            rows = self._rows.all(message)
            if not rows:
                hint = "correct `rows` in the configuration of the source"
                unreadable.append(UnreadablePart(message, f"there is nothing at {self._rows.text}", hint))
            records += [self._record(message, row) for row in rows]
        contents = plain.contents_of(records)
        return Contents(contents.predictions, contents.outcomes, [*unreadable, *contents.unreadable])

    def _record(self, message: object, row: object) -> dict[str, Any]:
        record = self._paths.record(message, row)
        return record | {name: None for name in self._outcome if name not in record}
