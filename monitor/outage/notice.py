"""The page that says that the store cannot be used: to whom it went, kept in a file, and closed when all is well again.

It is written down before it is sent, so that a daemon that is killed meanwhile closes it after its next start.
"""

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from monitor.alerts.notification import Notification
from monitor.records import Action

log = logging.getLogger(__name__)

TRY_AGAIN = 10.0
"""Seconds until a channel that did not take the page, or its end, is tried again."""


@dataclass(frozen=True, slots=True)
class _Kept:
    page: Notification
    told: tuple[str, ...]


class Outage:
    """At most one page, and the channels that may have taken it. `path` is where it is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._page: Notification | None = None
        self._told: set[str] = set()
        self._answered: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._read()

    @property
    def page(self) -> Notification | None:
        """What was told and is not closed yet."""
        return self._page

    def open(self, page: Notification) -> Notification:
        """The page that is open: this one, if there was none."""
        if self._page is None:
            self._page = page
            self._told, self._answered, self._not_before = set(), set(), {}
        return self._page

    def untold(self, names: list[str], now: float) -> list[str]:
        """The channels that have not taken it, and may be tried at `now`; noted before they are."""
        due = [name for name in names if name not in self._answered and self._may_try(name, now)]
        if not self._told.issuperset(due):
            self._told.update(due)
            self._write()
        return due

    def unclosed(self, now: float) -> list[str]:
        """The channels that may show it and have not taken its end, and may be tried at `now`."""
        return [name for name in sorted(self._told) if self._may_try(name, now)]

    def answered(self, name: str, now: float, *, taken: bool) -> None:
        """What became of an attempt to tell the page."""
        if taken:
            self._answered.add(name)
        else:
            self._not_before[name] = now + TRY_AGAIN

    def end(self, now: float) -> Notification:
        """What closes it."""
        assert self._page is not None
        return replace(self._page, action=Action.RESOLVE, ended_at=now, said_at=now)

    def closed(self, name: str, now: float, *, taken: bool) -> None:
        """What became of an attempt to close it there; one that nobody has any more is forgotten."""
        if not taken:
            self._not_before[name] = now + TRY_AGAIN
            return
        self._told.discard(name)
        if not self._told:
            self._page = None
        self._write()

    def _may_try(self, name: str, now: float) -> bool:
        return not now < self._not_before.get(name, now) <= now + TRY_AGAIN

    def _read(self) -> None:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s cannot be read, so a page about an outage may stay open: %s", self._path, error)
            return
        self._page, self._told = kept.page, set(kept.told)

    def _write(self) -> None:
        try:
            if self._page is None:
                self._path.unlink(missing_ok=True)
                return
            beside = self._path.with_name(self._path.name + ".new")
            with beside.open("wb") as file:
                file.write(msgspec.json.encode(_Kept(self._page, tuple(sorted(self._told)))))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:  # the disk may be what is full: it is told all the same
            log.warning(
                "%s cannot be written, so the page about this outage stays open after a restart: %s",
                self._path,
                error,
            )
