"""A whole daemon with two workers under load: kills end no page, double none, and lose no count."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from monitor.records import Stream
from monitor.store import profiles
from monitor.store.db import Store
from tests.support.daemon import Daemon
from tests.support.pagerduty import Opened, PagerDutyStandIn
from tests.support.rule_files import sensitive_error_rate
from tests.support.thorough import THOROUGH
from tests.support.traffic import failed, prediction, send
from tests.support.waiting import until

CONFIG = """\
evaluate: {{every: 400ms, recent: 5s, workers: 2}}
rules: {{files: ["{folder}/mine.yaml"]}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{url}", ca_file: "{ca}"}}
  console: false
  lease: 3s
"""
MODELS = [f"model-{number}" for number in range(4)]
STARTED = re.compile(r'msg="worker started" worker=\S+ pid=(\d+)')


@pytest.mark.skipif(not THOROUGH, reason="starts a daemon and up to four workers, and waits for pages")
def test_kills_under_load_double_no_page_and_lose_no_count(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(sensitive_error_rate(), encoding="utf-8")
    with PagerDutyStandIn(tmp_path, time.time) as pager:
        config = CONFIG.format(folder=tmp_path, key=pager.routing_key, url=pager.url, ca=pager.ca_file)
        with Daemon(tmp_path, config) as daemon:
            sent = dict.fromkeys(MODELS, 0)

            def work(*, is_failing: bool) -> None:
                for model in MODELS:
                    made = failed if is_failing else prediction
                    sent[model] += send(daemon, [made(model=model) for _ in range(20)])

            def all_are_paged() -> bool:
                work(is_failing=True)
                return len([one for one in _about_models(pager) if one.status != "resolved"]) == len(MODELS)

            def all_is_well() -> bool:
                work(is_failing=False)
                return all(one.status == "resolved" for one in _about_models(pager))

            workers = until(lambda: _workers(daemon, 2), "both workers run")
            os.kill(workers[0], signal.SIGKILL)
            until(all_are_paged, "each model is paged")
            os.kill(workers[1], signal.SIGKILL)  # the daemon goes on by itself
            until(all_is_well, "all pages are closed")
            told = [[event["event_action"] for event in incident.events] for incident in _about_models(pager)]
            assert told == [["trigger", "resolve"]] * len(MODELS), told
            until(lambda: _counted(daemon) == sent, "each prediction is counted once")
            assert _workers(daemon, 0) == workers, "one that was killed is started again a minute later"


def _about_models(pager: PagerDutyStandIn) -> list[Opened]:
    """Without the page about the workers themselves."""
    return [incident for incident in pager.incidents if "HighErrorRate" in incident.key]


def _workers(daemon: Daemon, least: int) -> list[int]:
    pids = [int(pid) for pid in STARTED.findall(daemon.said())]
    return pids if len(pids) >= least else []


def _counted(daemon: Daemon) -> dict[str, int]:
    store, hours = Store(daemon.store_url), time.time() - 3600
    with store.read() as connection:
        counted = {
            model: profiles.rows_within(connection, Stream("acme", model), 60, hours, hours + 7200)
            for model in MODELS
        }
    store.close()
    return counted
