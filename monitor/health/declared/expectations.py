"""Expectations on data in a sentence for the client: how many were checked, and which are not met. Pure."""

from collections.abc import Sequence

from monitor.records import Measurement
from monitor.visible import counted, one_line

METRICS = SHARE, FAILED = "violation_share", "expectation_failed"
_MOST_NAMED = 3
_MOST_CHARACTERS = 60


def sentence(measured: Sequence[Measurement], period: str) -> str:
    """How many expectations are met; empty if none was checked. `period` is such as `in this period`."""
    checked = [one for one in measured if one.metric == FAILED and one.value is not None]
    unknown = sum(one.metric == SHARE and one.value is None for one in measured)
    if not checked:
        return ""
    failed = [one for one in checked if one.value]
    rest = f" {unknown} could not be checked." if unknown else ""
    if not failed:
        met = "The one expectation" if len(checked) == 1 else f"All {counted(len(checked), 'expectation')}"
        return f"{met} on the data {'was' if len(checked) == 1 else 'were'} met {period}.{rest}"
    columns = list(dict.fromkeys(_name(one) for one in failed))
    named = ", ".join(columns[:_MOST_NAMED])
    more = f" and {len(columns) - _MOST_NAMED} more" if len(columns) > _MOST_NAMED else ""
    total = counted(len(checked), "expectation")
    return (
        f"{len(failed)} of {total} on the data {'was' if len(failed) == 1 else 'were'} not met {period}: "
        f"{named}{more}.{rest}"
    )


def _name(one: Measurement) -> str:
    """What an expectation is about: its column, how columns relate in a row, or how many rows there are."""
    column = one.label("column")
    if column == "rows":
        column = "number of rows" if one.label("expectation").startswith("rows ") else "how columns relate"
    shown = one_line(column)
    return shown if len(shown) <= _MOST_CHARACTERS else f"{shown[: _MOST_CHARACTERS - 1]}…"
