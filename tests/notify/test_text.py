"""A page as plain text: what a person reads in the night."""

from dataclasses import replace

from monitor.alerts.notification import Link
from monitor.notify.text import LONGEST_LINE, lines
from monitor.records import Action
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
    told = lines(replace(PAGE, reason="too slow; for both versions"))
    assert "  reason          too slow; for both versions" in told


def test_a_command_stays_on_one_line_however_long_it_is() -> None:
    command = "watchkeeper explain '" + "a; b" * 60 + "/fraud/production/HighErrorRate'"
    assert f"  run             {command}" in lines(replace(PAGE, commands=(command,)))


def test_a_link_that_works_only_on_one_machine_says_so() -> None:
    link = Link("Runbook (reachable only on the daemon's machine; set web.public_url)", "http://127.0.0.1/x")
    told = lines(replace(PAGE, links=(link,)))
    note = "(reachable only on the daemon's machine; set web.public_url)"
    assert told[-1] == f"  runbook         http://127.0.0.1/x {note}"


def test_the_end_tells_how_each_alert_ended() -> None:
    over = replace(PAGE, action=Action.RESOLVE, ended_at=PAGE.started_at + 840, count=2, members=("a", "b"))
    assert lines(over)[1:] == ["Duration: 14m, since 2027-01-15T08:00:00Z.", "  - a", "  - b"]
