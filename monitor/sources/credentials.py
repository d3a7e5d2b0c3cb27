"""Credentials that changed since the start: a source that is opened again reads them again from the configuration."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import SecretStr

from monitor.errors import WatchkeeperError
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Source

log = logging.getLogger(__name__)
Reread = Callable[[], Mapping[str, SourceSettings]]
"""Reads the sections of all sources again."""


class Opener:
    """Makes the source of a section: each time after the first with the credentials that are valid then."""

    def __init__(self, settings: SourceSettings, reread: Reread) -> None:
        self._settings, self._reread = settings, reread
        self._was_opened = False

    def __call__(self, name: str) -> Source:
        """A connection, not opened yet."""
        if self._was_opened:
            self._settings = refreshed(name, self._settings, self._reread)
        self._was_opened = True
        return self._settings.make_source(name)


def refreshed(name: str, settings: SourceSettings, reread: Reread) -> SourceSettings:
    """The settings with the credentials of today; as they are if anything else changed, which requires a restart."""
    try:
        fresh = reread().get(name)
    except (WatchkeeperError, OSError, ValueError) as error:
        log.debug("source %s: the configuration cannot be read again: %s", name, error)
        return settings
    if fresh is None or _without_credentials(fresh) != _without_credentials(settings):
        return settings
    return fresh


def _without_credentials(settings: SourceSettings) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in type(settings).model_fields if name != "username"}
    return {"": type(settings)} | {
        name: None if isinstance(value, SecretStr) else value for name, value in values.items()
    }
