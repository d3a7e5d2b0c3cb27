"""Dates in an answer that stand neither in its context nor in its input, in any notation."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from monitor.signals.batch import CallBatch
from monitor.signals.folding import folded
from monitor.signals.form.refusal import refuses
from monitor.signals.lists import parts, rows_of_parts
from monitor.signals.matching import matches
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import folded_answers, folded_inputs

_MONTHS = {
    1: "january jan januar janvier enero",
    2: "february feb februar février febrero",
    3: "march mar märz mars marzo",
    4: "april apr avril abril",
    5: "may mai mayo",
    6: "june jun juni juin junio",
    7: "july jul juli juillet julio",
    8: "august aug août agosto",
    9: "september sept sep septembre septiembre",
    10: "october oct oktober okt octobre octubre",
    11: "november nov novembre noviembre",
    12: "december dec dezember dez décembre diciembre",
}
_NUMBER = {name: month for month, names in _MONTHS.items() for name in names.split()}
_MONTH = "(" + "|".join(sorted(_NUMBER, key=len, reverse=True)) + r")\.?"
_DAY, _YEAR = r"([0-9]{1,2})(?:st|nd|rd|th|er|\.)?", r"(?:,?\s{1,3}(?:de\s)?([0-9]{4}))"
_FORMS = (
    rf"{_DAY}\s{{1,3}}(?:of\s|de\s)?{_MONTH}{_YEAR}?",
    rf"{_MONTH}\s{{1,3}}{_DAY}{_YEAR}?",
    rf"{_MONTH}{_YEAR}",
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})",
    r"([0-9]{1,2})[./\-]([0-9]{1,2})[./\-]([0-9]{4}|[0-9]{2})",
)
_DATE = re2.compile("(?i)" + "|".join(rf"(?:\b{form}\b)" for form in _FORMS))
_PREFILTER = r"(?i)\b(?:" + "|".join(_FORMS) + ")"

Date = tuple[int | None, int, int | None]
"""Year, month and day; a part that is not said is None."""


def dates_in(text: str) -> list[set[Date]]:
    """The dates of a text, each with all that it may mean: 3/4/2021 is in March or in April."""
    readings_of_each = (_readings(one.groups()) for one in _DATE.finditer(text))
    return [readings for readings in readings_of_each if readings]


def _readings(groups: tuple[str | None, ...]) -> set[Date]:
    read: set[Date]
    day_month, month_day, month_year = groups[0:3], groups[3:6], groups[6:8]
    iso, numeric = groups[8:11], groups[11:14]
    if day_month[1]:
        read = {(_year(day_month[2]), _NUMBER[day_month[1].lower()], int(day_month[0] or 0))}
    elif month_day[0]:
        read = {(_year(month_day[2]), _NUMBER[month_day[0].lower()], int(month_day[1] or 0))}
    elif month_year[0]:
        read = {(_year(month_year[1]), _NUMBER[month_year[0].lower()], None)}
    elif iso[0]:
        read = {(int(iso[0]), int(iso[1] or 0), int(iso[2] or 0))}
    else:
        first, second = int(numeric[0] or 0), int(numeric[1] or 0)
        read = {(_year(numeric[2]), first, second), (_year(numeric[2]), second, first)}
    return {one for one in read if 1 <= one[1] <= 12 and (one[2] is None or 1 <= one[2] <= 31)}


def _year(text: str | None) -> int | None:
    if not text:
        return None
    return int(text) if len(text) == 4 else int(text) + (2000 if int(text) < 70 else 1900)


def _agree(one: Date, other: Date) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))


def _is_unsupported(batch: CallBatch) -> pa.Array:
    answers = batch.of(folded_answers)
    may_have = np.asarray(pc.greater(pc.fill_null(pc.list_value_length(batch.column("context")), 0), 0))
    may_have[may_have] = matches(answers.filter(pa.array(may_have)), _PREFILTER)
    rows = np.flatnonzero(may_have & ~batch.of(refuses)).tolist()
    given = _given_dates(batch, rows)
    flags: list[bool | None] = [None] * len(batch)
    for row, text in zip(rows, answers.take(pa.array(rows, pa.int64())).to_pylist(), strict=True):
        if dates := dates_in(text):
            known = given[row]
            flags[row] = not all(any(_agree(a, b) for a in date for b in known) for date in dates)
    return pa.array(flags, pa.bool_())


def _given_dates(batch: CallBatch, rows: list[int]) -> dict[int, set[Date]]:
    wanted = pa.array(rows, pa.int64())
    dates: dict[int, set[Date]] = {row: set() for row in rows}
    for row, text in zip(rows, batch.of(folded_inputs).take(wanted).to_pylist(), strict=True):
        dates[row].update(*dates_in(text or ""))
    for name in ("context", "tool_results"):
        lists = batch.column(name).take(wanted)
        for place, text in zip(rows_of_parts(lists), folded(parts(lists)).to_pylist(), strict=True):
            dates[rows[int(place)]].update(*dates_in(text or ""))
    return dates


SIGNALS = (
    Signal(
        "unsupported_dates",
        Unit.FLAG,
        ("output", "context"),
        "The answer names a date that neither the context nor the input has; parts that one of them leaves out agree.",
        _is_unsupported,
        languages=("en",),
    ),
)
