"""Sees to it that each stream is held against the baseline that its configuration names, or gets one by itself."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.errors import InputError, NotFoundError
from monitor.records import Stream
from monitor.settings import format_size
from monitor.store import baselines as stored
from monitor.store import predictions, register
from monitor.store.db import Store
from monitor.store.register import StreamFigures
from monitor.windows import baseline
from monitor.windows.baseline import Baseline
from monitor.windows.recount import recount
from monitor.windows.settings import BaselineSettings, WindowSettings

log = logging.getLogger(__name__)

_ACCEPTED = "accepted"
"""How the source of a baseline begins that somebody accepted as the new normal: no file takes its place."""


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
            known = {figures.stream: figures for figures in register.figures_of_all(connection)}
        for stream in sorted({*self._named, *known}):
            settings = self._named.get(stream, BaselineSettings())
            try:
                made = self._wanted(stream, settings, known.get(stream), now)
            except (InputError, NotFoundError, OSError) as error:
                if (stream, str(error)) not in self._told:
                    self._told.add((stream, str(error)))
                    log.error("no new baseline for %s: %s", stream, error)
                continue
            if made is not None:
                self.put_in_force(made, now)

    def put_in_force(
        self, made: Baseline, now: float, progress: Callable[[int, int], None] | None = None
    ) -> float | None:
        """Store a baseline, and count the rows that are kept by its layout.

        Returns from when on windows were counted again, and can be compared with it; None where none was.
        """
        with self._store.write() as connection:
            changed = baseline.save(connection, made, now)
        if not changed:
            return None
        for note in made.layout.notes:
            log.info("the new baseline of %s: %s", made.stream, note)
        since = recount(self._store, made.stream, self._windows, self._base, now, progress)
        if since is not None:
            log.info("%s was counted again by its new baseline from %s on", made.stream, iso(since))
        return since

    def _wanted(
        self, stream: Stream, settings: BaselineSettings, figures: StreamFigures | None, now: float
    ) -> Baseline | None:
        """The baseline to put in force instead of the present one, or None when that is as it should be."""
        with self._store.read() as connection:
            current = stored.current(connection, stream, baseline.DEFAULT)
        source = _source(settings, now)
        if current is not None and (current.source.startswith(_ACCEPTED) or not settings.is_named):
            return None
        if current is not None and current.source == source:
            return None
        if settings.file is not None:
            made = baseline.from_file(stream, settings.file, now, overrides=settings.columns)
        else:
            with self._store.read() as connection:
                span = _span(connection, settings, figures, now)
                if span is None:
                    return None
                made = baseline.from_period(connection, stream, *span, now, overrides=settings.columns)
        return replace(made, source=source)


def accepted(made: Baseline, how: str) -> Baseline:
    """The baseline marked as chosen by a person: no file or period of the configuration takes its place."""
    return replace(made, source=f"{_ACCEPTED}: {how}")


def _span(
    connection: Connection, settings: BaselineSettings, figures: StreamFigures | None, now: float
) -> tuple[float, float] | None:
    """The past period to learn from, or None while it is too early."""
    if settings.start is not None and settings.end is not None:
        return settings.start.timestamp(), settings.end.timestamp()
    if figures is None or figures.rows < settings.rows:
        return None
    is_old = now - figures.first_received >= settings.after
    return (0.0, now) if is_old or _has_history(connection, settings, figures) else None


def _has_history(connection: Connection, settings: BaselineSettings, figures: StreamFigures) -> bool:
    """Whether a past was loaded: enough rows that are older, by their own time, than the newest by `after`.

    One row with a wrong timestamp makes no past.
    """
    if figures.watermark is None:
        return False
    before = figures.watermark - settings.after
    return predictions.count_rows(connection, figures.stream, before=before) >= settings.rows


def _source(settings: BaselineSettings, now: float) -> str:
    """Where a baseline comes from, in words that change when it should be made anew."""
    if settings.file is not None:
        about = settings.file.stat()
        return f"{settings.file} ({format_size(about.st_size)} bytes, written {iso(about.st_mtime)})"
    if settings.start is not None and settings.end is not None:
        return f"the predictions from {iso(settings.start.timestamp())} to {iso(settings.end.timestamp())}"
    return f"the predictions until {iso(now)}"
