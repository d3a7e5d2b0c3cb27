"""Sites and agencies on PostgreSQL: the same statements, the same figures."""

from pathlib import Path

from monitor.clock import ManualClock
from monitor.predictions.log.batch import split
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.sites.bundling import Bundler, ensure
from monitor.sites.merge import catch_up, merge
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.windows.counting import count_new
from tests.support.log import NOW, STREAM
from tests.support.postgresql import postgresql
from tests.support.sites import BASE, WINDOWS, figures, known, rows_at, settings_in

END = NOW + 7200


def test_bundles_of_a_restored_site_between_two_postgresql_databases(tmp_path: Path) -> None:
    with postgresql() as server:
        server.execute("create database other")
        site, agency = Store(server.url), Store(server.url.removesuffix("postgres") + "other")
        for store in (site, agency):
            migrate(store)
        sites, settings = known(tmp_path), settings_in(tmp_path)
        log = PredictionLog(site, PredictionSettings(), ManualClock(NOW))
        log.start()
        ensure(site, settings, BASE)
        bundler = Bundler(site, settings, WINDOWS, BASE)
        for seed in range(3):
            log.append(split(STREAM, rows_at(NOW, 9, seed, minutes=3), BASE))
            count_new(site, WINDOWS, NOW)
            for path in bundler.make(END).paths:
                merge(agency, path.read_bytes(), sites, BASE, END)
            ensure(site, settings, BASE, is_restored=seed == 1)
        catch_up(agency, END)
        assert figures(agency) == figures(site)
        assert sum(rows for _, rows, _ in figures(agency).values()) == 27
        log.stop()
        for store in (site, agency):
            store.close()
