"""A page as plain text: what a person reads in the night."""

from dataclasses import replace

from monitor.notify.text import LONGEST_LINE, lines
from tests.support.pages import PAGE

DRIFT = (
    "feature `pressure`: the last 1h differ from the same hours of the reference by 0.87 standard deviations; "
    "also moved: hour, temp; likeliest causes: 1. feature `pressure`: values outside the range (74.9%)"
)


def test_a_reason_of_many_clauses_has_a_line_for_each() -> None:
    told = lines(replace(PAGE, reason=DRIFT))
    at = next(number for number, line in enumerate(told) if line.startswith("  reason"))
    first, second, third = told[at : at + 3]
    assert first.endswith("by 0.87 standard deviations")
    assert second.strip() == "also moved: hour, temp"
    assert third.index("likeliest") == second.index("also") == first.index("feature")
    assert all(len(line) <= LONGEST_LINE for line in told)


def test_a_short_reason_stays_on_its_line() -> None:
    assert "  reason   too slow; for both versions" in lines(
        replace(PAGE, reason="too slow; for both versions")
    )
