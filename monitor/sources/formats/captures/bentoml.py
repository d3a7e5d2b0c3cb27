"""`bentoml`: the lines of BentoML's monitoring log. One line has the features and the answer of one prediction.

The roles of its columns are in a schema file beside it. They are not read from there: the column of the prediction is
named in `fields`, or like a prediction. Times are local times without a zone.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from monitor.sources.formats import json_path
from monitor.sources.formats.captures.captured import CapturedCall, CapturedFormat, answer_keys, known
from monitor.sources.formats.format import NO_MAPPING, FieldMapping

_OWN = ("timestamp", "request_id", "trace_id")


class BentoMLFormat(CapturedFormat):
    """Reads each line as a prediction. Lines of schema files are skipped."""

    kind: ClassVar[str] = "bentoml"

    def __init__(self, mapping: FieldMapping = NO_MAPPING) -> None:
        super().__init__(mapping)
        steps = (json_path.parse(path).steps for path in mapping.fields.values())
        self._used = {step for path in steps for step in path[1:2]}  # after `input` or `output`
        self._has_prediction = "prediction" in mapping.fields

    def read_call(self, row: Mapping[str, Any]) -> CapturedCall | None:
        """One line."""
        if "meta_data" in row and "columns" in row:
            return None
        fields = {"id": row.get("request_id"), "timestamp": row.get("timestamp")}
        columns = {name: value for name, value in row.items() if name not in _OWN}
        answers = () if self._has_prediction else answer_keys(columns)
        features = {k: v for k, v in columns.items() if k not in self._used and k not in answers}
        return CapturedCall(known(fields), [features], [columns])
