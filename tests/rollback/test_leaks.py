"""A leak in the answers of one version alone is its fault; in those of both, going back helps nobody."""

from pathlib import Path

import pytest

from monitor.predictions.intake.parse import RecordKind
from monitor.rollback import traffic
from monitor.rollback.comparison import Breach, blame
from monitor.windows.counting import count_new
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, prediction, running, send

LEAK = "signals.secret_leak"


@pytest.mark.parametrize("leaking", [{"8"}, {"7", "8"}, set()])
def test_the_version_that_alone_leaks_is_at_fault(tmp_path: Path, leaking: set[str]) -> None:
    secret = "the token is ghp_" + "a1B2c3D4e5F6" * 3
    with running(tmp_path) as (log, store):
        calls = [
            prediction(
                id=f"{version}-{number}",
                version=version,
                timestamp=NOW - 120 + number,
                texts={"input": "hi", "output": secret if version in leaking and number % 2 else "hello"},
            )
            for version in ("7", "8")
            for number in range(60)
        ]
        send(log, RecordKind.PREDICTIONS, calls)
        count_new(store, WindowSettings(), NOW)
        with store.read() as connection:
            figures = traffic.load(connection, STREAM, [LEAK], 60, NOW - 600, NOW)
    breach = Breach(LEAK, 0.0, "share", is_above=True, since=NOW - 120)
    found = blame(breach, figures.arm(LEAK, "8"), figures.arm(LEAK, "7"), None)
    assert found.is_new == (leaking == {"8"}), found.reason
