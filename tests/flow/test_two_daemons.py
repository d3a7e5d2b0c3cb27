"""Two whole daemons on one PostgreSQL: both take predictions in, one judges, each page goes out once.

Fault case 20: one is killed, or frozen past its lease and woken again.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from monitor.maintenance.leader import NAME
from monitor.store import alerts, outbox
from monitor.store.db import Store
from monitor.store.leases import leases
from tests.support.daemon import Daemon
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.postgresql import postgresql
from tests.support.rule_files import sensitive_error_rate
from tests.support.traffic import failed, prediction, send
from tests.support.waiting import until

RULES = sensitive_error_rate()
CONFIG = """\
store: {{url: "{store}"}}
evaluate: {{every: 500ms, recent: 5s, takeover: 3s}}
rules: {{files: ["{folder}/mine.yaml"]}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{url}", ca_file: "{ca}"}}
  console: false
  lease: 3s
  spool: "{folder}/spool"
"""


@dataclass
class Two:
    """A pair of daemons, and what they tell."""

    store: Store
    daemons: tuple[Daemon, Daemon]
    pager: PagerDutyStandIn

    def judge(self) -> int:
        """The process that has the duty."""
        with self.store.read() as connection:
            holder = connection.execute(select(leases.c.holder).where(leases.c.name == NAME)).scalar()
        return int(holder.split("/")[1]) if holder else 0

    def apart(self) -> tuple[Daemon, Daemon]:
        """The one that judges, and the other."""
        one, other = self.daemons
        judge = until(self.judge, "one of them judges")
        return (one, other) if one.pid == judge else (other, one)

    def is_told(self) -> bool:
        """Nothing waits, and every answer was written down."""
        with self.store.read() as connection:
            return not outbox.waiting(connection)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    (tmp_path / "mine.yaml").write_text(RULES, encoding="utf-8")
    with postgresql() as server, PagerDutyStandIn(tmp_path, time.time) as pager:
        config = CONFIG.format(
            store=server.url, folder=tmp_path, key=pager.routing_key, url=pager.url, ca=pager.ca_file
        )
        folders = (tmp_path / "one", tmp_path / "other")
        for folder in folders:
            folder.mkdir()
        store = Store(server.url)
        with Daemon(folders[0], config) as one, Daemon(folders[1], config) as other:
            yield Two(store, (one, other), pager)
        store.close()


def fails(two: Two, daemon: Daemon, count: int) -> None:
    """Everything fails until that many incidents were opened."""

    def another() -> bool:
        send(daemon, [failed() for _ in range(20)])
        return len(two.pager.incidents) >= count and two.is_told()

    until(another, "somebody is paged")


def recovers(daemon: Daemon, pager: PagerDutyStandIn) -> None:
    """All is well until no incident is open."""

    def all_is_well() -> bool:
        send(daemon, [prediction() for _ in range(40)])
        return not pager.open()

    until(all_is_well, "the page is closed")


def look_several_times(two: Two, daemon: Daemon) -> None:
    """Everything goes on failing for a few seconds, in which both daemons look."""
    looked = set()

    def often_enough() -> bool:
        send(daemon, [failed() for _ in range(5)])
        with two.store.read() as connection:
            looked.update(alert.evaluated_at for alert in alerts.load(connection).values())
        return len(looked) > 5

    until(often_enough, "the alert was judged several times")


def test_20_when_the_one_that_judges_is_killed_the_other_closes_its_page(two: Two) -> None:
    judging, other = two.apart()
    fails(two, other, 1)  # it is not the judge that the predictions come to
    judging.kill()
    recovers(other, two.pager)
    assert two.judge() == other.pid
    (incident,) = two.pager.incidents
    assert [event["event_action"] for event in incident.events] == ["trigger", "resolve"]


def test_20_one_that_is_frozen_past_its_lease_and_wakes_up_tells_nothing_twice(two: Two) -> None:
    judging, other = two.apart()
    fails(two, judging, 1)
    os.kill(judging.pid, signal.SIGSTOP)
    try:
        recovers(other, two.pager)
        fails(two, other, 2)
        assert two.judge() == other.pid
    finally:
        os.kill(judging.pid, signal.SIGCONT)
    until(lambda: judging.get("/healthz").status_code == 200, "it is awake")
    look_several_times(two, judging)
    assert two.judge() == other.pid, "who wakes up is not the judge any more"
    assert [daemon.said().count('msg="leader lease acquired"') for daemon in (judging, other)] == [1, 1]
    assert [daemon.said().count('msg="leader lease lost"') for daemon in (judging, other)] == [1, 0]
    told = [[event["event_action"] for event in incident.events] for incident in two.pager.incidents]
    assert told == [["trigger", "resolve"], ["trigger"]]
