"""A leak in the answers of one version alone is its fault; in those of both, going back helps nobody."""

from pathlib import Path

import pytest

from monitor.maintenance.leader import LeaderLease
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Alert, Severity, State, fingerprint, labels
from monitor.rollback import traffic
from monitor.rollback.comparison import Breach, blame
from monitor.rollback.planner import Planner
from monitor.rollback.settings import RollbackSettings
from monitor.store import alerts, model_versions, rollbacks
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.windows.counting import count_new
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, prediction, running, send
from tests.support.rollback_timeline import WEBHOOK, shipped_rules

LEAK = "signals.secret_leak"


@pytest.mark.parametrize("leaking", [{"8"}, {"7", "8"}, set()])
def test_the_version_that_alone_leaks_is_at_fault_and_is_rolled_back(
    tmp_path: Path, leaking: set[str]
) -> None:
    secret = "the token is ghp_" + "a1B2c3D4e5F6" * 3
    with running(tmp_path) as (log, store):
        calls = [
            prediction(
                id=f"{version}-{number}",
                version=version,
                timestamp=NOW - 120 - (version == "7") * 60 + number,
                texts={"input": "hi", "output": secret if version in leaking and number % 2 else "hello"},
            )
            for version in ("7", "8")
            for number in range(120 if version == "7" else 60)
        ]
        send(log, RecordKind.PREDICTIONS, calls)
        count_new(store, WindowSettings(), NOW)
        with store.read() as connection:
            figures = traffic.load(connection, STREAM, [LEAK], 60, NOW - 600, NOW)
        breach = Breach(LEAK, 0.0, "share", is_above=True, since=NOW - 120)
        found = blame(breach, figures.arm(LEAK, "8"), figures.arm(LEAK, "7"), None)
        assert found.is_new == (leaking == {"8"}), found.reason
        assert orders_of(store) == (["8"] if leaking == {"8"} else []), (
            "the shipped rule calls for it by its label"
        )


def orders_of(store: Store) -> list[str]:
    """The versions that are rolled back once the shipped rule on secrets fires."""
    where = labels(signal="secret_leak")
    leak = Alert(
        fingerprint("SecretLeak", STREAM, where), "SecretLeak", Severity.CRITICAL, STREAM, where, State.FIRING,
        metric="signal_rate", value=0.5, limit=0.0, unit="share", active_since=NOW - 120, fired_at=NOW - 60,
    )  # fmt: skip
    with store.write() as connection:
        model_versions.put(
            connection, [Version(STREAM, "7", NOW - 180, NOW), Version(STREAM, "8", NOW - 120, NOW)]
        )
        alerts.put(connection, [leak])
    settings = RollbackSettings.model_validate({"mode": "on", "executor": WEBHOOK})
    switch = Path("no such file")
    Planner(store, {STREAM: settings}, shipped_rules, LeaderLease(store), 60, switch).step(NOW)
    with store.read() as connection:
        return [one.version for one in rollbacks.of_stream(connection, STREAM) if one.was_ordered]
