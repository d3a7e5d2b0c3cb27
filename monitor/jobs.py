"""What the daemon does beside its tick: probing, learning, forgetting, comparing notes with PagerDuty."""

import logging
from collections.abc import Callable
from functools import partial

from monitor.clock import Clock
from monitor.config import Config
from monitor.drift.learning import prepare
from monitor.notify import reconcile
from monitor.notify.dead_man import DeadMan, Vitals, ailment
from monitor.notify.failure import AttemptError
from monitor.notify.http import Http
from monitor.predictions.compaction import compact
from monitor.predictions.outcomes import give_up
from monitor.readings.rows import measure_rows
from monitor.records import Stream
from monitor.scheduler import Scheduler
from monitor.sources.probes import ProbeSettings, probe
from monitor.store import outbox, probes, register
from monitor.store.db import Store
from monitor.upkeep.housekeeping import forget
from monitor.windows import cut

log = logging.getLogger(__name__)

RECONCILE_EVERY = 300.0
SURELY_OVER = 300.0
STUCK_AFTER = 150.0
"""A tick may take long after much history came in; the loop is taken for dead only after this."""
SOON = 3.0
"""After a start drift is judged as soon as it was learned: what it needs may be there already."""
CRITICAL = 1
"""Priority of a critical page and its resolve: what may not wait."""


class Jobs:
    """The jobs, ready to be scheduled. `is_delivering` says whether every channel's thread runs."""

    def __init__(self, store: Store, config: Config, clock: Clock, is_delivering: Callable[[], bool]) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._is_delivering = is_delivering
        self._judged_at = self._looked_at = clock.now()
        self._dead_man = DeadMan(config.notify.dead_man) if config.notify.dead_man else None

    def schedule(self, scheduler: Scheduler) -> None:
        """Have everything that is configured repeated."""
        scheduler.every(60.0, "learn what drift is held against", self.learn, first=SOON)
        scheduler.every(60.0, "put small batches together", self.compact)
        scheduler.every(3600.0, "forget what is old", self.forget)
        scheduler.every(120.0, "look at several columns at once", self.look_across)
        for stream, model in self._config.streams().items():
            if model.probe.url:
                scheduler.every(
                    model.probe.every, f"probe {stream}", partial(self.probe, stream, model.probe)
                )
        if self._config.notify.pagerduty and self._config.notify.pagerduty.api_token:
            scheduler.every(RECONCILE_EVERY, "compare notes with PagerDuty", self.reconcile)
        if self._dead_man:
            scheduler.every(10.0, "dead man's switch", self.show_life)

    def look_across(self) -> None:
        """Measure what needs rows, for each stream's last whole hour."""
        measure_rows(self._store, self._config.windows, self._config.metrics.settings(), self._clock.now())

    def after_tick(self, at: float) -> None:
        """A tick went through to its end: everything was judged, and the store took it."""
        self._judged_at = self._looked_at = at

    def after_look(self, at: float) -> None:
        """A tick went as far as it can without a store: the loop goes round, and a restart would only forget."""
        self._looked_at = at

    def ailment(self) -> str:
        """What keeps the daemon from doing its work, or the empty string."""
        return ailment(self._vitals(), self._config.evaluate.every, self._clock.now())

    def stuck(self) -> str:
        """Why the loop is taken for dead, or the empty string."""
        age = self._clock.now() - self._looked_at
        return f"the last tick ended {age:.0f} seconds ago" if age > STUCK_AFTER else ""

    def learn(self) -> None:
        """Where there is enough history, learn how each stream varies when nothing is wrong."""
        config, now = self._config, self._clock.now()
        with self._store.read() as connection:
            known = register.figures_of_all(connection)
        base = int(config.predictions.base_window)
        for figures in known:
            until = cut.horizon(figures.watermark, figures.last_received, now, config.windows)
            prepare(self._store, figures.stream, config.drift, base, until, now, len(known))

    def compact(self) -> None:
        """Put the batches of windows that are surely over together: a row takes a tenth of the space then."""
        compact(self._store, self._clock.now() - self._config.windows.lateness - SURELY_OVER)

    def forget(self) -> None:
        """Delete what is past its retention; stop waiting for the predictions of outcomes that came long ago."""
        config, now = self._config, self._clock.now()
        forget(self._store, config.store, config.predictions, config.windows, now)
        with self._store.read() as connection:
            streams = register.streams(connection)
        for stream in streams:
            with self._store.write() as connection:
                give_up(connection, stream, now - config.predictions.outcome_wait, now)

    def probe(self, stream: Stream, settings: ProbeSettings) -> None:
        """Ask one health address."""
        answer = probe(stream, settings, self._clock.now())
        with self._store.write() as connection:
            probes.put(connection, answer)

    def reconcile(self) -> None:
        """Close at PagerDuty what is over here; take acknowledgements over that we missed."""
        settings = self._config.notify.pagerduty
        assert settings is not None
        try:
            remotes = reconcile.fetch(settings, Http("PagerDuty", settings.ca_file))
        except AttemptError as error:
            log.warning("notes could not be compared with PagerDuty: %s", error.message)
            return
        with self._store.write() as connection:
            for key in reconcile.settle(connection, remotes, self._clock.now()):
                log.warning("PagerDuty and we disagreed about %s: settled", key)

    def show_life(self) -> None:
        """Ping the dead man's switch, if all is well."""
        assert self._dead_man is not None
        said = self._dead_man.step(self._vitals(), self._config.evaluate.every, self._clock.now())
        if said.startswith("not"):
            log.error("dead man's switch: %s", said)

    def _vitals(self) -> Vitals:
        now = self._clock.now()
        with self._store.read() as connection:
            waiting = outbox.oldest_due(connection, now, CRITICAL)
        return Vitals(self._judged_at, self._judged_at, waiting, self._is_delivering())
