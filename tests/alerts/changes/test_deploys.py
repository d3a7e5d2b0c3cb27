"""A new version is told as a change, once, and wakes nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.alerts.changes.deploys import MOST_AT_ONCE, deploys
from monitor.alerts.settings import AlertSettings
from monitor.records import Delivery, Stream
from monitor.store import outbox
from monitor.store.model_versions import Version
from tests.support.judging import START, STREAM, one_rule
from tests.support.paging import PagingDaemon

SIX = Version(STREAM, "6", START - 86_400, START - 60)
SEVEN = Version(STREAM, "7", START - 60, START)
SETTINGS = AlertSettings(public_url="https://watch.example.org/")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[PagingDaemon]:
    with PagingDaemon(tmp_path, one_rule(tmp_path, "{metric: error_rate, over: open, above: 5%}")) as made:
        yield made


def changes(*seen: Version, known: dict[Stream, list[Version]]) -> list[Delivery]:
    return deploys(seen, known, ["pagerduty"], SETTINGS, START)


def test_a_version_that_follows_another_is_one_change_with_what_it_replaced(daemon: PagingDaemon) -> None:
    for _ in range(2):  # a second daemon sees it too
        with daemon.store.write() as connection:
            outbox.add(connection, changes(SEVEN, known={STREAM: [SIX]}))
    daemon.deliver()
    (event,) = daemon.pagerduty.changes
    assert event["payload"]["summary"] == "acme/fraud production: version 7 is serving (before: 6)"
    assert event["payload"]["timestamp"] == "2027-01-15T07:59:00+00:00"
    assert event["payload"]["custom_details"]["before"] == "6"
    assert event["links"] == [
        {"href": "https://watch.example.org/staff/m/acme/fraud/production", "text": "Model page"}
    ]
    assert daemon.pagerduty.incidents == []
    assert daemon.pagerduty.refused == []


@pytest.mark.parametrize(
    ("seen", "known"),
    [
        (SEVEN, {}),
        (SEVEN, {STREAM: [SIX, SEVEN]}),
        (Version(STREAM, "5", START - 90_000, START - 80_000), {STREAM: [SIX]}),
        (Version(STREAM, "", START - 60, START), {STREAM: [SIX]}),
    ],
    ids=[
        "the first version",
        "one that is known",
        "one that comes from history",
        "answers without a version",
    ],
)
def test_what_is_no_news_is_not_told(seen: Version, known: dict[Stream, list[Version]]) -> None:
    assert changes(seen, known=known) == []


def test_a_version_of_any_length_fits(daemon: PagingDaemon) -> None:
    long = Version(STREAM, "v" * 512, START - 60, START)
    with daemon.store.write() as connection:
        outbox.add(connection, changes(long, known={STREAM: [SIX]}))
    daemon.deliver()
    assert len(daemon.pagerduty.changes) == 1


def test_of_very_many_new_versions_at_once_only_some_are_sent() -> None:
    made_up = [
        Version(STREAM, f"made-up-{number}", START - 60, START - 30 + number / 100) for number in range(200)
    ]
    sent = changes(*made_up, known={STREAM: [SIX]})
    assert len(sent) == MOST_AT_ONCE
    assert b"made-up-199" in sent[0].body
