"""Round local times on the axis of a chart, also when the clock changes."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from monitor.web.pages.charts.ticks import ticks

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns")]
)


@given(st.floats(1.5e9, 1.9e9), st.floats(600, 400 * 86400), ZONES)
def test_an_axis_has_a_few_round_local_times(start: float, length: float, zone: ZoneInfo) -> None:
    found = ticks(start, start + length, zone)
    assert len(found) <= 8
    assert all(start <= at <= start + length for at, _ in found)
    assert [at for at, _ in found] == sorted(at for at, _ in found)
    for at, label in found:
        local = datetime.fromtimestamp(at, zone)
        assert local.second == 0
        if ":" not in label:
            assert label == f"{local.day} {local:%b}"


def test_midnight_stays_midnight_when_the_clock_changes() -> None:
    start = datetime(2026, 10, 23, tzinfo=BERLIN).timestamp()
    found = ticks(start, start + 5 * 86400 + 3600, BERLIN)
    assert [label for _, label in found] == ["23 Oct", "24 Oct", "25 Oct", "26 Oct", "27 Oct", "28 Oct"]
    assert {at - before for (before, _), (at, _) in pairwise(found)} == {86400, 90000}
