"""Results of evaluations (`gen_ai.evaluation.result`) arrive as log records. Predictions have no field for them yet."""

from collections.abc import Iterable

from monitor.sources.otlp.span import LogRecord, Refused

_EVENT = "gen_ai.evaluation.result"
_REASON = "results of evaluations (gen_ai.evaluation.result) are not stored yet"


def refused_evaluations(records: Iterable[LogRecord | Refused]) -> tuple[int, str]:
    """The number of log records that are not accepted, and the first reason.

    Other log records are accepted and not stored: an application sends its whole log to one address.
    """
    count, reason = 0, ""
    for record in records:
        if isinstance(record, Refused) or record.event == _EVENT:
            count += 1
            reason = reason or (record.reason if isinstance(record, Refused) else _REASON)
    return count, reason
