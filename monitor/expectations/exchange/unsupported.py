"""What has no counterpart, and what tells the same: so that an engineer knows where to look."""

from collections.abc import Mapping
from typing import Any

_ROWS = "it counts a batch, which is not known here; of an hour, add `rows: {BOUNDS}`, divided by the hours of a batch"
_COLUMNS = (
    "any record may lack one; inputs that come, go or change their type are reported by `schema_changes`"
)
_FIGURE = "it is a figure of a whole column: drift compares these with the baseline, and an own metric may have a rule"
_TIMES = "times are checked by their age, with `fresh`"
_HINTS = {
    "expect_table_row_count_to_equal_other_table": "",
    "expect_table_row_count": _ROWS,
    "expect_column_distinct_values_to_equal_set": "`allowed` says which values there may be, not that each one occurs",
    "row_condition": "write a condition, such as `amount >= 0 if country == 'DE' else True`",
    "expect_table_column": _COLUMNS,
    "expect_column_to_exist": _COLUMNS,
    "expect_column_values_to_match_strftime": _TIMES,
    "expect_column_values_to_be_dateutil": _TIMES,
    **{
        f"expect_column_{figure}": _FIGURE
        for figure in (
            "mean", "median", "stdev", "sum", "min", "max", "quantile", "unique", "proportion", "most_common",
            "distinct", "kl_divergence", "value_z",
        )
    },
}  # fmt: skip
"""By how the name of an expectation of Great Expectations begins."""


def hint_of(kind: str, given: Mapping[str, Any]) -> str:
    """What tells the same as an expectation with these values, behind a colon; empty if nothing does."""
    hint = next((hint for begin, hint in _HINTS.items() if kind.startswith(begin)), "")
    return f": {hint.replace('BOUNDS', _bounds(given))}" if hint else ""


def _bounds(given: Mapping[str, Any]) -> str:
    """The bounds of a number of rows, as a suite has them."""
    exact = given.get("value")
    least, most = given.get("min_value", exact), given.get("max_value", exact)
    known = (
        (name, value) for name, value in (("least", least), ("most", most)) if isinstance(value, int | float)
    )
    return ", ".join(f"{name}: {value}" for name, value in known) or "least: 100, most: 5000"


OF_SCHEMAS = {
    "checks": "is not supported",
    "index": "is not supported",
    "strict": f"is not supported: {_COLUMNS}",
    "ordered": "is not supported: records have no order of columns",
    "unique_column_names": "is not supported: a record has each name once",
}
"""What a schema of pandera may have beside columns."""
