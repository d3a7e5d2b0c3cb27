"""Two daemons on one PostgreSQL: each page goes out once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from monitor.alerts.settings import AlertSettings
from monitor.notify.delivery.dispatcher import Dispatcher
from monitor.records import Stream
from monitor.store.db import Store
from monitor.store.outbox import waiting
from tests.support.judging import one_rule
from tests.support.paging import PagingDaemon, errors
from tests.support.postgresql import postgresql

RULE = "{metric: error_rate, over: open, above: 5%}"


def work(dispatcher: Dispatcher) -> None:
    while dispatcher.step():
        pass


def test_what_two_dispatchers_find_is_sent_by_one_of_them(tmp_path: Path) -> None:
    settings = AlertSettings.model_validate({"storm": {"more_than": 1000}})
    with (
        postgresql() as server,
        PagingDaemon(tmp_path, one_rule(tmp_path, RULE), settings, server.url) as daemon,
    ):
        daemon.tick([errors(0.3, Stream("acme", f"model-{number}")) for number in range(18)])
        second = Store(server.url)
        other = Dispatcher(second, daemon.channels, daemon.clock)
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(work, (daemon.dispatcher, other)))
        assert len(daemon.pagerduty.incidents) >= 10
        assert {len(incident.events) for incident in daemon.pagerduty.incidents} == {1}
        daemon.clock.advance(60)
        daemon.deliver()
        with second.read() as connection:
            assert waiting(connection) == []
        assert len(daemon.pagerduty.incidents) == 18
        second.close()
