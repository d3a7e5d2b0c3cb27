"""Sees to it that each stream is held against the baseline that its configuration names, or gets one by itself."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic import model_validator

from monitor.clock import iso
from monitor.errors import InputError, NotFoundError
from monitor.records import Stream
from monitor.settings import Duration, Section, format_size
from monitor.store import baselines as stored
from monitor.store import predictions
from monitor.store.db import Store
from monitor.store.predictions import StreamFigures
from monitor.windows import baseline
from monitor.windows.baseline import Baseline
from monitor.windows.layout import Kind
from monitor.windows.recount import recount
from monitor.windows.settings import WindowSettings

log = logging.getLogger(__name__)


class BaselineSettings(Section):
    """What a model's windows are held against. With neither file nor `accept`, the first day that came in."""

    file: Path | None = None
    """A Parquet, CSV or Arrow file with the training set; a changed file makes a new baseline."""
    after: Duration = 86400.0
    """Without a file: the baseline is made once so much time has passed since the first prediction, from all of it."""
    rows: int = 1000
    """Without a file: predictions that this takes at least."""
    columns: dict[str, Kind] = {}
    """Kinds of columns where the values mislead: `features.zip: categorical`, `features.id: identifier`."""

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.file is not None and not self.file.exists():
            msg = f"the file {self.file} does not exist"
            raise ValueError(msg)
        return self


class Baselines:
    """Makes baselines and puts them in force."""

    def __init__(
        self,
        store: Store,
        base_seconds: int,
        windows: WindowSettings,
        named: Mapping[Stream, BaselineSettings],
    ) -> None:
        self._store = store
        self._base = base_seconds
        self._windows = windows
        self._named = named
        self._told: set[tuple[Stream, str]] = set()

    def keep_up(self, now: float) -> None:
        """Make what is missing or no longer what the configuration names. A file that cannot be read is told once."""
        with self._store.read() as connection:
            known = {figures.stream: figures for figures in predictions.figures_of_all(connection)}
        for stream in sorted({*self._named, *known}):
            settings = self._named.get(stream, BaselineSettings())
            try:
                made = self._wanted(stream, settings, known.get(stream), now)
            except (InputError, NotFoundError) as error:
                if (stream, error.message) not in self._told:
                    self._told.add((stream, error.message))
                    log.error("no new baseline for %s: %s", stream, error)
                continue
            if made is not None:
                self.put_in_force(made, now)

    def put_in_force(
        self, made: Baseline, now: float, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Store a baseline, and count the rows that are kept by its layout."""
        with self._store.write() as connection:
            changed = baseline.save(connection, made, now)
        if changed:
            recount(self._store, made.stream, self._windows, self._base, now, progress)

    def _wanted(
        self, stream: Stream, settings: BaselineSettings, figures: StreamFigures | None, now: float
    ) -> Baseline | None:
        with self._store.read() as connection:
            current = stored.current(connection, stream, baseline.DEFAULT)
        if settings.file is not None:
            source = _described(settings.file)
            if current is not None and (current.source == source or current.source.startswith("accepted")):
                return None
            made = baseline.from_file(stream, settings.file, now, overrides=settings.columns)
            return replace(made, source=source)
        if current is not None or figures is None or figures.rows < settings.rows:
            return None
        if now - figures.first_received < settings.after:
            return None
        with self._store.read() as connection:
            made = baseline.from_period(connection, stream, 0.0, now, now, overrides=settings.columns)
        return replace(made, source=f"the predictions until {iso(now)}")


def _described(path: Path) -> str:
    about = path.stat()
    return f"{path} ({format_size(about.st_size)} bytes, written {iso(about.st_mtime)})"
