"""How the reader of a page writes numbers and dates. Words stay English.

A page sets `CURRENT` for the request in progress; whatever has no reader, such as a digest, is written neutrally.
"""

import re
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime

_MOST_TAGS = 20
"""Languages of a header that are looked at."""
_TAG = re.compile(r"([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)(?:\s*;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?")


@dataclass(frozen=True, slots=True)
class Locale:
    """Separators of numbers, the numeric form of dates (as for `strftime`), and whether the month precedes the day."""

    decimal: str = "."
    group: str = " "
    numeric: str = "%Y-%m-%d"
    is_month_first: bool = False

    def number(self, text: str) -> str:
        """A number that is written as `1,234.5`."""
        return "".join({",": self.group, ".": self.decimal}.get(letter, letter) for letter in text)

    def day_month(self, day: date) -> str:
        """`23 Nov` or `Nov 23`."""
        return f"{day:%b} {day.day}" if self.is_month_first else f"{day.day} {day:%b}"

    def date_and_time(self, local: datetime) -> str:
        """`2026-11-23 08:00`."""
        return local.strftime(f"{self.numeric} %H:%M")


NEUTRAL = Locale()
"""Without a reader, or with one of another language."""
_SLASHES, _DOTS = "%d/%m/%Y", "%d.%m.%Y"
_LOCALES = {
    "en": Locale(group=","),
    "en-us": Locale(group=",", numeric="%m/%d/%Y", is_month_first=True),
    "en-gb": Locale(group=",", numeric=_SLASHES),
    "en-au": Locale(group=",", numeric=_SLASHES),
    "de": Locale(",", ".", _DOTS),
    "de-ch": Locale(".", "\u2019", _DOTS),
    "fr": Locale(",", "\u202f", _SLASHES),
    "es": Locale(",", ".", _SLASHES),
    "it": Locale(",", ".", _SLASHES),
    "pt": Locale(",", ".", _SLASHES),
    "nl": Locale(",", ".", "%d-%m-%Y"),
    "pl": Locale(",", "\u00a0", _DOTS),
    "sv": Locale(",", "\u00a0"),
    "da": Locale(",", ".", _DOTS),
    "ja": Locale(".", ",", "%Y/%m/%d", is_month_first=True),
    "zh": Locale(".", ",", "%Y/%m/%d", is_month_first=True),
}
CURRENT: ContextVar[Locale] = ContextVar("locale", default=NEUTRAL)
"""The locale of the reader of the page in progress."""


def of(accept_language: str) -> Locale:
    """The locale of an `Accept-Language` header: the most wanted language that is known, else the neutral one."""
    wanted = []
    for part in accept_language.split(",", _MOST_TAGS)[:_MOST_TAGS]:
        match = _TAG.fullmatch(part.strip())
        if match is not None and float(match[2] or 1) > 0:
            wanted.append((float(match[2] or 1), match[1].lower()))
    for _, tag in sorted(wanted, key=lambda one: -one[0]):
        known = _LOCALES.get(tag) or _LOCALES.get(tag.partition("-")[0])
        if known is not None:
            return known
    return NEUTRAL
