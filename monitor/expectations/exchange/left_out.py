"""What has no counterpart, and what tells the same: so that an engineer knows where to look."""

_ROWS = "it counts a batch. Here `rows: {least: 100, most: 5000}` counts an hour: add it to the suite"
_COLUMNS = "inputs that come, go or change their type are told by `schema_changes`"
_FIGURE = "it is a figure of a whole column: drift compares these with the baseline, and an own metric may have a rule"
_TIMES = "times are checked by their age, with `fresh`"
_HINTS = {
    "expect_table_row_count": _ROWS,
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


def hint_of(kind: str) -> str:
    """What tells the same as an expectation, behind a colon; empty if nothing does."""
    return next((f": {hint}" for begin, hint in _HINTS.items() if kind.startswith(begin)), "")


OF_SCHEMAS = {
    "checks": "is not supported",
    "index": "is not supported",
    "strict": f"is not supported: {_COLUMNS}",
    "ordered": "is not supported: records have no order of columns",
}
"""What a schema of pandera may have beside columns."""
