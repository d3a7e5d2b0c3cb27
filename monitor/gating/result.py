"""The result of a gate, which can be stored as JSON: an approval keeps what the approver saw."""

from dataclasses import dataclass, fields
from typing import Any

from monitor.errors import UnreadableError
from monitor.gating.records import SCHEMA, MetricResult, RuleResult, SegmentResult, StoredResult, TargetResult
from monitor.gating.reports.page import fragment
from monitor.gating.reports.text import text
from monitor.rollouts.verdict import Outcome


@dataclass(frozen=True, slots=True, repr=False)
class GateResult(StoredResult):
    """A result that notebooks show as tables."""

    def __repr__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return fragment(self)


_PARTS: dict[str, type] = {
    "metrics": MetricResult,
    "targets": TargetResult,
    "rules": RuleResult,
    "segments": SegmentResult,
}


def from_dict(stored: Any) -> GateResult:
    """The result that `to_dict` gave.

    Raises:
        UnreadableError: it is none, or of another schema.
    """
    try:
        if stored["schema"] != SCHEMA:
            message = f"a gate's result of schema {stored['schema']!r} cannot be read"
            raise UnreadableError(message, hint=f"this version reads {SCHEMA}")
        known = {one.name for one in fields(GateResult)}
        values = {name: value for name, value in stored.items() if name in known}
        for name, kind in _PARTS.items():
            values[name] = tuple(kind(**_with_outcome(one)) for one in values[name])
        return GateResult(
            **{**values, "outcome": Outcome(values["outcome"]), "notes": tuple(values["notes"])}
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"this is not a gate result: {error}") from error


def _with_outcome(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"outcome": Outcome(values["outcome"])} if "outcome" in values else values
