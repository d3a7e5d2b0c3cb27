"""What the address of the table of features asks for: search, filter, order and page. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from monitor.errors import InputError
from monitor.web.pages.features.feature_rows import FeatureRow

PER_PAGE = 50
SORTS = {
    "drift": "Drift",
    "psi": "PSI",
    "shift": "Mean shift",
    "missing": "Missing",
    "importance": "Importance",
    "name": "Name",
}
SHOWN = {"": "All", "drifted": "Drifted only"}
ALL = "all"
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class FeatureQuery:
    """`sort` with a `-` before it is the opposite order; `page` counts from 1, or is `all`."""

    q: str = ""
    only: str = ""
    sort: str = "drift"
    page: str = "1"

    def having(self, **changed: Any) -> str:
        """The query string of the same view with some fields changed; it begins at the first page."""
        one = replace(self, **({"page": ALL if self.page == ALL else "1"} | changed))
        set_ones = {f.name: getattr(one, f.name) for f in fields(one) if getattr(one, f.name) != f.default}
        return f"?{urlencode(set_ones)}" if set_ones else "?"

    def sorting(self, key: str) -> str:
        """The query string that sorts by a column, or reverses it where it is sorted by it already."""
        return self.having(sort=f"-{key}" if self.sort == key else key)


def parse(asked: Mapping[str, str]) -> FeatureQuery:
    """The query of an address; unknown fields are ignored.

    Raises:
        InputError: an order, a filter or a page that does not exist.
    """
    texts = {one.name: str(asked.get(one.name, "")).strip()[:_LONGEST] for one in fields(FeatureQuery)}
    query = FeatureQuery(**{name: text for name, text in texts.items() if text})
    if query.sort.removeprefix("-") not in SORTS:
        raise InputError(f"unknown sort: {query.sort[:40]!r}", hint=f"use one of {', '.join(SORTS)}")
    if query.only not in SHOWN:
        raise InputError(f"unknown filter: {query.only[:40]!r}", hint="use only=drifted")
    is_number = query.page.isascii() and query.page.isdigit() and len(query.page) < 7 and int(query.page) > 0
    if query.page != ALL and not is_number:
        raise InputError(f"unknown page: {query.page[:40]!r}", hint="pages count from 1; or use page=all")
    return query


def matching(rows: Sequence[FeatureRow], query: FeatureQuery) -> list[FeatureRow]:
    """The rows that fit the search and the filter: each word must be part of the name or the kind."""
    words = query.q.casefold().split()
    return [
        row
        for row in rows
        if (row.is_drifted or query.only != "drifted") and all(word in row.searched for word in words)
    ]


def ordered(rows: Sequence[FeatureRow], sort: str) -> list[FeatureRow]:
    """The rows by a column, largest first (names from A); with a `-` the other way round; those without the figure
    last.
    """
    key, is_reversed = sort.removeprefix("-"), sort.startswith("-")
    by_name = sorted(rows, key=lambda row: (row.name.casefold(), row.name))
    value = _KEYS[key]
    known = [row for row in by_name if value(row) is not None]
    known.sort(key=value, reverse=(key != "name") is not is_reversed)
    return known + [row for row in by_name if value(row) is None]


def page_of(rows: Sequence[FeatureRow], page: str) -> list[FeatureRow]:
    """The rows of one page, or all."""
    if page == ALL:
        return list(rows)
    first = (int(page) - 1) * PER_PAGE
    return list(rows[first : first + PER_PAGE])


_KEYS: Mapping[str, Callable[[FeatureRow], Any]] = {
    "drift": lambda row: (
        (row.drift.value, row.psi.value or 0.0, row.importance or 0.0)
        if row.drift.value is not None
        else None
    ),
    "psi": lambda row: row.psi.value,
    "shift": lambda row: abs(row.shift.value) if row.shift.value is not None else None,
    "missing": lambda row: row.missing.value,
    "importance": lambda row: row.importance,
    "name": lambda row: row.name.casefold(),
}
