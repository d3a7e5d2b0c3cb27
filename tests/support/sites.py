"""Sites in a test: a store whose windows go through bundles, and one that is connected directly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from monitor.predictions.log.batch import split
from monitor.predictions.log.writer import PredictionLog
from monitor.records import Stream
from monitor.sites import keys
from monitor.sites.bundling import Bundler, ensure
from monitor.sites.settings import KnownSite, SiteSettings
from monitor.store import profiles
from monitor.store.db import Store
from monitor.windows.baseline import save
from monitor.windows.baseline_from_table import from_table
from monitor.windows.counting import count_new
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, running
from tests.support.tables import predictions

BASE, SITE = 60, "plant-7"
WINDOWS = WindowSettings()


def rows_at(start: float, rows: int, seed: int, minutes: int = 1) -> pa.RecordBatch:
    """Rows spread evenly over some minutes, all of them new."""
    batch = predictions(rows, seed)
    times = (start * 1e6 + np.arange(rows) * (minutes * 60e6 / rows)).astype(np.int64)
    return batch.set_column(0, "timestamp", pa.array(times))


def settings_in(folder: Path, **more: object) -> SiteSettings:
    """The settings of a site whose key and outbox are in a folder."""
    return SiteSettings(name=SITE, key=str(folder / "site.key"), outbox=str(folder / "outbox"), **more)


def known(folder: Path, **more: object) -> dict[str, KnownSite]:
    """The agency's settings for that site, whose key is made if there is none."""
    path = folder / "site.key"
    public = (
        keys.public_of(keys.load(path, keys.SIGNING), keys.SIGNING)
        if path.exists()
        else keys.create(path, keys.SIGNING)
    )
    return {SITE: KnownSite(**{"client": "acme", "key": public, **more})}


def append(
    log: PredictionLog, store: Store, rows: pa.RecordBatch, now: float, stream: Stream = STREAM
) -> None:
    """Store rows and count them."""
    log.append(split(stream, rows, BASE))
    count_new(store, WINDOWS, now)


def with_baseline(store: Store, stream: Stream = STREAM, seed: int = 77) -> None:
    """Give a stream a baseline of its own rows."""
    table = pa.Table.from_batches([predictions(400, seed)])
    with store.write() as connection:
        save(connection, from_table(stream, table, NOW), NOW)


@contextmanager
def site(folder: Path, **more: object) -> Iterator[tuple[PredictionLog, Store, Bundler]]:
    """A running site."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_in(folder, **more)
    if not Path(settings.key).exists():
        keys.create(Path(settings.key), keys.SIGNING)
    with running(folder) as (log, store):
        ensure(store, settings, BASE)
        yield log, store, Bundler(store, settings, WINDOWS, BASE)


def figures(store: Store, stream: Stream = STREAM) -> dict[int, tuple[str, int, bytes]]:
    """All base windows of a stream: layout, rows and the bytes of the profile, by start."""
    with store.read() as connection:
        every = profiles.between(connection, stream, BASE, 0, 4e9)
        return {one.window.start: (one.layout, one.rows, one.blob) for one in every}
