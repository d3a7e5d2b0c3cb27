"""What becomes worse while it fires, and from when on the fallback ladder counts, as timelines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.alerts.settings import AlertSettings
from monitor.rules.rule import RuleSet
from monitor.store import outbox
from tests.support.judging import rule_set
from tests.support.pagerduty import Fault
from tests.support.paging import PagingDaemon

BAD, GOOD = 0.3, 0.01
NIGHT = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00", "timezone": "UTC"}
"""The daemon's clock begins on a Friday at 08:00 UTC."""


def tier(folder: Path, severity: str) -> RuleSet:
    return rule_set(
        folder,
        f"groups:\n- name: g\n  labels: {{severity: {severity}}}\n  rules:\n  - alert: Bad\n"
        "    when: {metric: error_rate, over: open, above: 5%, clear: 4%}\n    keep_firing_for: 30s\n"
        '    annotations: {summary: "{client}/{model}: {value}", impact: Something is wrong.}\n',
    )


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PagingDaemon]:
    monkeypatch.setattr("monitor.notify.channels.pagerduty.ATTEMPT_SECONDS", 1.0)
    with PagingDaemon(tmp_path, tier(tmp_path, "warning")) as made:
        yield made


def pages(daemon: PagingDaemon) -> list[tuple[str, str]]:
    """Severity and state of each incident that the pager opened, in order."""
    return [(one.events[0]["payload"]["severity"], one.status) for one in daemon.pagerduty.incidents]


def test_a_warning_that_becomes_critical_pages_at_once_and_once(daemon: PagingDaemon, tmp_path: Path) -> None:
    daemon.run(BAD, 10)
    assert pages(daemon) == [("warning", "triggered")]
    daemon.rules = tier(tmp_path, "critical")
    daemon.run(BAD, 1)
    assert pages(daemon) == [("warning", "triggered"), ("critical", "triggered")]
    daemon.run(BAD, 400)
    assert len(pages(daemon)) == 2
    daemon.run(GOOD, 40)
    assert daemon.pagerduty.open() == []


@pytest.mark.parametrize("grouped", [True, False])
def test_a_warning_that_waits_for_office_hours_pages_at_once_when_it_becomes_critical(
    daemon: PagingDaemon, tmp_path: Path, grouped: bool
) -> None:
    warning = {"channels": ["pagerduty"], "hours": NIGHT, "group_by": ["model"] if grouped else []}
    daemon.settings = AlertSettings.model_validate({"warning": warning})
    daemon.run(BAD, 60)
    assert pages(daemon) == []
    daemon.rules = tier(tmp_path, "critical")
    daemon.run(BAD, 2)
    assert pages(daemon) == [("critical", "triggered")]
    daemon.run(GOOD, 40)
    assert daemon.pagerduty.open() == []
    daemon.run(GOOD, 4000, every=10)
    assert len(pages(daemon)) == 1, "what waited for the morning is over, and is not told"


def test_alone_it_ends_the_milder_incident_and_opens_another(daemon: PagingDaemon, tmp_path: Path) -> None:
    daemon.settings = AlertSettings.model_validate({"warning": {"channels": ["pagerduty"]}})
    daemon.run(BAD, 5)
    daemon.rules = tier(tmp_path, "critical")
    daemon.run(BAD, 2)
    assert pages(daemon) == [("warning", "resolved"), ("critical", "triggered")]
    daemon.run(GOOD, 40)
    assert daemon.pagerduty.open() == []


def test_a_critical_that_falls_to_warning_does_not_page_anew_nor_when_it_rises_again(
    daemon: PagingDaemon, tmp_path: Path
) -> None:
    for severity in ("critical", "warning", "critical", "warning"):
        daemon.rules = tier(tmp_path, severity)
        daemon.run(BAD, 20)
    assert pages(daemon) == [("critical", "triggered")]
    daemon.run(GOOD, 40)
    assert daemon.pagerduty.open() == []


def test_the_ladder_counts_from_the_opening_of_office_hours(daemon: PagingDaemon, tmp_path: Path) -> None:
    daemon.rules = tier(tmp_path, "critical")
    daemon.settings = AlertSettings.model_validate({"critical": {"channels": ["pagerduty"], "hours": NIGHT}})
    daemon.pagerduty.standing = Fault(503)
    daemon.run(BAD, 3590, every=10)
    assert daemon.chat.notifications == [], "nobody was to be told yet"
    daemon.run(BAD, 50, every=10)
    assert daemon.chat.notifications == []
    with daemon.store.read() as connection:
        (waiting,) = outbox.waiting(connection)
    assert daemon.now - waiting.created_at < 60, "it is late from when it may go out"
    daemon.run(BAD, 40, every=10)
    assert [told.note for told in daemon.chat.notifications] == [
        "pagerduty has not accepted this page for 1m"
    ]


def test_the_ladder_counts_from_the_end_of_a_silence(daemon: PagingDaemon, tmp_path: Path) -> None:
    daemon.rules = tier(tmp_path, "critical")
    daemon.pagerduty.standing = Fault(503)
    daemon.run(BAD, 5)
    daemon.silence('model="fraud"', seconds=600)
    daemon.run(BAD, 590, every=10)
    assert daemon.chat.notifications == [], "somebody knows of it"
    daemon.run(BAD, 100, every=10)
    assert len(daemon.chat.notifications) == 1
    assert "has not accepted this page for 1m" in daemon.chat.notifications[0].note
