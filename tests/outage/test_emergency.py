"""PostgreSQL gone for ten minutes: what is critical still goes out, once, with the same key."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from monitor.alerts import AlertSettings
from monitor.alerts.plan import plan
from monitor.alerts.situation import Situation
from monitor.notify.channel import Channel
from monitor.outage.emergency import Emergency
from monitor.outage.journal import JournalEntry
from monitor.records import Status
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.store import outbox
from tests.support.judging import STREAM, one_rule
from tests.support.killing import KilledError, Mortal
from tests.support.pagerduty import Fault
from tests.support.paging import PagingDaemon, errors
from tests.support.postgresql import postgresql

RULE = "{metric: error_rate, over: open, above: 5%}"


def test_21_pages_go_out_from_memory_and_the_outbox_learns_of_it_when_it_is_back(tmp_path: Path) -> None:
    with (
        postgresql() as server,
        PagingDaemon(tmp_path, one_rule(tmp_path, RULE), url=server.url) as daemon,
    ):
        emergency = Emergency(daemon.store, daemon.channels, daemon.clock, tmp_path / "spool")
        daemon.pagerduty.script([Fault(503)])
        daemon.tick([errors(0.3)])
        daemon.deliver()  # refused for now, so it waits in the outbox
        assert not emergency.step(), "all is well: it only remembers"
        server.stop()
        assert not emergency.step()
        daemon.clock.advance(20)
        assert not emergency.step(), "a restart of the database is no emergency"
        daemon.clock.advance(15)
        assert emergency.step()
        for _ in range(60):
            daemon.clock.advance(10)
            emergency.step()
        summaries = [incident.summary for incident in daemon.pagerduty.incidents]
        assert summaries == [
            "acme/fraud: 30 %",
            "Watchkeeper cannot reach its database: predictions are rejected, and only critical rules are evaluated",
        ]
        key = daemon.pagerduty.incidents[0].key
        server.start()
        daemon.store.engine.dispose()
        emergency.step()
        daemon.deliver()
        with daemon.store.read() as connection:
            (page,) = outbox.conversation(connection, "pagerduty", key)
        assert page.status is Status.SENT
        assert [incident.status for incident in daemon.pagerduty.incidents] == ["triggered", "resolved"]
        assert len(daemon.pagerduty.incidents[0].events) == 1
        assert not (tmp_path / "spool").exists()
        for _ in range(3):
            daemon.tick([errors(0.0)], after=10)
            daemon.deliver()
        assert daemon.pagerduty.open() == []


def decided(daemon: PagingDaemon) -> JournalEntry:
    """A page that was decided from memory: no database knows of it."""
    evaluation = evaluate(daemon.rules, Readings({(STREAM, OPEN): [errors(0.3)]}), {}, daemon.now)
    alerts = {alert.fingerprint: alert for alert in evaluation.alerts}
    planned = plan(Situation(alerts, [], [], frozenset({"pagerduty"}), daemon.now), AlertSettings())
    (delivery,), (incident,) = planned.deliveries, planned.incidents
    return JournalEntry(delivery, incident, tuple(alerts.values()), tuple(evaluation.transitions))


def gone(daemon: PagingDaemon, folder: Path, channels: Mapping[str, Channel]) -> Emergency:
    """An emergency lane whose database has been gone for long enough."""
    emergency = Emergency(daemon.store, channels, daemon.clock, folder / "spool")
    emergency.step()
    daemon.clock.advance(31)
    return emergency


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "never sent"])
def test_a_kill_while_a_page_is_sent_without_the_database_leaves_neither_an_orphan_nor_a_lost_page(
    tmp_path: Path, *, taken: bool
) -> None:
    with postgresql() as server, PagingDaemon(tmp_path, one_rule(tmp_path, RULE), url=server.url) as daemon:
        server.stop()
        killed = gone(daemon, tmp_path, {"pagerduty": Mortal(daemon.channels["pagerduty"], taken=taken)})
        killed.add([decided(daemon)])
        with pytest.raises(KilledError):
            killed.step()
        assert [incident.summary for incident in daemon.pagerduty.incidents] == ["acme/fraud: 30 %"] * taken
        server.start()
        daemon.store.engine.dispose()
        after = Emergency(daemon.store, daemon.channels, daemon.clock, tmp_path / "spool")
        after.step()
        daemon.deliver()
        assert [incident.summary for incident in daemon.pagerduty.open()] == ["acme/fraud: 30 %"]
        assert len(daemon.pagerduty.incidents) == 1, "the same page, under the same key"
        assert not (tmp_path / "spool").exists()
        for _ in range(3):
            daemon.tick([errors(0.0)], after=10)
            daemon.deliver()
        assert daemon.pagerduty.open() == []


def test_a_page_that_was_refused_without_the_database_goes_out_with_it(tmp_path: Path) -> None:
    with postgresql() as server, PagingDaemon(tmp_path, one_rule(tmp_path, RULE), url=server.url) as daemon:
        server.stop()
        emergency = gone(daemon, tmp_path, daemon.channels)
        daemon.pagerduty.script([Fault(503)] * 3)
        emergency.add([decided(daemon)])
        for _ in range(2):
            emergency.step()
        server.start()
        daemon.store.engine.dispose()
        emergency.step()
        daemon.pagerduty.script([])
        daemon.clock.advance(60)
        daemon.deliver()
        assert "acme/fraud: 30 %" in [incident.summary for incident in daemon.pagerduty.open()]
        daemon.tick([errors(0.0)], after=10)
        daemon.tick([errors(0.0)], after=10)
        daemon.deliver()
        assert daemon.pagerduty.open() == []
