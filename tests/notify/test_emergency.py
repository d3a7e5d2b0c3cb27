"""PostgreSQL gone for ten minutes: what is critical still goes out, once, with the same key."""

from pathlib import Path

from monitor.notify.emergency import Emergency
from monitor.records import Status
from monitor.store import outbox
from tests.support.judging import one_rule
from tests.support.pagerduty import Fault
from tests.support.paging import World, errors
from tests.support.postgresql import postgresql

RULE = "{metric: error_rate, over: open, above: 5%}"


def test_21_pages_go_out_from_memory_and_the_outbox_learns_of_it_when_it_is_back(tmp_path: Path) -> None:
    with (
        postgresql() as server,
        World(tmp_path, one_rule(tmp_path, RULE), url=server.url) as world,
    ):
        emergency = Emergency(world.store, world.channels, world.clock, tmp_path / "spool")
        world.pagerduty.script([Fault(503)])
        world.tick([errors(0.3)])
        world.deliver()  # refused for now, so it waits in the outbox
        assert not emergency.step(), "all is well: it only remembers"
        server.stop()
        assert not emergency.step()
        world.clock.advance(20)
        assert not emergency.step(), "a restart of the database is no emergency"
        world.clock.advance(15)
        assert emergency.step()
        for _ in range(60):
            world.clock.advance(10)
            emergency.step()
        summaries = [incident.summary for incident in world.pagerduty.incidents]
        assert summaries == [
            "acme/fraud: 30 %",
            "Watchkeeper cannot reach its database: predictions are refused, models are hardly watched",
        ]
        key = world.pagerduty.incidents[0].key
        server.start()
        world.store.engine.dispose()
        emergency.step()
        world.deliver()
        with world.store.read() as connection:
            (page,) = outbox.conversation(connection, "pagerduty", key)
        assert page.status is Status.SENT
        assert [incident.status for incident in world.pagerduty.incidents] == ["triggered", "resolved"]
        assert len(world.pagerduty.incidents[0].events) == 1
        assert not (tmp_path / "spool").exists()
        for _ in range(3):
            world.tick([errors(0.0)], after=10)
            world.deliver()
        assert world.pagerduty.open() == []
