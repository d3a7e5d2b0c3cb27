"""The page about an unavailable store: which channels have it, kept in a file, so that it is resolved afterwards.

The file is written before the page is sent, so that a daemon that is killed in between resolves it after its next
start.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from monitor.alerts.notification import Notification
from monitor.errors import StoreError
from monitor.outage.journal import sealed, unsealed
from monitor.records import Action
from monitor.runtime.durable_files import write_whole

log = logging.getLogger(__name__)

TRY_AGAIN = 10.0
"""Seconds until a failed channel is tried again."""


@dataclass(frozen=True, slots=True)
class _Stored:
    page: Notification
    told: tuple[str, ...]


class Outage:
    """At most one page, and the channels that may have accepted it, stored in the file `path`."""

    def __init__(self, path: Path, key: str = "") -> None:
        self._path = path
        self._key = key
        self._page: Notification | None = None
        self._notified: set[str] = set()
        self._accepted: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._read()

    @property
    def page(self) -> Notification | None:
        """The page that is not resolved yet; None if there is none."""
        return self._page

    def open(self, page: Notification) -> Notification:
        """The open page: this one, if there was none."""
        if self._page is None:
            self._page = page
            self._notified, self._accepted, self._not_before = set(), set(), {}
        return self._page

    def unnotified(self, names: list[str], now: float) -> list[str]:
        """The channels to notify at `now`. They are recorded before they are tried."""
        due = [name for name in names if name not in self._accepted and self._may_try(name, now)]
        if not self._notified.issuperset(due):
            self._notified.update(due)
            self._write()
        return due

    def unresolved(self, now: float) -> list[str]:
        """The channels that may show the page and are to be sent its resolve at `now`."""
        return [name for name in sorted(self._notified) if self._may_try(name, now)]

    def record_page(self, name: str, now: float, *, accepted: bool) -> None:
        """Record the result of an attempt to send the page."""
        if accepted:
            self._accepted.add(name)
        else:
            self._not_before[name] = now + TRY_AGAIN

    def resolve_notification(self, now: float) -> Notification:
        """The resolve of the page."""
        assert self._page is not None
        return replace(self._page, action=Action.RESOLVE, ended_at=now, said_at=now)

    def record_resolve(self, name: str, now: float, *, accepted: bool) -> None:
        """Record the result of an attempt to resolve it. A page that no channel has any more is deleted."""
        if not accepted:
            self._not_before[name] = now + TRY_AGAIN
            return
        self._notified.discard(name)
        if not self._notified:
            self._page = None
        self._write()

    def _may_try(self, name: str, now: float) -> bool:
        return not now < self._not_before.get(name, now) <= now + TRY_AGAIN

    def _read(self) -> None:
        try:
            kept = msgspec.json.decode(unsealed(self._path.read_bytes().strip(), self._key), type=_Stored)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, StoreError, ValueError, RecursionError) as error:
            log.warning("%s cannot be read, so a page about an outage may stay open: %s", self._path, error)
            return
        self._page, self._notified = kept.page, set(kept.told)

    def _write(self) -> None:
        try:
            if self._page is None:
                self._path.unlink(missing_ok=True)
                return
            content = msgspec.json.encode(_Stored(self._page, tuple(sorted(self._notified))))
            write_whole(self._path, sealed(content, self._key))
        except OSError as error:  # the disk may be full; the page is sent all the same
            log.warning(
                "%s cannot be written, so the page about this outage stays open after a restart: %s",
                self._path,
                error,
            )
