"""Makes the bundles of a site: what changed in closed windows since the last one.

A bundle is made in three steps that can be interrupted anywhere: windows are marked in the database, the file is
written, the bundle is entered as complete. What was interrupted is taken up by the next run.
"""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from monitor.errors import InputError
from monitor.records import Stream
from monitor.sites import bundle, keys
from monitor.sites.bundle import BaselineEntry, Content, Head, StreamEntry, VersionEntry, WindowEntry
from monitor.sites.outbox import Marker, Outbox
from monitor.sites.settings import SiteSettings
from monitor.store import alerts, baselines, model_versions, site_state, streams
from monitor.store.db import Store
from monitor.store.site_state import SiteState, TakenWindow
from monitor.windows import closing
from monitor.windows.baseline import DEFAULT
from monitor.windows.delivered.bases import EncodedBase
from monitor.windows.settings import WindowSettings

MOST_WINDOWS = 400
"""Of a bundle: it is merged in one transaction."""
_MOST_BYTES = 24 * 1024**2
"""Of the profiles of a bundle, unless a single one is larger."""
_HISTORY = 90 * 86_400.0
_OVERLAP = 86_400.0
"""Seconds of alert history that are sent again: a bundle may be lost."""


@dataclass(frozen=True, slots=True)
class Made:
    """The bundles of a run. `reason` says why there are no more, if windows still wait."""

    paths: tuple[Path, ...]
    windows: int
    reason: str = ""


def ensure(
    store: Store, settings: SiteSettings, base_seconds: int, *, is_restored: bool = False
) -> SiteState:
    """The state of this site. It is made at the first call, and a new epoch begins if the database is older than the
    outbox: then it was restored from a backup. `is_restored` begins one in any case.

    Raises:
        InputError: the database belongs to another site.
    """
    marker = Outbox(Path(settings.outbox)).marker()
    with store.write() as connection:
        state = site_state.load(connection)
        if state is None:
            state = SiteState(settings.name, uuid.uuid4().hex, number=marker.number + 1 if marker else 1)
            site_state.put(connection, state)
            site_state.note_all(connection, base_seconds)
        if state.site != settings.name:
            hint = "set site.name back to this name; a new site needs its own database"
            raise InputError(f"the database belongs to the site {state.site}", hint=hint)
        if is_restored or _is_behind(state, Outbox(Path(settings.outbox))):
            state = _next_epoch(connection, state, marker, base_seconds)
    return state


def _is_behind(state: SiteState, outbox: Outbox) -> bool:
    """Whether the outbox knows of a bundle that the database does not."""
    marker, following = outbox.marker(), state.seq + 1
    if marker is not None and marker.number > state.number:
        return True
    if marker is not None and marker.epoch == state.epoch and marker.seq > state.seq:
        return True
    return state.begun != following and outbox.path(state.site, state.number, following).exists()


def _next_epoch(
    connection: Connection, state: SiteState, marker: Marker | None, base_seconds: int
) -> SiteState:
    number = max(state.number, marker.number if marker else 0) + 1
    new = SiteState(state.site, uuid.uuid4().hex, number, parent=state.epoch)
    site_state.put(connection, new)
    site_state.give_back(connection)
    site_state.keep_bases(connection, new, base_seconds)
    return new


class Bundler:
    """Makes bundles of one site."""

    def __init__(
        self, store: Store, settings: SiteSettings, windows: WindowSettings, base_seconds: int
    ) -> None:
        self._store, self._settings, self._windows = store, settings, windows
        self._base = base_seconds
        self.outbox = Outbox(Path(settings.outbox))

    def make(self, now: float) -> Made:
        """Make bundles until no closed window waits, or the outbox is full; at least one, as a sign of life.

        Raises:
            InputError: the site has no key, or the database belongs to another site.
            OSError: the outbox cannot be written.
        """
        private = keys.load(Path(self._settings.key), keys.SIGNING)
        with self.outbox.alone():
            return self._make(private, now)

    def _make(self, private: Any, now: float) -> Made:
        ensure(self._store, self._settings, self._base)
        paths, windows = list[Path](), 0
        while (room := self._settings.most - self.outbox.size()) > 0:
            path, count, is_last = self._make_one(private, now)
            paths.append(path)
            windows += count
            if is_last:
                return Made(tuple(paths), windows)
        return Made(tuple(paths), windows, f"the outbox is full ({-room:,} bytes over site.most)")

    def _make_one(self, private: Any, now: float) -> tuple[Path, int, bool]:
        """Make one bundle. Returns its file, the number of its windows, and whether it is the last one for now."""
        with self._store.write() as connection:
            state = site_state.load(connection)
            assert state is not None
            until = self._closed(connection, now)
            numbers = {streams.key(connection, stream, now): end for stream, end in until.items()}
            seq = state.seq + 1
            site_state.put(connection, replace(state, begun=seq))
            is_more = site_state.take(connection, seq, numbers, MOST_WINDOWS)
        path = self.outbox.path(state.site, state.number, seq)
        with self._store.read() as connection:
            every = site_state.taken(connection, seq)
            taken, left = _limited(every, self._most_bytes())
            is_last = not (left or is_more)
            covered = until if is_last else _told_until(until, taken, self._base)
            content = self._content(connection, taken, covered, now)
        if path.exists():  # written before a crash, perhaps with fewer windows
            left, is_last = every, False
        else:
            head = Head(state.site, state.epoch, state.number, state.parent, seq, state.digest, now, 0)
            self.outbox.write(path, bundle.pack(head, content, private, self._settings.encrypt_for))
        with self._store.write() as connection:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            site_state.put(connection, replace(state, seq=seq, begun=seq, digest=digest))
            site_state.done(connection, seq, [(one.stream, one.profile.window) for one in left])
        self.outbox.mark(Marker(state.epoch, state.number, seq))
        return path, len(every) - len(left), is_last

    def _most_bytes(self) -> int:
        mail = self._settings.to.mail
        return min(_MOST_BYTES, mail.most) if mail else _MOST_BYTES

    def _closed(self, connection: Connection, now: float) -> dict[Stream, float]:
        """The time by which the windows of each stream are closed."""
        return {
            figures.stream: closing.horizon_of(figures, now, self._windows)
            for figures in streams.figures_of_all(connection)
        }

    def _content(
        self, connection: Connection, taken: Sequence[TakenWindow], until: dict[Stream, float], now: float
    ) -> Content:
        order = sorted(until)
        place = {stream: number for number, stream in enumerate(order)}
        layouts = {one.profile.layout for one in taken} | {b.layout for one in taken for b in one.bases}
        entries = [
            _stream(connection, stream, until[stream] + self._windows.lateness, layouts) for stream in order
        ]
        is_judging = self._settings.alerts == "site"
        since = now - (_OVERLAP if self._has_history(connection) else _HISTORY)
        return Content(
            entries,
            _layouts(connection, layouts),
            [
                WindowEntry(
                    place[one.stream], one.profile.window.seconds, one.profile.window.start,
                    one.profile.layout, one.profile.blob,
                    [EncodedBase(b.epoch, b.parent, b.layout, b.blob) for b in one.bases],
                )
                for one in taken
            ],
            [msgspec.json.encode(one) for one in alerts.load(connection).values()] if is_judging else [],
            [msgspec.json.encode(one) for one in alerts.load_transitions(connection, since, now + 1)]
            if is_judging
            else [],
            is_judging,
            site_state.waiting(connection),
        )  # fmt: skip

    @staticmethod
    def _has_history(connection: Connection) -> bool:
        state = site_state.load(connection)
        return state is not None and state.seq > 0


def _told_until(until: dict[Stream, float], taken: Sequence[TakenWindow], base: int) -> dict[Stream, float]:
    """What this bundle covers if older windows than the newest still wait: what begins before the newest window."""
    newest = max((one.profile.window.start for one in taken), default=0) or base
    return {stream: min(end, float(newest)) for stream, end in until.items()}


def _limited(taken: Sequence[TakenWindow], most: int) -> tuple[Sequence[TakenWindow], Sequence[TakenWindow]]:
    """The first windows that fit into a bundle of `most` bytes, and the rest; at least one."""
    size = 0
    for number, one in enumerate(taken):
        size += len(one.profile.blob) + sum(len(base.blob) for base in one.bases)
        if number and size > most:
            return taken[:number], taken[number:]
    return taken, ()


def _stream(connection: Connection, stream: Stream, watermark: float, layouts: set[str]) -> StreamEntry:
    stored = [one for name in (DEFAULT,) if (one := baselines.current(connection, stream, name)) is not None]
    layouts |= {one.layout for one in stored}
    entries = [
        BaselineEntry(
            one.name,
            one.created_at,
            one.source,
            one.start,
            one.end,
            one.layout,
            one.digest,
            one.blob,
            one.loss,
        )
        for one in stored
    ]
    versions = [
        VersionEntry(one.version, one.first_seen, one.last_seen)
        for one in model_versions.of(connection, stream)
    ]
    return StreamEntry(*stream_names(stream), watermark, entries, versions)


def stream_names(stream: Stream) -> tuple[str, str, str]:
    """Client, model and environment."""
    return stream.client, stream.model, stream.environment


def _layouts(connection: Connection, ids: Iterable[str]) -> dict[str, bytes]:
    blobs = ((one, baselines.get_layout(connection, one)) for one in sorted(ids))
    return {one: blob for one, blob in blobs if blob is not None}
