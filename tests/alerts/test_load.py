"""Ten thousand alerts in one tick."""

from pathlib import Path

from monitor.records import Stream
from tests.support.judging import one_rule
from tests.support.paging import PagingDaemon, errors

RULE = "{metric: error_rate, over: open, above: 5%}"


def test_ten_thousand_alerts_in_one_tick_are_all_stored_and_are_one_storm(tmp_path: Path) -> None:
    """How long that takes is measured by `make bench`."""
    with PagingDaemon(tmp_path, one_rule(tmp_path, RULE)) as daemon:
        many = [errors(0.3, Stream("acme", f"model-{number:05}")) for number in range(10_000)]
        plan = daemon.tick(many)
        assert len(daemon.alerts()) == 10_000
        assert len(plan.deliveries) == 1, "one storm"
