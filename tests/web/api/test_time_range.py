"""Time ranges: what an address may say."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.units import HOUR
from monitor.errors import InputError
from monitor.web.api.time_range import FINE, TimeRange, moment, time_range_of

NOW = 1795435200.0
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns")]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1795431600", NOW - 3600),
        ("1795431600000", NOW - 3600),
        ("2026-11-23T11:00:00Z", NOW - 3600),
        ("2026-11-23T12:00", NOW - 3600),
        ("now", NOW),
        ("now-1h30m", NOW - 5400),
    ],
)
def test_times_are_read_as_grafana_and_people_write_them(text: str, expected: float) -> None:
    assert moment(text, NOW, BERLIN) == expected


@pytest.mark.parametrize(
    "text", ["tomorrow", "now-6", "now+1h", "2026-13-01", "-5", "1e400", "9" * 14, "\u0661"]
)
def test_what_is_no_time_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InputError, match="is not a time") as refused:
        moment(text, NOW, BERLIN)
    assert "now-6h" in refused.value.hint


@pytest.mark.parametrize(
    "asked", [{"from": "now", "to": "now-1h"}, {"from": "0", "to": "now"}, {"from": "now"}]
)
def test_a_range_begins_before_it_ends(asked: dict[str, str]) -> None:
    with pytest.raises(InputError, match="must be before"):
        time_range_of(asked, NOW, BERLIN)


def test_short_ranges_show_base_windows_and_long_ones_hours() -> None:
    assert time_range_of({"from": "now-6h"}, NOW, BERLIN).window == 0
    assert time_range_of({"from": "now-7h"}, NOW, BERLIN).window == HOUR
    assert time_range_of({"span": "7d"}, NOW, BERLIN).key == "7d"
    assert time_range_of({"span": "nonsense"}, NOW, BERLIN).key == "24h"


@given(st.integers(0, 10**9), st.integers(1, 400 * 86400), st.integers(1, 3600))
def test_whole_windows_cover_the_range_and_no_more(start: int, length: int, base: int) -> None:
    shown = TimeRange(start, start + length, 0 if length <= FINE else HOUR)
    width = shown.window or base
    whole = shown.aligned(base)
    assert whole.start <= shown.start < whole.start + width
    assert whole.end - width < max(shown.end, whole.start + width) <= whole.end
    assert whole.start % width == whole.end % width == 0
