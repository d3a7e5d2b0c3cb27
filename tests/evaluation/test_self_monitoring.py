"""The reason of a figure of the daemon names what is behind it."""

from pathlib import Path

import pytest

from monitor.clock import ManualClock
from monitor.evaluation.self_monitoring import SelfMonitor
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import DAEMON, Alert
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.rule import RuleSet
from monitor.store.db import Store
from tests.rules.test_packs import RULES
from tests.support import schema

NOW = 1_795_000_000.0
RULE = RuleSet(tuple(one for one in RULES.entries if one.rule.name == "WrongKeyRejections"))


@pytest.fixture
def alert(tmp_path: Path) -> Alert:
    store, clock = Store(f"sqlite:///{tmp_path}/a.db"), ManualClock(NOW)
    schema.create(store)
    log = PredictionLog(store, PredictionSettings(), clock)
    monitor = SelfMonitor(
        store, log, {}, lambda: False, clock.elapsed, refused_keys=lambda: "key 1f3a from 10.0.0.8 24 times"
    )
    monitor.measure(NOW)
    log.count_rejected("wrong_key", 24)
    log.count_rejected("other_client", 3)
    own = monitor.measure(NOW)
    store.close()
    (alert,) = evaluate(RULE, Readings({(DAEMON, OPEN): own}), {}, NOW).alerts
    return alert


def test_the_page_about_wrong_keys_names_keys_and_addresses(alert: Alert) -> None:
    assert alert.value == 27
    assert "key 1f3a from 10.0.0.8 24 times; 3 records of a client that the key is not for" in alert.reason
