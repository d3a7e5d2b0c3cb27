"""What the address of a list asks for: filters, a time range and a page. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from monitor.errors import InputError
from monitor.web.api import time_range

PER_PAGE = 100
_LONGEST = 512
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """`filters` are the texts of the filters by name, empty for any; `since` and `until` are times as they were
    written; `start` and `end` are the same in seconds since the epoch; `page` counts from 1.
    """

    filters: Mapping[str, str]
    since: str
    until: str
    start: float
    end: float
    page: int = 1

    @property
    def offset(self) -> int:
        """The number of entries before the page."""
        return (self.page - 1) * PER_PAGE

    @property
    def is_filtered(self) -> bool:
        """Whether some entries may be left out."""
        return bool(self.since or self.until or any(self.filters.values()))

    def having(self, **changed: str | int) -> str:
        """The query string of the same view with some fields changed; without a page, it begins at the first."""
        page = int(changed.pop("page", 1))
        known = {**self.filters, "from": self.since, "to": self.until} | changed
        chosen = {name: value for name, value in known.items() if value}
        return f"?{urlencode(chosen | ({'page': page} if page > 1 else {}))}"

    def pages(self, total: int) -> list[tuple[str, str, bool]]:
        """Links to pages: label, query string, and whether it is the one that is shown. Empty if there is one page."""
        last = max(1, -(-total // PER_PAGE))
        near = sorted({1, last, *range(self.page - 2, self.page + 3)})
        shown = [number for number in near if 1 <= number <= last]
        return [(f"{n:,}", self.having(page=n), n == self.page) for n in shown] if last > 1 else []


def parse(asked: Mapping[str, str], names: Sequence[str], now: float) -> ListQuery:
    """The query of an address with these filters; unknown fields are ignored.

    Raises:
        InputError: a time or a page cannot be read.
    """
    filters = {name: str(asked.get(name, "")).strip()[:_LONGEST] for name in names}
    since, until = (str(asked.get(name, "")).strip()[:_LONGEST] for name in ("from", "to"))
    start = time_range.moment(since, now, _UTC) if since else 0.0
    end = time_range.moment(until, now, _UTC) if until else 1e12
    if start >= end:
        raise InputError("`from` must be before `to`", hint="from=now-7d&to=now")
    page = str(asked.get("page", "1") or "1")
    if not (page.isascii() and page.isdigit() and len(page) < 7 and int(page) > 0):
        raise InputError(f"unknown page: {page[:40]!r}", hint="pages count from 1")
    return ListQuery(filters, since, until, start, end, int(page))


def at_page(query: ListQuery, total: int) -> ListQuery:
    """The query at its page, or at the last page if there are not so many."""
    return replace(query, page=min(query.page, max(1, -(-total // PER_PAGE))))
