"""Ten thousand alerts in one tick."""

import time
from pathlib import Path

from monitor.records import Stream
from tests.support.judging import one_rule
from tests.support.paging import World, errors

RULE = "{metric: error_rate, over: open, above: 5%}"


def test_ten_thousand_alerts_are_judged_and_stored_in_under_two_seconds(tmp_path: Path) -> None:
    """Processor time, so that a busy machine does not decide; all of them new, which is the dearest tick."""
    with World(tmp_path, one_rule(tmp_path, RULE)) as world:
        many = [errors(0.3, Stream("acme", f"model-{number:05}")) for number in range(10_000)]
        began = time.process_time()
        plan = world.tick(many)
        assert time.process_time() - began < 2.0
        assert len(world.alerts()) == 10_000
        assert len(plan.deliveries) == 1, "one storm"
