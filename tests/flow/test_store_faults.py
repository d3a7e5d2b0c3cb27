"""A store that cannot be used, on the real daemon: it is told, nothing ends, and all goes on when it is back."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from monitor.store.db import Store
from monitor.store.tables import metadata
from tests.support import http
from tests.support.daemon import Daemon
from tests.support.pagerduty import PagerDutyStandIn
from tests.support.postgresql import postgresql
from tests.support.rule_files import sensitive_error_rate
from tests.support.traffic import failed, prediction
from tests.support.waiting import until

DOWN = "Watchkeeper cannot reach its database"
MODEL = "acme/fraud production"
LONG = 90.0
RULES = sensitive_error_rate()
CONFIG = """\
store: {{url: "{store}"}}
evaluate: {{every: 500ms, recent: 5s}}
rules: {{files: ["{folder}/mine.yaml"]}}
notify:
  pagerduty: {{routing_key: "{key}", events_url: "{url}", ca_file: "{ca}"}}
  console: false
  lease: 3s
  outage_after: 4s
  spool: "{folder}/spool"
"""


class Site:
    """A daemon on a store, and its pager."""

    def __init__(self, folder: Path, store: str, pager: PagerDutyStandIn) -> None:
        (folder / "mine.yaml").write_text(RULES, encoding="utf-8")
        config = CONFIG.format(
            store=store, folder=folder, key=pager.routing_key, url=pager.url, ca=pager.ca_file
        )
        self.daemon, self.pager = Daemon(folder, config), pager
        self.accepted = 0

    def post(self, *, bad: bool = False) -> int:
        """Ten predictions; the status. What is refused is not sent again."""
        records: list[dict[str, Any]] = [failed() if bad else prediction() for _ in range(10)]
        try:
            answer = http.post(f"{self.daemon.url}/v1/predictions", json=records, timeout=15)
        except httpx2.TimeoutException:
            return 0
        self.accepted += answer.json()["accepted"] if answer.status_code == 202 else 0
        return answer.status_code

    def told(self) -> dict[str, str]:
        return {one.summary.split(":")[0]: one.status for one in self.pager.incidents}

    def until(self, condition: Callable[[], Any], what: str, *, bad: bool = False) -> None:
        """Send until it is so; `/healthz` answers all the time."""

        def look() -> Any:
            self.post(bad=bad)
            began = time.monotonic()
            assert self.daemon.get("/healthz").status_code == 200
            assert time.monotonic() - began < 10.0
            return condition()

        until(look, f"{what}; told: {self.told()}; the daemon said:\n{self.daemon.said()[-3000:]}", LONG)

    def is_ready(self) -> bool:
        return self.daemon.get("/readyz").status_code == 200

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.daemon.pid}/fd").iterdir()))

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.daemon.pid}/task").iterdir()))

    def stored(self) -> int:
        store = Store(self.daemon.store_url)
        with store.read() as connection:
            rows = metadata.tables["prediction_batches"].c.rows
            found = sum(row[0] for row in connection.execute(rows.table.select().with_only_columns(rows)))
        store.close()
        return found


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[PagerDutyStandIn]:
    with PagerDutyStandIn(tmp_path, time.time) as stand_in:
        yield stand_in


def test_a_postgresql_that_is_read_only_for_seconds_ends_no_thread(
    tmp_path: Path, pager: PagerDutyStandIn
) -> None:
    with postgresql() as server:
        site = Site(tmp_path, server.url, pager)
        site.daemon.store_url = server.url
        with site.daemon:
            assert site.post() == 202
            threads = site.threads()
            server.execute("alter system set default_transaction_read_only = on; select pg_reload_conf()")
            site.until(lambda: site.post() == 503, "predictions are refused")
            answer = site.daemon.get("/readyz")
            assert answer.status_code == 503
            assert "read-only" in answer.json()["reasons"][0]
            assert "read-only" in site.daemon.get("/healthz").json()["store"]
            time.sleep(1)
            server.execute(
                "set default_transaction_read_only = off;"
                "alter system reset default_transaction_read_only; select pg_reload_conf()"
            )
            site.until(site.is_ready, "it is ready again")
            site.until(lambda: MODEL in site.told(), "a model that fails now pages", bad=True)
            assert site.threads() <= threads + 8
            assert "Traceback" not in site.daemon.said()
            assert site.stored() == site.accepted


def test_a_postgresql_that_hangs_is_told_what_is_critical_is_paged_and_a_kill_meanwhile_leaves_nothing_open(
    tmp_path: Path, pager: PagerDutyStandIn
) -> None:
    with postgresql() as server:
        site = Site(tmp_path, server.url, pager)
        site.daemon.store_url = server.url
        with site.daemon:
            for _ in range(20):
                assert site.post() == 202
            until(site.is_ready, "it is ready")
            descriptors, threads = site.descriptors(), site.threads()
            server.freeze()
            site.until(lambda: {DOWN, MODEL} <= set(site.told()), "both are told", bad=True)
            assert not site.is_ready()
            assert site.descriptors() <= descriptors + 12
            assert site.threads() <= threads + 12
            site.daemon.kill()
            site.daemon.launch()
            waits = "the daemon waits for its database: the database cannot be used"
            until(lambda: waits in site.daemon.said(), "it says why it does not start", LONG)
            assert site.told()[DOWN] == "triggered"
            server.thaw()
            site.daemon.await_ready()
            site.until(lambda: site.told()[DOWN] == "resolved", "the outage is closed")
            site.until(lambda: site.told()[MODEL] == "resolved", "the model's page is closed")
            assert len(pager.incidents) == 2
            assert site.stored() == site.accepted


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    place = folder / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=False
    ).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))


def test_a_full_disk_is_told_and_pages_go_out_and_all_goes_on_when_there_is_room(
    tmp_path: Path, pager: PagerDutyStandIn
) -> None:
    with small_disk(tmp_path) as place:
        site = Site(tmp_path, f"sqlite:///{place}/watchkeeper.db", pager)
        site.daemon.store_url = f"sqlite:///{place}/watchkeeper.db"
        config = site.daemon.config.read_text(encoding="utf-8").replace(f"{tmp_path}/spool", f"{place}/spool")
        site.daemon.config.write_text(config, encoding="utf-8")
        with site.daemon:
            assert site.post() == 202
            _fill(place / "filler")
            site.until(lambda: site.post(bad=True) == 503, "predictions are refused", bad=True)
            site.until(lambda: {DOWN, MODEL} <= set(site.told()), "both are told", bad=True)
            (place / "filler").unlink()
            site.until(lambda: site.told()[DOWN] == "resolved" and site.is_ready(), "the outage is over")
            site.until(lambda: site.told()[MODEL] == "resolved", "the model's page is closed")
            assert site.stored() == site.accepted


def test_a_file_that_was_moved_away_takes_nothing_until_it_is_back(
    tmp_path: Path, pager: PagerDutyStandIn
) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    site = Site(tmp_path, f"sqlite:///{folder}/watchkeeper.db", pager)
    site.daemon.store_url = f"sqlite:///{folder}/watchkeeper.db"
    with site.daemon:
        assert site.post() == 202
        folder.rename(tmp_path / "away")
        assert site.post() == 503
        assert "is gone" in site.daemon.get("/readyz").json()["reasons"][0]
        folder.mkdir()
        (folder / "watchkeeper.db").write_bytes(b"")
        assert site.post() == 503, "another file is not taken for it"
        site.until(lambda: DOWN in site.told(), "it is told")
        (folder / "watchkeeper.db").unlink()
        folder.rmdir()
        (tmp_path / "away").rename(folder)
        site.until(lambda: site.told()[DOWN] == "resolved" and site.is_ready(), "the outage is over")
        assert site.post() == 202
        assert site.stored() == site.accepted
