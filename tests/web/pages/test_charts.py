"""Charts: well-formed, true to their numbers, with gaps where nothing was measured."""

import math
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from monitor.web.pages.charts.svg import Chart, Curve, Mark, draw, nice, strip

UTC = ZoneInfo("UTC")
values = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=30)


def chart(found: list[float | None], **fields: object) -> Chart:
    times = [60.0 * index for index in range(len(found))]
    curve = Curve("one <&>", times, found)
    return Chart("k", "a <title>", "b & c", "mae", 0.0, 60.0 * len(found), UTC, (curve,), **fields)  # type: ignore[arg-type]


@given(values, st.one_of(st.none(), st.floats(-1e6, 1e6)), st.booleans())
@example([-5e-324], None, False)
@example([5e-324], -5e-324, True)
def test_any_numbers_make_a_drawing_inside_its_frame(
    found: list[float | None], limit: float | None, bars: bool
) -> None:
    svg = ElementTree.fromstring(draw(chart(found, limit=limit, bars=bars, marks=(Mark(60.0, "new <v>"),))))
    for element in svg.iter():
        for name in ("x", "y", "cx", "cy"):
            if name in element.attrib:
                assert -1 <= float(element.attrib[name]) <= 481


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_an_axis_has_round_marks_around_all_values(low: float, width: float) -> None:
    start, end, step = nice(low, low + width)
    assert start <= low + (abs(low) + width) * 1e-6 + 1e-6
    assert end >= low + width - (abs(low) + width) * 1e-6 - 1e-6
    digit = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(digit - known) for known in (1, 2, 5, 10)) < 1e-6


def test_a_gap_breaks_the_line() -> None:
    svg = draw(chart([1.0, 2.0, None, 3.0, 4.0]))
    assert svg.count('class="line main"') == 2


def test_the_table_has_what_the_chart_shows() -> None:
    assert [row[1] for row in chart([1.0, None, 3.0]).rows()] == [["1"], ["—"], ["3"]]


def test_names_of_strangers_stay_text() -> None:
    assert "<title>a" not in draw(chart([1.0])).replace('<title id="k-title">', "")
    assert "&lt;title&gt;" in draw(chart([1.0]))


def test_a_month_of_equal_days_is_one_line() -> None:
    assert strip(["working"] * 30, "30 working").count("<path") == 1
    assert strip(["working"] * 29 + ["attention"], "").count("<path") == 3
