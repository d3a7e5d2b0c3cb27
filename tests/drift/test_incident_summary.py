"""What somebody who is told of drift reads."""

from monitor.drift.columns import Role
from monitor.drift.decision.verdict import DriftVerdict
from monitor.drift.explain.incident_summary import page
from monitor.records import Stream, Window
from monitor.store.drift import StoredDriftIncident

START = 1_735_516_800
INCIDENT = StoredDriftIncident(
    START,
    None,
    START - 3600.0,
    ("features.amount", "features.country", "all columns"),
    "feature `amount`: as it was at first\nLikeliest causes:\n1. version 8\n2. feature `amount`",
)


def verdict(column: str, ratio: float) -> DriftVerdict:
    return DriftVerdict(
        Stream("acme", "fraud"), Window(START, START + 3600), column, Role.INPUT if column else None,
        ratio * 1000, 1000.0, 0.3, "", START - 3600.0, 100.0, ratio >= 1, False, 1, f"`{column}` moved",
    )  # fmt: skip


def test_the_strongest_column_comes_first_then_the_names_of_the_others_then_the_causes() -> None:
    latest = [verdict("features.amount", 2), verdict("features.country", 9), verdict("", 50)]
    assert page(INCIDENT, latest) == (
        "`features.country` moved; also moved: amount; likeliest causes: 1. version 8; 2. feature `amount`"
    )


def test_once_the_evidence_has_faded_the_page_says_what_it_waits_for() -> None:
    assert page(INCIDENT, [verdict("features.amount", 0.4), verdict("", 0.2)]).startswith(
        "the change since 2024-12-29T23:00:00Z has faded: the incident closes after 6 quiet windows; likeliest"
    )


def test_many_small_shifts_are_told_as_such_only_where_no_column_stands_out() -> None:
    assert page(INCIDENT, [verdict("features.amount", 0.4), verdict("", 2)]).startswith(
        "`` moved; also moved: "
    )
