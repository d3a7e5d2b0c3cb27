"""The daemon's jobs for sites: bundling and sending at a site, reading inboxes at an agency."""

import logging
from collections.abc import Callable, Mapping

from monitor.clock import Clock
from monitor.runtime.scheduler import Scheduler
from monitor.sites.bundling import Bundler, ensure
from monitor.sites.merge import catch_up
from monitor.sites.receiving import Inboxes
from monitor.sites.sending import push
from monitor.sites.settings import KnownSite, SiteSettings
from monitor.sites.transports.imap import Mailboxes
from monitor.store.db import Store
from monitor.windows.settings import WindowSettings

log = logging.getLogger(__name__)

LOOK_INTERVAL, SEND_INTERVAL = 30.0, 60.0


class SiteJobs:
    """The jobs, ready to be scheduled. `is_leader` tells whether this daemon does what only one of a database does."""

    def __init__(
        self,
        store: Store,
        site: SiteSettings,
        sites: Mapping[str, KnownSite],
        windows: WindowSettings,
        base_seconds: int,
        clock: Clock,
        is_leader: Callable[[], bool],
    ) -> None:
        """Make the jobs. A site whose database was restored from a backup begins a new epoch here, before it counts."""
        self._store, self._site, self._sites, self._clock = store, site, sites, clock
        self._is_leader = is_leader
        self._inboxes = Inboxes(store, sites, base_seconds)
        self._mailboxes = Mailboxes(store, sites, base_seconds)
        self._bundler = Bundler(store, site, windows, base_seconds)
        if site.name:
            ensure(store, site, base_seconds)

    def schedule(self, scheduler: Scheduler) -> None:
        """Schedule what the configuration needs."""
        if self._site.name:
            scheduler.every(self._site.every, "bundle", self.bundle)
            if self._site.to.is_set:
                scheduler.every(min(SEND_INTERVAL, self._site.every), "send bundles", self.send)
        if self._sites:
            scheduler.every(LOOK_INTERVAL, "read inboxes", self.look, first=5.0)

    def bundle(self) -> None:
        """Make the bundles that are due."""
        if self._is_leader():
            made = self._bundler.make(self._clock.now())
            if made.reason:
                log.warning("windows are waiting to be bundled", extra={"reason": made.reason})

    def send(self) -> None:
        """Send the bundles that wait."""
        if not self._is_leader():
            return
        done = push(self._site)
        faults = self._store.faults
        for name, reason in done.refused:
            faults.report("sites", name, f"the agency refuses it: {reason}")
        if done.reason:
            faults.report("sites", "sending", f"{done.waiting} bundles wait: {done.reason}")
        else:
            faults.resolve("sites", "sending")
        self._bundler.outbox.delete_sent(self._clock.now() - self._site.kept)

    def look(self) -> None:
        """Merge what has arrived in inboxes and mailboxes, and what waited for a baseline."""
        if self._is_leader():
            self._inboxes.look(self._clock.now())
            self._mailboxes.look(self._clock.now())
            catch_up(self._store, self._clock.now())
