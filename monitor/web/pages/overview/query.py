"""The address of the overview: search, filters, order, grouping, sparkline and page. Pure; a link can be shared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from monitor.errors import InputError
from monitor.health.model_state import Health
from monitor.web.pages.overview.rows import ModelRow

PER_PAGE = 200
_LONGEST = 200
"""Characters of a field; longer ones cannot match any name."""

SORTS: Mapping[str, str] = {
    "state": "State, worst first",
    "errors": "Errors, highest first",
    "p95": "p95 latency, slowest first",
    "quality": "Quality, furthest below its target first",
    "drift": "Drift, highest first",
    "rate": "Requests, most first",
    "received": "Last prediction, oldest first",
    "model": "Model",
    "client": "Client",
    "owner": "Owner",
    "environment": "Environment",
}
TRENDS: Mapping[str, str] = {
    "rate": "Requests",
    "errors": "Errors",
    "p95": "p95 latency",
    "quality": "Quality",
    "drift": "Drift",
}
GROUPS: Mapping[str, str] = {"": "None", "client": "Client"}
STATES: Mapping[str, str] = {"": "All", **{one.value: one.word for one in reversed(Health)}}
_CHOICES = {"sort": SORTS, "trend": TRENDS, "group": GROUPS, "state": STATES}


@dataclass(frozen=True, slots=True)
class OverviewQuery:
    """What an address asks for. `sort` with a `-` before it is the opposite order; `page` counts from 1."""

    q: str = ""
    state: str = ""
    client: str = ""
    environment: str = ""
    owner: str = ""
    sort: str = "state"
    group: str = ""
    trend: str = "rate"
    page: int = 1

    @property
    def address(self) -> str:
        """The query string: empty, or `?` and the fields that differ from the defaults."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return f"?{urlencode(changed)}" if changed else ""

    @property
    def is_filtered(self) -> bool:
        """Whether some models may be left out."""
        return any((self.q, self.state, self.client, self.environment, self.owner))

    def having(self, **changed: Any) -> str:
        """The path and query of the same view with some fields changed; it begins at the first page."""
        return f"/staff/{replace(self, **{'page': 1, **changed}).address}"

    def sorting(self, key: str) -> str:
        """The address that sorts by a column, or reverses it where it is sorted by it already."""
        return self.having(sort=f"-{key}" if self.sort == key else key)


def parse(asked: Mapping[str, str]) -> OverviewQuery:
    """The query of an address. Unknown fields are ignored; names that match no model leave an empty table.

    Raises:
        InputError: an order, state, sparkline, grouping or page that does not exist.
    """
    values: dict[str, Any] = {}
    for one in fields(OverviewQuery):
        text = str(asked.get(one.name, "")).strip()[:_LONGEST]
        if text:
            values[one.name] = text
    for name, choices in _CHOICES.items():
        text = str(values.get(name, ""))
        if text and (text.removeprefix("-") if name == "sort" else text) not in choices:
            raise InputError(
                f"unknown {name}: {text[:40]!r}", hint=f"use one of {', '.join(filter(None, choices))}"
            )
    page = str(values.get("page", "1"))
    if not (page.isascii() and page.isdigit() and int(page[:9]) > 0 and len(page) < 7):
        raise InputError(f"unknown page: {page[:40]!r}", hint="pages count from 1")
    return OverviewQuery(**{**values, "page": int(page)})


def matching(rows: Sequence[ModelRow], query: OverviewQuery) -> list[ModelRow]:
    """The rows that fit the search and the filters, in the given order."""
    words = query.q.casefold().split()
    return [row for row in rows if _fits(row, query) and all(word in row.searched for word in words)]


def _fits(row: ModelRow, query: OverviewQuery) -> bool:
    pairs = (
        (query.state, row.health.value),
        (query.client, row.stream.client),
        (query.environment, row.stream.environment),
        (query.owner, row.owner),
    )
    return all(asked in ("", has) for asked, has in pairs)


def ordered(rows: Sequence[ModelRow], sort: str) -> list[ModelRow]:
    """The rows by a column, worst first; with a `-` the other way round. Rows without the figure are always last.

    Equal rows are in order of client, model and environment.
    """
    key, is_reversed = sort.removeprefix("-"), sort.startswith("-")
    by_name = sorted(rows, key=lambda row: row.stream)
    value = KEYS[key]
    known = [row for row in by_name if value(row) is not None]
    known.sort(key=value, reverse=(key in DESCENDING) is not is_reversed)
    return known + [row for row in by_name if value(row) is None]


def grouped(rows: Sequence[ModelRow], group: str) -> list[tuple[str, list[ModelRow]]]:
    """The rows by client, clients in the order of their first row; one group without a name if not grouped."""
    if group != "client":
        return [("", list(rows))] if rows else []
    groups: dict[str, list[ModelRow]] = {}
    for row in rows:
        groups.setdefault(row.stream.client, []).append(row)
    return list(groups.items())


DESCENDING = frozenset({"state", "errors", "p95", "drift", "rate"})
KEYS: Mapping[str, Callable[[ModelRow], Any]] = {
    "state": lambda row: (row.health.code, row.alerts),
    "errors": lambda row: row.errors.value,
    "p95": lambda row: row.p95.value,
    "quality": lambda row: row.quality.value,
    "drift": lambda row: row.drift.value,
    "rate": lambda row: row.rate.value,
    "received": lambda row: row.received_at,
    "model": lambda row: row.stream.model.casefold(),
    "client": lambda row: row.stream.client.casefold(),
    "owner": lambda row: row.owner.casefold() or None,
    "environment": lambda row: row.stream.environment.casefold(),
}
