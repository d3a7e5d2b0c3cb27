"""The only wiring: a configuration and a clock become a daemon that can be started, stepped and stopped."""

import logging
import signal
from collections.abc import Callable
from functools import partial

from monitor import __version__
from monitor.alerts import standing
from monitor.alerts.compose import runbook
from monitor.alerts.deploys import deploys
from monitor.blackout import Blackout
from monitor.clock import Clock, SystemClock
from monitor.config import Config
from monitor.digest import Sender
from monitor.drift import power
from monitor.errors import StoreError
from monitor.health.daybook import DayBook
from monitor.jobs import Jobs
from monitor.notify import build
from monitor.notify.dispatcher import Dispatcher
from monitor.pipeline import Pipeline, Tick
from monitor.predictions.log import PredictionLog
from monitor.readings.against import Against
from monitor.readings.listening import Listening
from monitor.readings.measuring import Measuring
from monitor.readings.recent import Recent
from monitor.readings.selfwatch import SelfWatch
from monitor.readings.wallclock import WallClock
from monitor.records import Action, Severity, Stream, Window
from monitor.reports.drilldowns import Drilldowns
from monitor.rules_in_force import rules_of
from monitor.scheduler import URGENT, Scheduler
from monitor.store import outbox, versions
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.upkeep.baselines import Baselines
from monitor.upkeep.duty import Duty
from monitor.upkeep.reloading import Reloading
from monitor.web.access import Access
from monitor.web.address import ensure_free
from monitor.web.app import create
from monitor.web.front import doors
from monitor.web.ingest import endpoints
from monitor.web.meters import Meters
from monitor.web.pagerduty import routes as webhooks
from monitor.web.rollouts import routes as rollouts
from monitor.web.server import Server
from monitor.web.services import Readiness, Services
from monitor.web.totals import Totals
from monitor.windows.profile import Profile

log = logging.getLogger(__name__)


def check(config: Config) -> list[str]:
    """Read everything that `config` leads to; say in a few lines what it means.

    Raises:
        ConfigError: with every mistake in the rule files.
    """
    rules = rules_of(config).rules
    tiers = ", ".join(f"{sum(rule.severity is tier for rule in rules)} {tier}" for tier in Severity)
    models = [str(stream) for stream in config.streams()]
    channels = ", ".join(build(config.notify)) or "none: nobody will be told"
    return [
        f"{len(rules)} rules: {tiers}",
        f"models: {', '.join(models) or 'none named: every client is taken in'}",
        f"channels: {channels}",
        f"drift: {power.typical(config.drift)}",
    ]


class App:
    """The daemon. `start` makes it run by itself; `tick` makes one step, for tests and for judging the past."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.rules = Reloading(partial(rules_of, config))
        self.store = Store(config.store.url)
        migrate(self.store)
        named_clients = frozenset(config.clients) or None
        self.log = PredictionLog(self.store, config.predictions, self.clock, clients=named_clients)
        self.access = Access(self.store, self.clock)
        spool = "" if self.store.is_sqlite else config.notify.spool
        self.dispatcher = Dispatcher(self.store, build(config.notify), self.clock, config.notify.lease, spool)
        self._told_of_changes = frozenset(
            lane.channel.name for lane in self.dispatcher.lanes if Action.CHANGE in lane.channel.actions
        )
        self.blackout = Blackout(
            config.alerts,
            config.metrics.settings(),
            self.base_seconds,
            config.evaluate.recent,
            self.clock.now,
            self.dispatcher.emergency,
        )
        self.log.on_refused = self.blackout.see
        self.jobs = Jobs(self.store, config, self.clock, self.dispatcher.is_alive)
        self.meters = Meters(config.evaluate.every)
        self.totals = Totals()
        self.itself = SelfWatch(self.store, self.log, config.clients, lambda: self.rules.failed)
        named = {stream: model.baseline for stream, model in config.streams().items()}
        self.baselines = Baselines(self.store, self.base_seconds, config.windows, named)
        self.days = DayBook(self.store, config.clients)
        self.pipeline = self._pipeline()
        self.digests = Sender(self.store, config.clients, self.channels, config.web.public_url, __version__)
        self.drilldowns = Drilldowns(self.store, self.clock, config.reports)
        self.server = self._server()
        self.scheduler = Scheduler()

    @property
    def url(self) -> str:
        """Where the daemon answers."""
        return self.server.url

    @property
    def channels(self) -> frozenset[str]:
        """Names of the channels that can be told."""
        return frozenset(lane.channel.name for lane in self.dispatcher.lanes)

    @property
    def base_seconds(self) -> int:
        """Length of a base window."""
        return int(self.config.predictions.base_window)

    def tick(self) -> Tick:
        """One step of the whole pipeline, now."""
        began = self.clock.now()
        try:
            self.blackout.catch_up()
            done = self.pipeline.tick(began)
        except StoreError:
            if self.blackout.lost(self.rules.current, began):
                self.jobs.after_look(began)
                self.itself.after_look(began)
            raise
        self.blackout.remember(done.after)
        ended = self.clock.now()
        self.jobs.after_tick(ended)
        self.meters.cycle(ended - began, ended)
        self.meters.judged("ok", done.judgement.evaluated - done.judgement.errors)
        self.meters.judged("error", done.judgement.errors)
        self.meters.reload_worked.set(not self.rules.failed)
        self.itself.after_tick(ended, done.judgement.errors)
        if done.deliveries:
            self.dispatcher.wake()
        return done

    def look_on(self) -> None:
        """While another daemon judges, know what it knows: the database may go and take it along."""
        if not self.pipeline.duty.is_held:
            with self.store.read() as connection:
                found = standing(connection, self.channels, self.clock.now(), self.pipeline.confirming)
            self.blackout.remember(found)

    def start(self) -> None:
        """Begin to take predictions, to look, and to tell."""
        self.baselines.keep_up(self.clock.now())
        self.log.start()
        self.dispatcher.start()
        self.scheduler.every(self.config.evaluate.every, "tick", self.tick, URGENT)
        self.scheduler.every(1.0, "beat", lambda: self.pipeline.listening.beat(self.clock.now()), URGENT)
        self.scheduler.every(30.0, "baselines", lambda: self.baselines.keep_up(self.clock.now()))
        self.scheduler.every(10.0, "day summaries", lambda: self.days.update(self.clock.now()))
        self.scheduler.every(5.0, "versions seen", self._keep_versions)
        self.scheduler.every(20.0, "digests", lambda: self.digests.send_due(self.clock.now()))
        self.scheduler.every(60.0, "write down when keys were used", self.access.write_uses)
        self.scheduler.every(10.0, "know what the judge knows", self.look_on)
        self.jobs.schedule(self.scheduler)
        self.scheduler.start()

    def stop(self) -> None:
        """Finish what is under way; nothing that was accepted is lost."""
        self.scheduler.stop()
        self.drilldowns.stop()
        self.log.stop()
        self.pipeline.duty.hand_over()
        self.dispatcher.stop()
        self.store.close()

    def serve(self, announce: Callable[[], None]) -> None:
        """Run until SIGINT or SIGTERM. SIGHUP has the rules read anew.

        Raises:
            WatchkeeperError: one cannot listen at the address of the configuration.
        """
        ensure_free(self.config.web.host, self.config.web.port)
        signal.signal(signal.SIGHUP, lambda *_: self.rules.ask())
        self.start()
        try:
            self.server.run_until_stopped(announce)
        finally:
            self.stop()

    def _pipeline(self) -> Pipeline:
        config = self.config
        pager = config.notify.pagerduty
        recent = Recent(config.evaluate.recent, self.clock.now)
        listening = Listening(self.store)
        wall = WallClock(self.store, lambda stream: bool(config.model(stream).probe.url), listening.seconds)
        measuring = Measuring(
            self.store,
            self.base_seconds,
            config.windows,
            config.metrics.settings(),
            config.drift,
            recent,
            wall,
        )
        measuring.on_measured = self.days.touch
        measuring.against = Against(lambda stream: config.model(stream).baseline, config.metrics.settings())

        def counted(stream: Stream, window: Window, profile: Profile) -> None:
            recent.add(stream, window, profile)
            self.totals.add(stream, window, profile, self.clock.now())

        return Pipeline(
            self.store,
            config.windows,
            measuring,
            self.rules,
            config.alerts,
            self.channels,
            self.itself,
            counted,
            Duty(self.store, config.evaluate.takeover),
            listening,
            frozenset({"pagerduty"} if pager and (pager.webhook_secrets or pager.api_token) else ()),
        )

    def _server(self) -> Server:
        web, hot = self.config.web, endpoints(self.log, self.access, self.config.predictions)
        return Server(create(self._services()), web, doors(hot, self.meters, is_secure=web.is_secure))

    def _services(self) -> Services:
        pager = self.config.notify.pagerduty
        return Services(
            store=self.store,
            clock=self.clock,
            access=self.access,
            meters=self.meters,
            totals=self.totals,
            measured=lambda: self.pipeline.measuring.last,
            channels=sorted(self.channels),
            intake=self.log.stats,
            drilldowns=self.drilldowns,
            runbook=partial(runbook, settings=self.config.alerts),
            drift_limits={"psi": self.config.metrics.drifted_psi, "drift_evidence": 1.0},
            base_seconds=self.base_seconds,
            settings=self.config.web,
            version=__version__,
            clients=self.config.clients,
            ready=self._readiness,
            stuck=self.jobs.stuck,
            webhooks=[
                *webhooks(self.store, pager.webhook_secrets if pager else (), self.clock),
                *rollouts(self.store, self.access, self.clock, self.base_seconds),
            ],
        )

    def _keep_versions(self) -> None:
        """Note which versions answered; a new one is a change that PagerDuty shows beside its incidents."""
        seen = self.totals.take_versions()
        if not seen:
            return
        with self.store.read() as connection:
            known = versions.load(connection)
        with self.store.write() as connection:
            changes = deploys(seen, known, self._told_of_changes, self.config.alerts, self.clock.now())
            outbox.add(connection, changes)
            versions.put(connection, seen)
        if changes:
            self.dispatcher.wake()

    def _readiness(self) -> Readiness:
        wrong = self.jobs.ailment()
        return Readiness(not wrong, (wrong,) if wrong else ())
