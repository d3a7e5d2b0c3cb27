"""Drift on the real daemon: a past is learned, a shift pages once, is explained, outlives a kill, is accepted."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.cli.registry import app
from monitor.clock import iso
from monitor.records import Stream
from monitor.store import drift
from monitor.store.db import Store
from monitor.store.drift import StoredDriftIncident
from tests.support import history
from tests.support.daemon import Daemon
from tests.support.history import DAY, WEEK
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.traffic import send
from tests.support.waiting import until

STREAM = Stream("acme", "fraud")
DAYS, STEP, ROWS = 8, 1800, 120
CONFIG = """\
evaluate: {{every: 300ms, recent: 5s}}
predictions: {{base_window: 30m}}
windows: {{idle: 30d}}
drift: {{false_alarms: 1 per 30 days, special_days: ["{special}"]}}
rules: {{files: ["{folder}/mine.yaml"]}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{url}", ca_file: "{ca}"}}
  console: false
  lease: 3s
"""
RULES = "extend: {SignificantDrift: {keep_firing_for: 1s}}\n"


class Model:
    """`acme/fraud` on a real daemon: its time is that of its predictions, which are some days old."""

    def __init__(self, daemon: Daemon, pager: PagerDutyStandIn, began: int) -> None:
        self.daemon, self.pager, self.at = daemon, pager, began
        self._store = Store(daemon.store_url)

    def answer(self, windows: int, **how: float | str) -> None:
        """Send so many windows of predictions, and return when all but the last are judged."""
        for _ in range(windows):
            rows = history.table(self.at, self.at + STEP, STEP, ROWS, **how)  # type: ignore[arg-type]
            assert send(self.daemon, list(history.records(rows))) == ROWS
            self.at += STEP
        until(self._is_judged, f"drift is judged; the daemon said:\n{self.daemon.said()}")

    def run(self, *words: str) -> str:
        """What a command prints; beside the daemon, in this process."""
        return CliRunner().invoke(app, [*words, "--config", str(self.daemon.config)]).output

    def incidents(self) -> list[StoredDriftIncident]:
        """Its drift incidents, newest first."""
        with self._store.read() as connection:
            return drift.incidents(connection, STREAM)

    def alert(self) -> dict[str, Any]:
        """Its one open alert, as the API has it."""
        (found,) = self.daemon.get("/api/v1/clients/acme/alerts").json()
        return dict(found)

    def is_learned(self) -> bool:
        """Whether its past was learned."""
        with self._store.read() as connection:
            return drift.calibration(connection, STREAM) is not None

    def _is_judged(self) -> bool:
        with self._store.read() as connection:
            state = drift.state(connection, STREAM)
        return state is not None and state.judged_until >= self.at - STEP


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    """A model whose eight days of history are loaded into a daemon that runs."""
    began = (int(time.time()) - 3 * DAY) // WEEK * WEEK  # a Thursday
    file = history.file(tmp_path, began - DAYS * DAY, began, STEP, ROWS)
    (tmp_path / "mine.yaml").write_text(RULES, encoding="utf-8")
    with PagerDutyStandIn(tmp_path, time.time) as pager:
        config = CONFIG.format(
            folder=tmp_path, key=pager.routing_key, url=pager.url, ca=pager.ca_file,
            special=time.strftime("%Y-%m-%d", time.gmtime(began + DAY)),
        )  # fmt: skip
        daemon = Daemon(tmp_path, config)
        made = Model(daemon, pager, began)
        assert "46,080 rows accepted, 0 rejected" in made.run("load", "acme/fraud", str(file))
        assert "drift is reported in the digest only, until there is enough to learn from" in made.run(
            "status"
        )
        with daemon:
            until(made.is_learned, "the past is learned", seconds=550)  # by a child that yields to all others
            yield made


def test_a_shift_pages_once_says_what_moved_outlives_a_kill_and_is_accepted(model: Model) -> None:
    assert "a shift of 0.2 sd is found in about" in model.run("status")

    model.answer(12)
    assert not model.incidents()
    assert not model.pager.incidents

    shifted = model.at
    model.answer(4, older_by=17.0, version="8")
    until(lambda: model.pager.incidents, "somebody is told")
    (page,) = model.pager.incidents
    reason = page.events[0]["payload"]["custom_details"]["reason"]
    assert reason.startswith("feature `age`: the last ")
    assert f"(since {iso(shifted)}, between " in reason
    assert "with the budget of 1 false alarm in 30 days the limit is" in reason
    assert "likeliest causes: 1. version 8 began to answer" in reason
    assert "2. feature `age`: " in reason

    model.daemon.kill()
    model.daemon.start()
    model.answer(3, older_by=40.0, version="8")
    (incident,) = model.incidents()
    assert incident.closed is None
    # Each column's onset is an estimate, and an incident began with the first: chance may add the window before.
    assert shifted - STEP <= incident.since <= shifted
    assert {"features.age", "confidence"} <= set(incident.columns)
    assert len(model.pager.incidents) == 1

    until(lambda: "; also moved: " in model.alert()["reason"], "further columns are told")
    assert "is firing since" in model.run("explain", "acme/fraud/production/SignificantDrift")
    engineers = model.daemon.get("/staff/m/acme/fraud/production").text
    assert "still open" in engineers
    assert "e-value" in engineers
    client = model.daemon.get("/c/acme/m/fraud").text
    assert "look different from those that the model was built for" in client
    assert not any(word in client for word in ("e-value", "standard deviation", "drift", "sd"))

    told = model.run("baseline", "accept", "acme/fraud", "--since", iso(model.at - 3 * STEP))
    assert "the new reference of acme/fraud/production: " in told
    model.answer(1, older_by=40.0, version="8")
    until(lambda: model.pager.incidents[0].status == "resolved", "the page is closed")
    assert model.incidents()[0].closed is not None
    assert "was accepted as normal by" in model.run("status")
    model.answer(5, older_by=40.0, version="8")
    assert len(model.incidents()) == len(model.pager.incidents) == 1
