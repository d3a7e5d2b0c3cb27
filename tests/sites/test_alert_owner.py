"""A site's models stand beside the others, and one side judges them: never both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from litestar.testing import TestClient

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.config.schema import ClientConfig, ModelSettings
from monitor.notify.settings import NotifySettings
from monitor.predictions.intake.parse import RecordKind
from monitor.sites.bundling import Bundler
from monitor.sites.merge import merge
from monitor.sites.settings import KnownSite, SiteSettings
from monitor.store import alerts, api_keys, streams
from monitor.store.api_keys import KeyKind
from monitor.store.settings import StoreSettings
from monitor.store.streams import StreamFigures
from tests.support.log import NOW, STREAM, send
from tests.support.sites import BASE, known, settings_in


@contextmanager
def daemon(
    folder: Path, site: SiteSettings | None = None, sites: dict[str, KnownSite] | None = None
) -> Iterator[App]:
    folder.mkdir(parents=True, exist_ok=True)
    notify = {"console": False, "file": {"path": str(folder / "told")}}
    config = Config(
        store=StoreSettings(url=f"sqlite:///{folder}/a.db"),
        notify=NotifySettings.model_validate(notify),
        site=site or SiteSettings(),
        sites=sites or {},
        clients={"acme": ClientConfig(models={"fraud": ModelSettings(title="Scrap check")})},
    )
    made = App(config, ManualClock(NOW))
    made.log.start()
    yield made
    made.log.stop()
    made.store.close()


def step(app: App, seconds: float) -> None:
    assert isinstance(app.clock, ManualClock)
    app.clock.advance(seconds)
    app.tick()
    while app.dispatcher.step():
        pass


def live(app: App, minutes: int, error: str) -> None:
    for _ in range(minutes * 4):
        answer = {"error": error} if error else {"prediction": "ok"}
        row = {"client": "acme", "model": "fraud", "timestamp": app.clock.now(), "version": "7", **answer}
        send(app.log, RecordKind.PREDICTIONS, [row] * 12)
        step(app, 15)


def deliver(source: App, target: App, sites: dict[str, KnownSite]) -> None:
    bundler = Bundler(source.store, source.config.site, source.config.windows, BASE)
    now = max(source.clock.now(), target.clock.now())
    for app in (source, target):
        assert isinstance(app.clock, ManualClock)
        app.clock.set(now)
    for path in bundler.make(now).paths:
        merge(target.store, path.read_bytes(), sites, BASE, now)
    for _ in range(20):
        step(target, 3)


@pytest.mark.parametrize("judge", ["agency", "site"])
def test_one_side_pages_and_both_show_it(tmp_path: Path, judge: str) -> None:
    sites = known(tmp_path, every=3600.0)
    mine = settings_in(tmp_path, alerts=judge)
    with daemon(tmp_path / "plant", site=mine) as plant, daemon(tmp_path / "agency", sites=sites) as agency:
        live(plant, 4, "")
        deliver(plant, agency, sites)
        live(plant, 6, "timeout")
        deliver(plant, agency, sites)
        told = {app: (tmp_path / app / "told").exists() for app in ("plant", "agency")}
        assert told == {"plant": judge == "site", "agency": judge == "agency"}
        with agency.store.read() as connection:
            firing = {one.rule for one in alerts.load_open(connection)}
        assert "HighErrorRate" in firing
        page = _page(agency)
        assert "Scrap check" in page
        assert "from site plant-7" in page


def _page(app: App) -> str:
    with app.store.write() as connection:
        key = api_keys.create(connection, KeyKind.STAFF, "", NOW)[1]
    assert isinstance(app.clock, ManualClock)
    app.clock.advance(10)
    with TestClient(app.application) as web:
        return web.get("/c/acme/", headers={"Authorization": f"Bearer {key}"}).text


def test_what_has_not_arrived_is_not_missing_data(tmp_path: Path) -> None:
    sites = known(tmp_path)
    with (
        daemon(tmp_path / "plant", site=settings_in(tmp_path)) as plant,
        daemon(tmp_path / "agency", sites=sites) as agency,
    ):
        live(plant, 12, "")
        deliver(plant, agency, sites)
        step(agency, 6 * 3600)
        page = _page(agency)
        assert "as delivered by site plant-7" in page
        assert "late" not in page
        for _ in range(10):
            step(agency, 5)
        with agency.store.read() as connection:
            assert alerts.load_open(connection) == []
        silence = [
            one
            for one in agency.pipeline.judge.measuring.wall.measure(_figures(agency), agency.clock.now())
            if one.metric.startswith("silence")
        ]
        assert [one.value for one in silence] == [None, None]
        assert "site plant-7 delivers" in silence[0].reason
        step(agency, 2 * 86_400)
        for _ in range(40):
            step(agency, 5)
        with agency.store.read() as connection:
            firing = alerts.load_open(connection)
        assert [one.rule for one in firing] == ["SiteSilent"]


def _figures(app: App) -> StreamFigures:
    with app.store.read() as connection:
        found = streams.figures(connection, STREAM)
    assert found is not None
    return found
