"""Parses one time to µs since the epoch, or gives the reason why it is not a time.

Texts: ISO 8601 and RFC 3339, and the forms of databases, mail programs, shells and spreadsheets. A time without zone is
UTC. `10/11/2026` is read only with an order that was decided for its whole column (`order`); dates with points are day
first. Numbers: seconds, ms, µs or ns since the epoch, distinguished by size, and `20261128`. Small numbers, such as 0,
are not times. Ambiguous texts are rejected: years of two digits, `IST`, an hour that occurs twice when clocks are set
back.
"""

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

LATEST = 9e18
"""Largest number of µs that an int64 holds; larger values are not times."""
HINT = "2026-11-23T08:00:00Z, or seconds since the epoch"
SMALLEST = 1e8
"""Smaller numbers are counts or placeholders: as times they would be before 1973."""
_EPOCH = date(1970, 1, 1).toordinal()
_DAY, _HOUR, _MINUTE, _SECOND = 86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000
_NOT_A_TIME = 2**63
"""Larger than any number of nanoseconds; its negative is the missing time of pandas and numpy."""
_LONGEST = 100
"""Maximum length of a time in characters."""


class DateOrder(StrEnum):
    """Which number comes first in `10/11/2026`."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


class Moment(NamedTuple):
    """A parsed time. `zoned`: it names its zone, or is a number since the epoch."""

    micros: int
    zoned: bool


class NoTimeError(ValueError):
    """A value is not a time. The message is the reason; it is empty if there is nothing to add."""


def micros_of(value: object, order: DateOrder | None = None) -> int | None:
    """µs since the epoch of a text or number; None if it is not a time."""
    if type(value) is float and 1e9 <= value < 1e11:  # nearly always: seconds that are no digits of a day
        return round(value * 1e6)
    try:
        return read(value, order).micros
    except NoTimeError:
        return None


def why_not(value: object, order: DateOrder | None = None) -> str:
    """Why a value is not a time; empty if there is nothing to add."""
    try:
        read(value, order)
    except NoTimeError as error:
        return str(error)
    return ""


def read(value: object, order: DateOrder | None = None) -> Moment:
    """Parse a text or number as a time.

    Raises:
        NoTimeError: it is not a time.
    """
    if isinstance(value, str):
        return _of_text(value, order)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Moment(_of_number(value), True)
    raise NoTimeError


def _of_number(value: float) -> int:
    size = abs(value)
    if not size < _NOT_A_TIME:  # also true for NaN
        raise NoTimeError
    is_short = size < _MOST_DIGITS and value == int(value)
    if is_short and (compact := _of_digits(str(int(value)))) is not None:
        return compact
    if size < SMALLEST:
        raise NoTimeError("as seconds since the epoch, it would be in 1970")
    if size < 1e11:
        return value * 1_000_000 if isinstance(value, int) else round(value * 1e6)
    if size < 1e14:
        return value * 1_000 if isinstance(value, int) else round(value * 1e3)
    return round(value) if size < 1e17 else int(value) // 1_000


_DIGITS = re.compile(r"((?:19[89]|20\d)\d)([01]\d)([0-3]\d)(?:([0-2]\d)([0-5]\d)([0-5]\d)?)?", re.ASCII)
_MOST_DIGITS = 1e14
"""Longer numbers have more digits than such a time."""
_NUMBER = re.compile(r"[+-]?\d{9,19}(\.\d*)?|[+-]?\d\.\d+[eE]\+?\d{1,2}", re.ASCII)


def _of_digits(text: str) -> int | None:
    """`20261128`, `202611281600` and `20261128160000`. As numbers since the epoch they would be no plausible time."""
    match = _DIGITS.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return _micros_of_parts(date(year, month, day).toordinal(), hour, minute, second)
    except (ValueError, NoTimeError):
        return None


def _of_text(text: str, order: DateOrder | None) -> Moment:
    try:
        parsed = datetime.fromisoformat(text)
        return Moment(_micros(parsed), parsed.tzinfo is not None)
    except (ValueError, OverflowError):
        pass
    text = text.strip()
    if len(text) > _LONGEST:
        raise NoTimeError
    if _NUMBER.fullmatch(text):
        is_whole = text.lstrip("+-").isdecimal()
        return Moment(_of_number(int(text) if is_whole else float(text)), True)
    for form in _forms():
        if (match := form.fullmatch(text)) is not None:
            return _of_parts(match.groupdict(), order)
    raise NoTimeError(_reason_for_no_time(text))


def _micros(moment: datetime) -> int:
    if 1970 < moment.year < 2038:  # exact as a float, and five times as fast
        known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(known.timestamp() * 1e6)
    offset = moment.utcoffset()
    micros = (
        _micros_of_parts(moment.toordinal(), moment.hour, moment.minute, moment.second) + moment.microsecond
    )
    return micros if offset is None else micros - offset // timedelta(microseconds=1)


def _micros_of_parts(day: int, hour: int, minute: int, second: int) -> int:
    """µs of a day's ordinal and a time of day. 24:00:00 is the next day, a leap second the next minute."""
    is_end = hour == 24 and not minute and not second
    if not (hour < 24 or is_end) or minute > 59 or second > 60:
        raise NoTimeError(f"there is no {hour:02d}:{minute:02d}:{second:02d}")
    return (day - _EPOCH) * _DAY + hour * _HOUR + minute * _MINUTE + second * _SECOND


_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
         "november", "december"), 1)
    for name in (names, names[:3], "sept" if number == 9 else names[:3])
}  # fmt: skip
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thur?s?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
_NAME = r"(?P<name>[a-z]{3,9})\.?"
_NUMBERED = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\.?"
_YEAR = r"(?P<year>\d{4})"
_CLOCK = (
    r"(?P<hour>\d{1,2})(?:(?P<colon>:?)(?P<minute>\d{2})(?:(?P=colon)(?P<second>\d{2})(?:[.,](?P<part>\d+))?)?)?"
    r"(?:\s*(?P<half>[ap])\.?m\b\.?)?"
)
_OFFSET = r"[+-]\d{1,2}(?::?\d{2}(?::?\d{2})?)?"
_ZONE = (
    rf"(?P<zone>z|(?:utc|gmt|ut)\s?{_OFFSET}|{_OFFSET}|[a-z]+(?:/[a-z0-9_+\-]+)+|[a-z]{{2,5}})"
    r"(?:\s*\[(?P<place>[^\]]*)\])?(?:\s*\([^)]*\))?"
)
_DATES = (
    rf"{_YEAR}(?P<sign>[-/.])(?P<month>\d{{1,2}})(?P=sign)(?P<day>\d{{1,2}})",
    rf"{_YEAR}(?P<month>\d{{2}})(?P<day>\d{{2}})",
    rf"{_WEEKDAY}(?P<first>\d{{1,2}})(?P<sign>[-/.])(?P<other>\d{{1,2}})(?P=sign){_YEAR}",
    rf"{_WEEKDAY}{_NUMBERED}[\s/-]*{_NAME},?[\s/-]*{_YEAR}",
    rf"{_WEEKDAY}{_NAME}[\s/-]*{_NUMBERED}(?:,|[\s/-])\s*{_YEAR}",
    rf"{_YEAR}[\s/-]{_NAME}[\s/-](?P<day>\d{{1,2}})",
)
_BETWEEN = r"(?:\s*[t,_]\s*|\s+(?:at\s+)?|:)"


@cache
def _forms() -> tuple[re.Pattern[str], ...]:
    ends = [rf"{one}(?:{_BETWEEN}{_CLOCK}(?:\s*{_ZONE})?|\s?(?P<only>z|{_OFFSET}))?" for one in _DATES]
    shell = rf"{_WEEKDAY}{_NAME}\s+(?P<day>\d{{1,2}})\s+{_CLOCK}(?:\s+{_ZONE})?\s+{_YEAR}"
    return tuple(re.compile(one, re.IGNORECASE | re.ASCII) for one in (*ends, shell))


def _of_parts(parts: dict[str, str | None], order: DateOrder | None) -> Moment:
    year, month, day = int(parts["year"] or 0), *_month_and_day(parts, order)
    try:
        number = date(year, month, day).toordinal()
    except ValueError as error:
        raise NoTimeError(f"there is no day {year:04d}-{month:02d}-{day:02d}") from error
    hour, minute, second, part = _clock(parts)
    micros = _micros_of_parts(number, hour, minute, second) + part
    zone, is_mail = parts.get("zone") or parts.get("only"), bool(parts.get("name"))
    if zone:
        return Moment(micros - _offset(zone, micros, is_mail=is_mail), True)
    return Moment(micros, False)


def _month_and_day(parts: dict[str, str | None], order: DateOrder | None) -> tuple[int, int]:
    if name := parts.get("name"):
        month = _MONTHS.get(name.lower())
        if month is None:
            raise NoTimeError(f"{name!r} is not a month")
        return month, int(parts["day"] or 0)
    if "first" not in parts:
        if parts.get("sign") == "." and len(f"{parts['month']}{parts['day']}") < 4:
            raise NoTimeError  # 2026.1.12 is a version
        return int(parts["month"] or 0), int(parts["day"] or 0)
    first, other = int(parts["first"] or 0), int(parts["other"] or 0)
    if order is None and parts["sign"] != "." and first != other:
        raise NoTimeError("the order of day and month is not known")
    return (first, other) if order is DateOrder.MONTH_FIRST else (other, first)


def _clock(parts: dict[str, str | None]) -> tuple[int, int, int, int]:
    """Hour, minute, second and µs."""
    hour_text, half = parts.get("hour"), (parts.get("half") or "").lower()
    if hour_text is None:
        return 0, 0, 0, 0
    if len(hour_text) < 2 and not parts.get("colon") and not half:
        raise NoTimeError
    hour = int(hour_text)
    if half:
        if not 1 <= hour <= 12:
            raise NoTimeError(f"there is no hour {hour} with AM or PM")
        hour = hour % 12 + 12 * (half == "p")
    part = int((parts.get("part") or "")[:6].ljust(6, "0"))
    return hour, int(parts.get("minute") or 0), int(parts.get("second") or 0), part


_UTC = ("z", "utc", "gmt", "ut")
_MAIL_ZONES = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
"""As defined by RFC 2822, for dates in its form; elsewhere they also have other meanings."""
_ZONES = {
    "cet": 1,
    "cest": 2,
    "eet": 2,
    "eest": 3,
    "wet": 0,
    "west": 1,
    "msk": 3,
    "jst": 9,
    "aest": 10,
    "aedt": 11,
}
"""Unambiguous abbreviations."""


def _offset(zone: str, micros: int, *, is_mail: bool) -> int:
    """Offset of the zone from UTC in µs; `micros` is the local time."""
    name = zone.lower()
    if name in _UTC:
        return 0
    if name.startswith(_UTC[1:]) or name[0] in "+-":
        return _numeric_offset(name.removeprefix("utc").removeprefix("gmt").removeprefix("ut").strip())
    if "/" in name:
        return _offset_of_zone(zone, micros)
    hours = _ZONES.get(name, _MAIL_ZONES.get(name) if is_mail else None)
    if hours is None:
        raise NoTimeError(f"the time zone {zone!r} is ambiguous")
    return hours * _HOUR


def _numeric_offset(text: str) -> int:
    digits = text[1:].replace(":", "")
    digits = digits.zfill(len(digits) + len(digits) % 2).ljust(6, "0")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise NoTimeError(f"{text} is not a valid offset from UTC")
    size = hours * _HOUR + minutes * _MINUTE + seconds * _SECOND
    return size if text[0] == "+" else -size


@lru_cache(512)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise NoTimeError(f"unknown time zone {name!r}") from error


def _offset_of_zone(name: str, micros: int) -> int:
    """Offset of a zone such as Europe/Berlin in µs. Hours that occur twice, or never, when clocks change are
    rejected.
    """
    zone = _zone(name)
    local = datetime(1970, 1, 1) + timedelta(microseconds=micros)  # noqa: DTZ001 - local time
    early, late = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if early is None or early != late:
        raise NoTimeError(f"the clocks in {name} change at this time: give the offset from UTC")
    return early // timedelta(microseconds=1)


_SHORT_YEAR = r"(?i)(?:[a-z]+,?\s+)?\d{1,2}[-/.\s]\s?(?:\d{1,2}|[a-z]{3,9})[-/.\s]\s?'?\d{2}(?:\D.*)?"


def _reason_for_no_time(text: str) -> str:
    return "its year has two digits" if re.fullmatch(_SHORT_YEAR, text, re.ASCII) else ""
