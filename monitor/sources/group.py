"""All sources of a daemon: started and stopped together, and written down for the commands beside it."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from monitor.clock import Clock
from monitor.predictions.log.writer import PredictionLog
from monitor.sources.credentials import Opener, Reread
from monitor.sources.http_push import HttpPushSource, HttpSettings, PushInbox
from monitor.sources.registry import kind_of
from monitor.sources.runner import SourceRunner
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Source
from monitor.store import source_states
from monitor.store.db import Store
from monitor.store.source_states import SourceState


@dataclass(frozen=True, slots=True)
class PushTarget:
    """Where the web server takes messages for a source: a path, and the inbox behind it."""

    source: str
    client: str
    path: str
    inbox: PushInbox


class SourceGroup:
    """One runner per section of `sources`. `push_targets` are those of the sources of the kind `http`.

    `reread` reads the sections again, for credentials that changed.
    """

    def __init__(
        self,
        settings: Mapping[str, SourceSettings],
        prediction_log: PredictionLog,
        store: Store,
        clock: Clock,
        reread: Reread | None = None,
    ) -> None:
        self._store, self._clock = store, clock
        self._owner = f"{platform.node()[:64]}/{os.getpid()}"
        self._limits = {name: section.max_age for name, section in settings.items()}
        self.push_targets = [
            PushTarget(name, section.client, section.path_of(name), PushInbox())
            for name, section in settings.items()
            if isinstance(section, HttpSettings)
        ]
        inboxes = {target.source: target.inbox for target in self.push_targets}
        self._runners = [
            SourceRunner(
                name,
                kind_of(section),
                section,
                prediction_log,
                store,
                clock,
                partial(_pushed, inboxes[name])
                if name in inboxes
                else Opener(section, reread or (lambda: settings)),
            )
            for name, section in settings.items()
        ]

    def start(self) -> None:
        """Begin to fetch from all of them."""
        for runner in self._runners:
            runner.start()

    def stop(self) -> None:
        """Have all sources finish the payloads that were fetched."""
        for runner in self._runners:
            runner.ask_to_stop()
        for runner in self._runners:
            runner.stop()

    def states(self) -> list[SourceState]:
        """How each source is doing."""
        return [runner.state() for runner in self._runners]

    @property
    def limits(self) -> Mapping[str, float]:
        """The configured `max_age` of the oldest waiting message by source, in seconds."""
        return self._limits

    def write_states(self) -> None:
        """Have the commands know how the sources are doing."""
        if self._runners:
            with self._store.write() as connection:
                source_states.put(connection, self._owner, self.states(), self._clock.now())


def _pushed(inbox: PushInbox, name: str) -> Source:
    """The source behind an inbox, which remains when the source is opened again."""
    del name
    return HttpPushSource(inbox)
