"""The main job, on the real daemon: predictions come in, a fault pages somebody, the page closes by itself."""

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.store import model_versions
from monitor.store.db import Store
from tests.support.daemon import Daemon
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.rule_files import sensitive_error_rate
from tests.support.traffic import failed, prediction, send
from tests.support.waiting import until

RULES = sensitive_error_rate()
CONFIG = """\
evaluate: {{every: 500ms, recent: 5s}}
rules: {{files: ["{folder}/mine.yaml"]}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{url}", ca_file: "{ca}"}}
  console: false
  lease: 5s
"""


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[PagerDutyStandIn]:
    with PagerDutyStandIn(tmp_path, time.time) as stand_in:
        yield stand_in


@pytest.fixture
def daemon(tmp_path: Path, pager: PagerDutyStandIn) -> Iterator[Daemon]:
    (tmp_path / "mine.yaml").write_text(RULES, encoding="utf-8")
    config = CONFIG.format(folder=tmp_path, key=pager.routing_key, url=pager.url, ca=pager.ca_file)
    with Daemon(tmp_path, config) as running:
        yield running


def test_a_fault_pages_somebody_who_reads_what_is_wrong_and_the_page_closes(
    daemon: Daemon, pager: PagerDutyStandIn
) -> None:
    send(daemon, [prediction() for _ in range(100)])
    until(
        lambda: 'predictions_total{client="acme"' in daemon.get("/metrics").text, "the good rows are counted"
    )
    assert pager.incidents == []

    def fault_goes_on() -> bool:
        send(daemon, [failed() for _ in range(20)])
        return bool(pager.incidents)

    until(fault_goes_on, "somebody is paged")
    page = pager.incidents[0].events[0]["payload"]
    assert page["severity"] == "critical"
    assert page["summary"].startswith("acme/fraud production: ")
    assert "of predictions fail (limit 5 %)" in page["summary"]
    told = str(page["custom_details"])
    for what in ("get an error instead of a prediction", "limit", "since", "n ="):
        assert what in told
    explain, status, *checks = page["custom_details"]["first_checks"]
    config = f"--config {shlex.quote(str(daemon.config))}"
    assert explain == f"watchkeeper explain acme/fraud/production/HighErrorRate {config}"
    assert status == f"watchkeeper status --client acme {config}"
    assert len(checks) == 3
    links = {link["text"]: link["href"] for link in pager.incidents[0].events[0]["links"]}
    runbook = links["Runbook (reachable only on the daemon's machine; set web.public_url)"]
    assert "<h1>HighErrorRate</h1>" in daemon.get(runbook.removeprefix(daemon.url)).text

    def all_is_well_again() -> bool:
        send(daemon, [prediction() for _ in range(20)])
        return pager.incidents[0].status == "resolved"

    until(all_is_well_again, "the page is closed")
    assert len(pager.incidents) == 1
    assert pager.refused == []


def test_after_sigkill_in_the_middle_of_an_incident_the_same_page_is_closed(
    daemon: Daemon, pager: PagerDutyStandIn
) -> None:
    send(daemon, [failed() for _ in range(50)])
    until(lambda: pager.incidents, "somebody is paged")
    daemon.kill()
    daemon.start()

    def all_is_well_again() -> bool:
        send(daemon, [prediction() for _ in range(20)])
        return pager.incidents[0].status == "resolved"

    until(all_is_well_again, "the page is closed")
    assert len(pager.incidents) == 1


def test_a_new_version_is_a_change_beside_the_incidents(daemon: Daemon, pager: PagerDutyStandIn) -> None:
    send(daemon, [prediction(version="6") for _ in range(20)])
    store = Store(daemon.store_url)

    def is_written_down() -> bool:
        with store.read() as connection:
            return bool(model_versions.load(connection))

    until(is_written_down, "the first version is known")
    store.close()

    def another_version_answers() -> bool:
        send(daemon, [prediction(version="7") for _ in range(5)])
        return bool(pager.changes)

    until(another_version_answers, "the change is told")
    assert [change["payload"]["summary"] for change in pager.changes] == [
        "acme/fraud production: version 7 is serving (before: 6)"
    ]
    assert pager.incidents == []
