"""Bundles travel: over HTTPS to a real daemon, through folders, after 90 days, and with a clock that is a day off."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pyarrow as pa
import pytest

from monitor.predictions.log.batch import split
from monitor.sites.bundling import Bundler, ensure
from monitor.sites.completeness import completeness
from monitor.sites.merge import merge
from monitor.sites.receiving import REFUSED, Inboxes
from monitor.sites.sending import push
from monitor.sites.settings import SiteDestination
from monitor.store import api_keys, profiles, site_windows
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.windows.counting import count_new
from tests.support.daemon import Daemon
from tests.support.log import NOW, STREAM, running
from tests.support.sites import (
    BASE,
    SITE,
    WINDOWS,
    append,
    figures,
    known,
    rows_at,
    settings_in,
    site,
    with_baseline,
)
from tests.support.tables import predictions
from tests.support.waiting import until

END = NOW + 7200


class Agency:
    """A running daemon that knows the site, and its keys."""

    def __init__(self, folder: Path, public: str) -> None:
        config = (
            f'sites: {{{SITE}: {{client: acme, key: "{public}"}}}}\nclients: {{acme: {{}}, globex: {{}}}}\n'
        )
        self.daemon = Daemon(folder, config).start()
        self.store = Store(self.daemon.store_url)
        self.keys: dict[str, str] = {}
        with self.store.write() as connection:
            for name, kind, client in (
                ("site", KeyKind.SITE, "acme"),
                ("other", KeyKind.SITE, "globex"),
                ("ingest", KeyKind.INGEST, "acme"),
            ):
                self.keys[name] = api_keys.create(connection, kind, client, NOW)[1]
        until(lambda: self.post(b"", "site").status_code != 401, "the daemon knows the keys")

    def post(self, body: bytes, key: str, name: str = SITE) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.keys.get(key, 'wk_wrong')}"}
        return httpx2.post(f"{self.daemon.url}/v1/sites/{name}/bundles", content=body, headers=headers)


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    folder = tmp_path_factory.mktemp("agency")
    made = Agency(folder, known(folder)[SITE].key)
    yield made
    made.store.close()
    made.daemon.stop()


def test_over_https_each_once_and_only_with_a_key_of_the_site(agency: Agency, tmp_path: Path) -> None:
    plant = tmp_path / "plant"
    plant.mkdir()
    (plant / "site.key").write_bytes((agency.daemon.folder / "site.key").read_bytes())
    to = SiteDestination(url=agency.daemon.url, key=agency.keys["site"])
    with site(plant, to=to) as (log, store, bundler):
        append(log, store, rows_at(NOW, 30, 1), NOW)
        first = bundler.make(END).paths[0]
        packed = first.read_bytes()
        answers = {key: agency.post(packed, key).status_code for key in ("other", "ingest", "wrong")}
        assert answers == {"other": 404, "ingest": 403, "wrong": 401}
        assert agency.post(packed, "site", "plant-8").status_code == 404
        cut = agency.post(packed[:-3], "site")
        assert (cut.status_code, cut.json()["error"]) == (400, "the signature is wrong")
        append(log, store, rows_at(NOW + 60, 30, 2), NOW)
        bundler.make(END)
        bad = bundler.outbox.path(SITE, 1, 9)
        bundler.outbox.write(bad, packed[:-3])
        done = push(bundler._settings)
        assert len(done.sent) == 2
        assert [name for name, _ in done.refused] == [bad.name]
        assert "the signature is wrong" in done.refused[0][1]
        assert [path.name for path in bundler.outbox.waiting()] == [bad.name]
        again = agency.post(packed, "site").json()
        assert (again["seq"], again["merged"]) == (1, False)
        assert figures(agency.store) == figures(store)


def test_without_the_agency_bundles_wait(tmp_path: Path) -> None:
    to = SiteDestination(url="http://127.0.0.1:9", key="wk_any")
    with site(tmp_path / "plant", to=to) as (log, store, bundler):
        append(log, store, rows_at(NOW, 30, 1), NOW)
        bundler.make(END)
        done = push(bundler._settings)
        assert (done.sent, done.waiting) == ((), 1)
        assert "ConnectError" in done.reason
        gone = bundler._settings.model_copy(update={"to": SiteDestination(folder=str(tmp_path / "usb"))})
        assert "is it mounted" in push(gone).reason


def test_through_folders_what_is_refused_lies_apart_with_its_reason(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    sites = known(_made(tmp_path / "plant"), inbox=str(inbox))
    to = SiteDestination(folder=str(inbox))
    with site(tmp_path / "plant", to=to) as (log, store, bundler), running(tmp_path) as (_, there):
        append(log, store, rows_at(NOW, 30, 1), NOW)
        packed = bundler.make(END).paths[0].read_bytes()
        (inbox / "still copying.wkb").write_bytes(packed[:100])
        (inbox / "…\u2028 cut.wkb").write_bytes(packed[:-1])
        (inbox / "folder.wkb").mkdir()
        push(bundler._settings)
        inboxes = Inboxes(there, sites, BASE)
        assert [one.merged.rows for one in inboxes.look(NOW) if one.merged] == [30]
        assert len(list(inbox.glob("*.wkb"))) == 3  # perhaps they are still being copied
        (inbox / "still copying.wkb").write_bytes(packed)
        assert [bool(one.merged) for one in inboxes.look(NOW)].count(True) == 1  # known, so nothing changes
        reasons = {path.name: path.read_text() for path in (inbox / REFUSED).glob("*.txt")}
        assert reasons["…\u2028 cut.wkb.txt"].startswith("the signature is wrong")
        assert "not a file" in reasons["folder.wkb.txt"]
        assert list(inbox.glob("*.wkb")) == []
        assert figures(there) == figures(store)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_ninety_days_offline_end_in_the_figures_of_a_direct_connection(tmp_path: Path) -> None:
    """360 windows of six hours, carried at once in any order, some of them twice, from a clock a day behind."""
    length, days = 6 * 3600, 90
    over = NOW // length * length
    began = over - days * 86_400
    rows = predictions(12 * days, 5)
    times = (began * 1e6 + np.arange(len(rows)) * (length / 3) * 1e6).astype(np.int64)
    rows = rows.set_column(0, "timestamp", pa.array(times))
    settings = settings_in(_made(tmp_path / "plant"))
    sites = known(tmp_path / "plant")
    with (
        running(tmp_path / "plant", base_window=float(length)) as (log, store),
        running(_made(tmp_path / "direct"), base_window=float(length)) as (other, direct),
        running(_made(tmp_path / "agency")) as (_, there),
    ):
        ensure(store, settings, length)
        for each, target in ((log, store), (other, direct)):
            with_baseline(target)
            each.append(split(STREAM, rows, length))
            count_new(target, WINDOWS, NOW)
        made = Bundler(store, settings, WINDOWS, length).make(over - 86_400 + 600)
        assert made.windows == 4 * days - 4  # its clock says that the last day has not been yet
        late = Bundler(store, settings, WINDOWS, length).make(over + 600)
        paths = [*reversed(made.paths), *late.paths, made.paths[-1]]
        merged = [merge(there, path.read_bytes(), sites, length, NOW + 900) for path in paths]
        assert sum(one.rows for one in merged) == len(rows)
        assert _windows(there, length) == _windows(direct, length)
        with there.read() as connection:
            found = site_windows.delivered(connection)
        assert completeness(SITE, found, 86_400.0, NOW + 900).missing_bundles == 0


def _windows(store: Store, seconds: int) -> list[tuple[int, bytes]]:
    with store.read() as connection:
        return [(one.window.start, one.blob) for one in profiles.between(connection, STREAM, seconds, 0, 4e9)]


def test_a_clock_that_is_a_day_ahead_is_told(tmp_path: Path) -> None:
    with site(tmp_path / "plant") as (log, store, bundler), running(tmp_path) as (_, there):
        append(log, store, rows_at(NOW, 10, 1), NOW)
        merged = merge(
            there, bundler.make(NOW + 86_400).paths[0].read_bytes(), known(tmp_path / "plant"), BASE, NOW
        )
        assert merged.note == "its clock is at least 86400 s ahead"
        assert figures(there) == figures(store)


def test_a_full_outbox_lets_windows_wait_and_a_bundle_that_was_interrupted_is_taken_up(
    tmp_path: Path,
) -> None:
    with site(tmp_path / "plant", most=1) as (log, store, bundler), running(tmp_path) as (_, there):
        append(log, store, rows_at(NOW, 10, 1), NOW)
        assert len(bundler.make(END).paths) == 1
        append(log, store, rows_at(NOW + 60, 10, 2), NOW)
        assert "outbox is full" in bundler.make(END).reason
        bundler.outbox.mark_sent(bundler.outbox.waiting()[0])
        try:
            object.__setattr__(bundler.outbox, "folder", tmp_path / "plant" / "site.key" / "no folder")
            with pytest.raises(OSError, match="Not a directory"):
                bundler.make(END)
        finally:
            object.__setattr__(bundler.outbox, "folder", tmp_path / "plant" / "outbox")
        append(log, store, rows_at(NOW + 60, 10, 3), NOW)
        bundler.make(END)
        every = [*bundler.outbox.sent(), *bundler.outbox.waiting()]
        assert len(every) == 2
        for path in every:
            merge(there, path.read_bytes(), known(tmp_path / "plant"), BASE, END)
        assert figures(there) == figures(store)
