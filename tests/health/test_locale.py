"""Numbers and dates as the reader's browser asks for them; whatever cannot be understood is written neutrally."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.health import locale, wording
from monitor.health.locale import CURRENT, NEUTRAL, Locale

AT = datetime(2026, 11, 3, 14, 5, tzinfo=UTC).timestamp()


@contextmanager
def reading(accept_language: str) -> Iterator[None]:
    token = CURRENT.set(locale.of(accept_language))
    try:
        yield
    finally:
        CURRENT.reset(token)


@pytest.mark.parametrize(
    ("header", "share", "count", "day", "table"),
    [
        ("", "99.9 %", "9 999", "Tue 3 Nov", "2026-11-03 14:05"),
        ("en-US,en;q=0.9", "99.9 %", "9,999", "Tue Nov 3", "11/03/2026 14:05"),
        ("en-GB", "99.9 %", "9,999", "Tue 3 Nov", "03/11/2026 14:05"),
        ("de-AT, en;q=0.5", "99,9 %", "9.999", "Tue 3 Nov", "03.11.2026 14:05"),
        ("de-CH", "99.9 %", "9\u2019999", "Tue 3 Nov", "03.11.2026 14:05"),
        ("fr", "99,9 %", "9\u202f999", "Tue 3 Nov", "03/11/2026 14:05"),
        ("sv-SE", "99,9 %", "9\u00a0999", "Tue 3 Nov", "2026-11-03 14:05"),
        ("ja", "99.9 %", "9,999", "Tue Nov 3", "2026/11/03 14:05"),
        ("xx, de;q=0, fr;q=0.2, nl;q=0.8", "99,9 %", "9.999", "Tue 3 Nov", "03-11-2026 14:05"),
    ],
)
def test_a_reader_gets_separators_and_order_of_the_most_wanted_language_that_is_known(
    header: str, share: str, count: str, day: str, table: str
) -> None:
    with reading(header):
        assert wording.share(0.9991) == share
        assert wording.count(9999) == count
        assert wording.date_words(date(2026, 11, 3)) == day
        local = datetime.fromtimestamp(AT, ZoneInfo("UTC"))
        assert CURRENT.get().date_and_time(local) == table


def test_all_figures_of_a_page_are_written_alike() -> None:
    with reading("de"):
        assert wording.count(1_240_000) == "1,24 M"
        assert wording.seconds(1.25) == "1,2 s"
        assert wording.number(0.0417) == "0,0417"
        assert wording.beside("accuracy", 0.8991, 0.9) == "89,9 %"
        assert wording.tick("accuracy", 0.905, 0.005) == "90,5 %"
        assert wording.share(0.0001) == "under 0,1 %"
        assert wording.moment(AT - 90 * 86400, ZoneInfo("UTC"), AT) == "5 Aug 14:05"
    assert wording.count(1_240_000) == "1.24 M"


@given(st.text(max_size=2000) | st.text("deEN-US;q=0.1, *nan\0", max_size=200))
def test_law_whatever_a_header_says_there_is_a_locale(header: str) -> None:
    assert isinstance(locale.of(header), Locale)


@pytest.mark.parametrize("header", ["*", "de;q=0", "de;q=nan", "de;q=2", ";;;,,,", "\u202ede", "d" * 10_000])
def test_what_is_not_a_known_language_is_neutral(header: str) -> None:
    assert locale.of(header) is NEUTRAL


@given(st.floats(-1e12, 1e12), st.sampled_from(sorted(locale._LOCALES)))
def test_law_a_number_reads_back_as_it_was(value: float, tag: str) -> None:
    text = f"{value:,.3f}"
    known = locale.of(tag)
    written = known.number(text)
    plain = written.replace(known.group, "").replace(known.decimal, ".")
    assert float(plain) == float(text.replace(",", ""))
