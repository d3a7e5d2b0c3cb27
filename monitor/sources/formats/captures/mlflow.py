"""`mlflow`: assessments of traces, as MLflow writes them: an expectation is a truth, and a number is feedback."""

from collections.abc import Mapping
from typing import Any, ClassVar

from monitor.sources.formats.captures.captured import CapturedFormat, Truth, known


class MLflowFormat(CapturedFormat):
    """Reads each assessment as an outcome of the prediction whose id is the trace's. Withdrawn ones are skipped."""

    kind: ClassVar[str] = "mlflow"

    def read_call(self, row: Mapping[str, Any]) -> Truth | None:
        """One assessment."""
        if not row.get("trace_id") or not row.get("assessment_name"):
            msg = "it has no trace_id and assessment_name"
            raise ValueError(msg)
        if row.get("valid") is False:
            return None
        fields = {"id": row["trace_id"], "timestamp": row.get("create_time")}
        if isinstance(expected := row.get("expectation"), Mapping):
            truth = expected.get("value")
            fields["truth"] = str(truth).lower() if isinstance(truth, bool) else truth
        elif isinstance(given := row.get("feedback"), Mapping):
            value = given.get("value")
            if not isinstance(value, int | float):
                msg = f"the value of its feedback is not a number: {str(value)[:100]!r}"
                raise ValueError(msg)
            fields["feedback"] = float(value)
        else:
            msg = "it has no feedback and no expectation"
            raise ValueError(msg)
        return Truth(known(fields))
