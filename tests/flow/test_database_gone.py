"""Fault case 21 on the whole daemon: its PostgreSQL stops, a model breaks meanwhile, PostgreSQL comes back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.errors import BusyError, StoreError
from monitor.predictions.intake.parse import RecordKind
from monitor.records import State, Status
from monitor.store import alerts, incidents, outbox
from monitor.store.db import metadata
from tests.support.leaks import LEAK, PLANTED
from tests.support.log import send
from tests.support.pagerduty import Fault, PagerDutyStandIn
from tests.support.postgresql import Server, postgresql
from tests.support.rule_files import sensitive_error_rate
from tests.support.traffic import failed, prediction

START = 1_795_420_800.0
DOWN = "Watchkeeper cannot reach its database"
MODEL = "acme/fraud production"
RULES = sensitive_error_rate(keep_firing_for="4s")


@dataclass
class Site:
    """A daemon on a clock that is moved by hand, with its database and its pager."""

    app: App
    clock: ManualClock
    database: Server
    pager: PagerDutyStandIn
    texts: dict[str, object] = field(default_factory=dict)
    """Of each record: none, unless a test looks for what they held."""

    def post(self, records: list[dict[str, object]]) -> None:
        """As a sender would; while the database is gone it is refused, and told to send again."""
        own = {"texts": self.texts} if self.texts else {}
        stamped = [{**record, **own, "timestamp": self.clock.now()} for record in records]
        try:
            send(self.app.log, RecordKind.PREDICTIONS, stamped)
        except BusyError:
            assert self.database.is_down

    def run(self, records: int, seconds: int, *, bad: bool) -> None:
        """So many seconds, a tick every two, with as many answers each."""
        for _ in range(seconds // 2):
            self.clock.advance(2)
            self.post([failed() if bad else prediction() for _ in range(records)])
            try:
                self.app.tick()
            except StoreError:
                assert self.database.is_down
            while self.step():
                pass

    def step(self) -> bool:
        """Every worker once; those that need the database wait for it."""
        worked = False
        for worker in self.app.dispatcher.workers:
            try:
                worked |= worker.step()
            except StoreError:
                assert self.database.is_down
        return worked

    def told(self) -> list[tuple[str, str, int]]:
        return [(i.summary.split(":")[0], i.status, len(i.events)) for i in self.pager.incidents]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "mine.yaml").write_text(RULES, encoding="utf-8")
    clock = ManualClock(START)
    with postgresql() as database, PagerDutyStandIn(tmp_path, clock.now) as pager:
        config = Config.model_validate(
            {
                "store": {"url": database.url},
                "evaluate": {"recent": "6s"},
                "rules": {"files": [str(tmp_path / "mine.yaml")]},
                "notify": {
                    "pagerduty": {
                        "routing_key": pager.routing_key,
                        "events_url": pager.url,
                        "ca_file": str(pager.ca_file),
                    },
                    "console": False,
                    "spool": str(tmp_path / "spool"),
                },
            }
        )
        app = App(config, clock)
        app.log.start()
        yield Site(app, clock, database, pager)
        app.stop()


@pytest.fixture
def other(site: Site, tmp_path: Path) -> Iterator[Site]:
    """A second daemon on the same database, with a spool of its own."""
    notify = site.app.config.notify.model_copy(update={"spool": str(tmp_path / "other-spool")})
    app = App(site.app.config.model_copy(update={"notify": notify}), site.clock)
    app.log.start()
    yield Site(app, site.clock, site.database, site.pager)
    app.stop()


def test_21_a_model_that_breaks_while_the_database_is_gone_is_told_once_and_written_down(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.texts = {"input": LEAK, "output": LEAK, "context": [LEAK], "system": LEAK, "tool_results": LEAK}
    site.run(5, 10, bad=False)
    site.database.stop()
    site.run(5, 28, bad=True)
    assert site.told() == [], "a restart of the database is no emergency"
    site.run(5, 20, bad=True)
    site.texts = {}
    site.run(20, 580, bad=True)
    assert sorted(site.told()) == [(DOWN, "triggered", 1), (MODEL, "triggered", 1)]
    assert site.app.jobs.stuck() == "", "the loop goes round: a restart would only forget"
    spools = {path.name: path.read_bytes() for path in tmp_path.glob("spool*")}
    site.database.start()
    site.run(20, 20, bad=True)
    check_nothing_leaked(site, spools, caplog.text)
    assert sorted(site.told()) == [(DOWN, "resolved", 2), (MODEL, "triggered", 1)], "not told again"
    with site.app.store.read() as connection:
        (alert,) = [a for a in alerts.load(connection).values() if a.rule == "HighErrorRate"]
        (incident,) = incidents.load_open(connection)
        (page,) = outbox.conversation(connection, "pagerduty", incident.key)
    assert (alert.state, alert.episode) == (State.FIRING, 1)
    assert page.status is Status.SENT
    assert incident.key == next(i.key for i in site.pager.incidents if i.summary.startswith(MODEL))
    site.run(20, 30, bad=False)
    assert site.pager.open() == []
    assert len(site.pager.incidents) == 2


def check_nothing_leaked(site: Site, spools: dict[str, bytes], log: str) -> None:
    """What texts held is in no spool, page, log or table."""
    assert spools.keys() == {"spool", "spool.outage"}
    assert all(spools.values())
    said = {"pages": str([one.events for one in site.pager.incidents]), "log": log}
    with site.app.store.read() as connection:
        said |= {
            table.name: str(connection.execute(table.select()).all()) for table in metadata.sorted_tables
        }
    for planted in PLANTED:
        assert not [name for name, content in spools.items() if planted.encode() in content]
        assert not [name for name, text in said.items() if planted in text]


def test_21_what_was_told_before_and_is_over_meanwhile_is_closed_without_the_database(site: Site) -> None:
    site.run(20, 10, bad=True)
    assert site.told() == [(MODEL, "triggered", 1)]
    site.database.stop()
    site.run(20, 60, bad=False)
    assert (MODEL, "resolved", 2) in site.told()
    site.database.start()
    site.run(20, 20, bad=False)
    assert site.pager.open() == []
    with site.app.store.read() as connection:
        assert incidents.load_open(connection) == []
        (alert,) = [a for a in alerts.load(connection).values() if a.rule == "HighErrorRate"]
    assert alert.state is State.RESOLVED
    site.run(20, 20, bad=True)
    assert [told for told in site.told() if told[0] == MODEL] == [
        (MODEL, "resolved", 2),
        (MODEL, "triggered", 1),
    ]


def test_21_a_pager_that_fails_too_is_tried_until_it_takes_the_page_and_its_end_never_comes_first(
    site: Site,
) -> None:
    site.run(20, 10, bad=False)
    site.database.stop()
    site.pager.standing = Fault(503)
    site.run(20, 40, bad=True)
    site.run(20, 30, bad=False)
    assert site.told() == []
    site.pager.standing = None
    site.run(20, 10, bad=False)
    site.database.start()
    site.run(20, 20, bad=False)
    assert site.pager.open() == []
    assert site.pager.refused == []


def test_21_two_daemons_that_lose_their_database_open_one_incident_between_them(
    site: Site, other: Site
) -> None:
    site.run(20, 10, bad=False)
    other.run(20, 2, bad=False)
    assert (site.app.pipeline.leader.is_held, other.app.pipeline.leader.is_held) == (True, False)
    other.app.follow_leader()
    site.database.stop()
    for _ in range(30):
        site.run(20, 2, bad=True)
        other.run(20, 2, bad=True)
    assert sorted(site.told()) == [(DOWN, "triggered", 2), (MODEL, "triggered", 2)], "both said the same"
    site.database.start()
    for _ in range(30):
        site.run(20, 2, bad=False)
        other.run(20, 2, bad=False)
    assert site.pager.open() == []
    assert len(site.pager.incidents) == 2
