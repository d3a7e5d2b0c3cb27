"""SIGKILL on a real process at each step between judging and the recorded receipt, for a page and for its end."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.records import Status
from monitor.store import outbox
from monitor.store.db import Store
from tests.support import fork_server
from tests.support.pagerduty import PagerDutyStandIn

ROOT = Path(__file__).parent.parent.parent
STEPS = ("judged", "committed", "claimed", "sent", "settled")


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[PagerDutyStandIn]:
    with PagerDutyStandIn(tmp_path, time.time) as server:
        yield server


def run(folder: Path, stand_in: PagerDutyStandIn, rate: float, kill_at: str) -> int:
    """Run the pager once; its exit code."""
    arguments = [str(folder), stand_in.url, str(stand_in.ca_file), str(rate), kill_at]
    return fork_server.run("tests.support.pager_process", *arguments).returncode


@pytest.mark.parametrize("dies_at", STEPS)
def test_whatever_step_it_is_killed_at_there_is_one_incident_and_it_ends(
    tmp_path: Path, stand_in: PagerDutyStandIn, dies_at: str
) -> None:
    assert run(tmp_path, stand_in, 0.5, dies_at) == -signal.SIGKILL
    assert run(tmp_path, stand_in, 0.5, "never") == 0
    assert [incident.status for incident in stand_in.incidents] == ["triggered"]
    assert run(tmp_path, stand_in, 0.0, dies_at) == -signal.SIGKILL
    assert run(tmp_path, stand_in, 0.0, "never") == 0
    assert [incident.status for incident in stand_in.incidents] == ["resolved"]
    store = Store(f"sqlite:///{tmp_path}/pager.db")
    with store.read() as connection:
        assert outbox.waiting(connection) == []
        said = outbox.conversation(connection, "pagerduty", stand_in.incidents[0].key)
    assert [delivery.status for delivery in said] == [Status.SENT, Status.SENT]
    store.close()
