"""The one reader of times: what each system writes, what could mean two things, and that columns read as values do."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.times import order
from monitor.times.columns import column_of_micros, micros_of_column
from monitor.times.reading import DateOrder, micros_of, read, why_not

DAY, MONTH = DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST
AT = int(datetime(2026, 11, 28, 16, 5, 9, 250_000, tzinfo=UTC).timestamp() * 1e6)
SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
WHOLE = AT - 250_000

SAME = [
    "2026-11-28T16:05:09.25Z",
    "2026-11-28t16:05:09.250z",
    "2026-11-28 16:05:09.25",
    "2026-11-28 16:05:09.250000 UTC",  # BigQuery
    "2026-11-28 16:05:09.25+00",  # PostgreSQL
    "2026-11-28 16:05:09.25+0000",
    "2026-11-28T16:05:09.250000999Z",  # what is finer than a microsecond is cut
    "2026-11-28T17:05:09.25+01:00[Europe/Berlin]",  # Java
    "2026-11-28 17:05:09.25 Europe/Berlin",  # Trino
    "2026-11-28 11:05:09.25 America/New_York",
    "2026-11-28T21:50:09,25+05:45",
    "2026/11/28 16:05:09.25",
    "20261128T160509.25Z",
    "28.11.2026 16:05:09.25",
    "28 Nov 2026 16:05:09.25",
    "28-NOV-2026 04:05:09.25 PM",  # Oracle
    "Nov 28, 2026 4:05:09.25 p.m.",
    "November 28th, 2026 at 16:05:09.25",
    "  2026-11-28 16:05:09.25 GMT ",
    "2026-W48-6T16:05:09.25",
    "1795881909.25",
    "1795881909250",
    "1795881909250000",
    "1795881909250000000",
]
SAME_SECOND = [
    "Sat, 28 Nov 2026 16:05:09 GMT",  # RFC 1123
    "Sat, 28 Nov 2026 17:05:09 +0100",  # RFC 2822
    "Sat, 28 Nov 2026 11:05:09 EST",
    "Sat Nov 28 16:05:09 2026",  # asctime
    "Sat Nov 28 17:05:09 CET 2026",  # date
    "28/Nov/2026:17:05:09 +0100",  # web servers
    "Sat Nov 28 2026 17:05:09 GMT+0100 (Central European Standard Time)",  # browsers
    "20261128160509",
]
NO_TIMES = [
    "", " ", "next Tuesday", "NaT", "nan", "2026-02-30", "2026-13-01", "2026-11-28 25:00", "2026-11-28 16:60",
    "28-Nov-26", "28/11/26", "11.12.26", "2026-11-28 16:00:00 IST", "2026-11-28 16:00:00 EST", "2026-11-28 13:00 PM",
    "2026-10-25 02:30 Europe/Berlin", "2026-03-29 02:30 Europe/Berlin", "2026-11-28 16:00 Mars/Olympus", "May 2026",
    "2026.1.12", "16:05", "10/11/2026", "10-11-2026", "x" * 1000, "9" * 30, "2026-11-28 16:00 +25:00",
]  # fmt: skip


@pytest.mark.parametrize("text", [*SAME, *SAME_SECOND])
def test_what_systems_write_is_one_moment(text: str) -> None:
    assert micros_of(text) == (AT if text in SAME else WHOLE)


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_or_could_be_two_is_not_read(text: str) -> None:
    assert micros_of(text) is None


@pytest.mark.parametrize("value", [None, True, b"x", [], float("nan"), float("inf"), 1e30, -(2**63), 10**400])
def test_values_that_are_no_times(value: object) -> None:
    assert micros_of(value) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("28/11/26", "two digits"),
        ("10/11/2026", "the order of day and month is not known"),
        ("2026-11-28 16:00:00 IST", "is ambiguous"),
        ("2026-10-25 02:30 Europe/Berlin", "clocks in Europe/Berlin change at this time"),
        ("2026-02-30", "there is no day 2026-02-30"),
    ],
)
def test_it_says_why(text: str, why: str) -> None:
    assert why in why_not(text)


def test_midnight_at_the_end_of_a_day_and_leap_seconds_are_the_next_minute() -> None:
    assert micros_of("2016-12-31T23:59:60Z") == micros_of("2017-01-01T00:00:00Z")
    assert micros_of("2026-11-28T24:00:00") == micros_of("2026-11-29")
    assert micros_of("2026-11-28 12:30 AM") == micros_of("2026-11-28T00:30")
    assert micros_of("2026-11-28 12:30 PM") == micros_of("2026-11-28T12:30")


@pytest.mark.parametrize("sign", "/-")
def test_day_and_month_are_read_in_the_order_that_is_said(sign: str) -> None:
    text = f"10{sign}11{sign}2026 16:05"
    assert micros_of(text, DAY) == micros_of("2026-11-10T16:05")
    assert micros_of(text, MONTH) == micros_of("2026-10-11T16:05")
    assert micros_of(f"28{sign}11{sign}2026", MONTH) is None
    assert micros_of(f"11{sign}11{sign}2026") == micros_of("2026-11-11")


@pytest.mark.parametrize(
    ("number", "text"),
    [(20261128, "2026-11-28"), (202611281605, "2026-11-28T16:05"), (20261128160509, "2026-11-28T16:05:09")],
)
def test_days_written_as_numbers_are_not_seconds(number: int, text: str) -> None:
    assert micros_of(number) == micros_of(float(number)) == micros_of(str(number)) == micros_of(text)


MOMENTS = st.datetimes(datetime(1971, 1, 2), datetime(2200, 1, 1))  # noqa: DTZ001 - zones are added
FORMS = [
    "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S.%f+05:30", "%Y-%m-%d %H:%M", "%Y-%m-%d",
    "%d/%m/%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%d %b %Y %I:%M %p", "%a, %d %b %Y %H:%M:%S -0730", "%Y%m%dT%H%M%S",
    "%d.%m.%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S-08", "%-d/%-m/%Y",
]  # fmt: skip


@given(st.lists(st.tuples(MOMENTS, st.sampled_from(FORMS)), min_size=1, max_size=30))
def test_a_written_moment_is_read_and_a_column_reads_as_its_values_do(
    written: list[tuple[datetime, str]],
) -> None:
    texts = [moment.strftime(form) for moment, form in written]
    assert None not in [micros_of(text, DAY) for text in texts]
    assert micros_of_column(pa.array([*texts, None]), DAY).to_pylist() == [
        *(micros_of(text, DAY) for text in texts), None
    ]  # fmt: skip


@given(
    st.lists(st.one_of(st.text(max_size=30), st.sampled_from([*SAME, *SAME_SECOND, *NO_TIMES])), min_size=1)
)
def test_any_texts_are_read_as_a_column_as_they_are_one_by_one(texts: list[str]) -> None:
    for said in (None, DAY, MONTH):
        expected = [micros_of(text, said) for text in texts]
        for column in (
            pa.array(texts),
            pa.array(texts).dictionary_encode(),
            pa.array(texts, pa.large_string()),
        ):
            assert micros_of_column(column, said).to_pylist() == expected


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 10**11), min_size=1, max_size=20))
def test_whole_numbers_are_read_exactly(numbers: list[int]) -> None:
    expected = [micros_of(number) for number in numbers]
    assert micros_of_column(pa.array(numbers, pa.int64())).to_pylist() == expected
    together = column_of_micros(numbers, 0.0)
    assert together is None if None in expected else np.array_equal(np.asarray(together), expected)


@given(st.lists(st.floats() | st.floats(0, 1e19), min_size=1, max_size=20))
def test_floats_are_read_as_they_are_one_by_one(numbers: list[float]) -> None:
    assert micros_of_column(pa.array(numbers)).to_pylist() == [micros_of(number) for number in numbers]


USUAL = [(1e9, 1e11), (3e11, 1.9e13), (1e14, 9.9e16)]
"""Seconds, milliseconds and µs that are no digits of a day."""


@given(st.data(), st.sampled_from([*USUAL, (1e8, 3e11), (1.9e13, 1e14)]), st.booleans())
def test_many_numbers_of_one_unit_are_read_as_they_are_one_by_one(
    data: st.DataObject, between: tuple[float, float], whole: bool
) -> None:
    low, high = between
    number = st.integers(int(low), int(high)) if whole else st.floats(low, high)
    numbers: list[float] = data.draw(st.lists(number, min_size=16, max_size=40))
    expected = [micros_of(number) for number in numbers]
    together = column_of_micros(numbers, 0.0)
    assert together is None if None in expected else np.array_equal(np.asarray(together), expected)


@pytest.mark.parametrize("spoil", [float("nan"), float("inf"), 0, -1e9, 1e300, 2**70, 20261129, 202611291200])
@pytest.mark.parametrize("usual", [1.7e9, 1_700_000_000, 1.7e12, 1.7e15])
def test_one_number_of_another_kind_among_many_is_read_as_it_is_alone(spoil: float, usual: float) -> None:
    numbers = [usual] * 20 + [spoil]
    expected = [micros_of(number) for number in numbers]
    together = column_of_micros(numbers, 0.0)
    assert together is None or list(together) == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_timestamps_of_any_unit_and_zone(unit: str, zone: str | None) -> None:
    column = pa.array([WHOLE // 10**6, None], pa.timestamp("s")).cast(pa.timestamp(unit))
    kind = pa.timestamp(unit, zone)
    column = pa.array(column.cast(pa.int64()), pa.int64()).cast(kind)
    assert micros_of_column(column).to_pylist() == [WHOLE, None]


def test_moments_that_microseconds_cannot_hold_are_none() -> None:
    assert micros_of_column(pa.array([2**62, 0], pa.timestamp("s"))).to_pylist() == [None, 0]
    assert micros_of_column(pa.array([1], pa.duration("s"))).to_pylist() == [None]
    assert micros_of_column(pa.array([[1]], pa.list_(pa.int64()))).to_pylist() == [None]


def test_a_text_says_whether_it_names_a_zone() -> None:
    assert read("2026-11-28T16:00Z").zoned
    assert read("2026-11-28 16:00 Europe/Berlin").zoned
    assert not read("2026-11-28T16:00").zoned
    assert not read("28 Nov 2026 16:00").zoned


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["10/11/2026", "28/11/2026"], DAY),
        (["10/11/2026", "11/28/2026"], MONTH),
        (["10/11/2026 08:00", "Sat, 28-11-2026"], DAY),
        (["2026-11-28", "28.11.2026", "11/11/2026", None], None),
    ],
)
def test_the_values_of_a_column_decide_its_order(texts: list[str | None], expected: DateOrder | None) -> None:
    assert order.decided("date", [pa.array(texts)], None) is expected
    assert order.decided("date", [pa.array([one], pa.string()) for one in texts], None) is expected


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["10/11/2026", "09/08/2026"], "may be day first or month first, such as '10/11/2026'"),
        (["28/11/2026", "11/28/2026"], "contradict each other: '28/11/2026' and '11/28/2026'"),
    ],
)
def test_an_order_that_is_not_known_has_to_be_said(texts: list[str], why: str) -> None:
    with pytest.raises(InputError, match=why) as raised:
        order.decided("date", [pa.array(texts)], None)
    assert "--dates day-first" in raised.value.hint
    assert order.decided("date", [pa.array(texts)], MONTH) is MONTH


@given(MOMENTS)
def test_a_day_in_any_notation_is_that_day(moment: datetime) -> None:
    day = micros_of(moment.strftime("%Y-%m-%d"))
    for form in (
        "%d/%m/%Y",
        "%-d-%-m-%Y",
        "%d.%m.%Y",
        "%d %B %Y",
        "%b %d, %Y",
        "%a, %d %b %Y",
        "%Y%m%d",
        "%G-W%V-%u",
    ):
        assert micros_of(moment.strftime(form), DAY) == day
    for form in ("%m/%d/%Y", "%-m/%-d/%Y"):
        assert micros_of(moment.strftime(form), MONTH) == day


@given(
    st.lists(
        st.sampled_from([*SAME, "28/11/2026 16:00", "11/28/2026", "20261128", "noon", "", None]),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([None, *DateOrder]),
)
def test_law_times_that_repeat_are_read_as_each_by_itself(
    texts: list[str | None], written: DateOrder | None
) -> None:
    once = [micros_of_column(pa.array([text], pa.string()), written).to_pylist()[0] for text in texts]
    for times in (1, 5):
        assert micros_of_column(pa.array(texts * times, pa.string()), written).to_pylist() == once * times
