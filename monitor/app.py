"""The daemon, created from a configuration and a clock: it can be started, stepped and stopped."""

import logging
import math
import platform
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from monitor import __version__, wiring
from monitor.alerts import load_situation
from monitor.alerts.compose import runbook
from monitor.childprocess import HERE, ChildProcesses, Runner
from monitor.clock import Clock, SystemClock
from monitor.config.root import Config
from monitor.config.rule_files import ConfiguredReader, rules_in_force
from monitor.config.verdict_reading import reading_of
from monitor.errors import StoreError
from monitor.evaluation.self_monitoring import SelfMonitor
from monitor.exporters.prediction_counters import PredictionCounters
from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.gauges.group import GaugeGroup
from monitor.health.daily_summary import DailySummaries
from monitor.jobs import Jobs
from monitor.maintenance.clock_watch import ClockWatch
from monitor.maintenance.leader import LeaderLease
from monitor.maintenance.rule_reload import RuleReloader
from monitor.maintenance.upgrade import upgrade_in_child
from monitor.notify import build
from monitor.outgoing.service_manager import ServiceManager
from monitor.pipeline import Pipeline, Tick
from monitor.records import Action, Measurement, Stream
from monitor.releases.version_tracker import VersionTracker
from monitor.reports.drilldowns import Drilldowns
from monitor.runtime.scheduler import URGENT, Scheduler
from monitor.runtime.shutdown import in_time
from monitor.runtime.termination import on_signals
from monitor.sites.site_metrics import SiteMetrics
from monitor.sources.group import SourceGroup
from monitor.sources.otlp.agents.waiting_runs import WaitingRuns
from monitor.sources.otlp.waiting_calls import WaitingCalls
from monitor.store import audit
from monitor.store import faults as stored_faults
from monitor.store.audit import AuditEntry
from monitor.store.checkpoints import Checkpoints
from monitor.store.db import Store, store_of
from monitor.store.integrity import quick_check
from monitor.store.migrate import migrate
from monitor.web.auth.authentication import Access
from monitor.web.listen_address import ensure_free
from monitor.web.services import Readiness, Services

log = logging.getLogger(__name__)

SUMMARIES_EVERY, SUMMARY_SECONDS = 2.0, 0.4
"""Seconds between two looks for days to roll up, and of one: a new model soon has figures on its client's page, and
thousands of models do not slow ticks down.
"""
FILE_CHECK_SECONDS = 2.0
"""Time limit of the check of an embedded database at the start; `watchkeeper doctor` checks all of it."""
SHUTDOWN_SECONDS = 4.0
"""Seconds after SIGINT or SIGTERM in which work in progress may finish."""


def _check_file(store: Store) -> None:
    """Log what a quick check finds wrong with the file of an embedded database."""
    for damage in quick_check(store, FILE_CHECK_SECONDS):
        log.error("the database is damaged: %s; keep a backup, and run `watchkeeper doctor`", damage)


class App:
    """The daemon. `start` runs it in threads; `tick` runs one step, for tests and backtests.

    With `in_children`, heavy jobs run in child processes. `reread` reads the configuration again, for credentials of
    sources that changed.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        *,
        in_children: bool = False,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.rules = RuleReloader(partial(rules_in_force, config))
        self.store = store_of(config.store)
        self.checkpoints = Checkpoints(self.store)
        is_apart = self._in_children = in_children and not self.store.is_in_memory
        self.runner: Runner = ChildProcesses(self.store.faults) if is_apart else HERE
        upgrade_in_child(self.store) if is_apart else migrate(self.store)
        _check_file(self.store)
        wiring.declare(config, self.store, self.clock)
        needs_token = config.web.first_access == "token"
        self.access = Access(self.store, self.clock, config.web.public_url, needs_token=needs_token)
        channels = build(config.notify)
        emergency = wiring.emergency(config, self.clock, self.store, channels)
        self.dispatcher = wiring.dispatcher(config, self.clock, self.store, channels, emergency)
        self.outage = wiring.outage_evaluator(config, self.clock, emergency)
        self.log = wiring.prediction_log(config, self.clock, self.store, self.outage)
        self.sources = SourceGroup(
            config.sources, self.log, self.store, self.clock, lambda: (reread() if reread else config).sources
        )
        leader = LeaderLease(self.store, config.evaluate.takeover)
        self.gauges = GaugeGroup(config.gauges, self.store, self.clock, lambda: leader.is_held)
        self.jobs = self._jobs(leader)
        self.clock_watch = ClockWatch(self.clock, self.store.faults)
        self.meters, self.counters = DaemonMeters(config.evaluate.every), PredictionCounters()
        self.versions = VersionTracker(self.store, config.alerts, self._channels(Action.CHANGE))
        self.self_monitor = self._self_monitor()
        self.baselines = wiring.baselines(config, self.store, self.runner)
        self.daily_summaries = DailySummaries(self.store, config.clients)
        self.pipeline = replace(self._pipeline(leader), wake=self.dispatcher.wake)
        self.rollbacks = wiring.rollbacks(config, self.clock, self.store, self.rules, leader)
        self.digests, self.change_mails = wiring.digests(config, self.store, self.channels, self._measured)
        self.drilldowns = Drilldowns(self.store, self.clock, config.reports)
        self.application, self.exporters = wiring.outward(config, self._services(), leader)
        waiting = WaitingCalls(self.log, self.store), WaitingRuns(self.log, self.store)
        self.waiting_calls, self.waiting_runs = waiting
        hot = wiring.ingest(config, self.log, self.access, self.sources, self.gauges, *waiting)
        self.server = wiring.server(config, self.application, hot, self.meters, self.access)
        self.scheduler = Scheduler(self.store.faults)
        self.service_manager = ServiceManager()

    @property
    def url(self) -> str:
        """The URL that the daemon listens at."""
        return self.server.url

    @property
    def channels(self) -> frozenset[str]:
        """The names of the configured channels."""
        return self._channels()

    def _channels(self, *actions: Action) -> frozenset[str]:
        """The names of the channels that support all of `actions`."""
        channels = (worker.channel for worker in self.dispatcher.workers)
        return frozenset(channel.name for channel in channels if set(actions) <= set(channel.actions))

    @property
    def base_seconds(self) -> int:
        """Length of a base window, in seconds."""
        return int(self.config.predictions.base_window)

    def tick(self) -> Tick:
        """Run one tick of the pipeline now."""
        began = self.clock.now()
        self.clock_watch.check(began)
        try:
            self.outage.catch_up()
            done = self.pipeline.tick(began)
        except StoreError:
            if self.outage.tick_without_store(self.rules.current, began):
                self.jobs.after_outage_tick()
                self.self_monitor.after_outage_tick()
            raise
        self.outage.remember(done.after)
        ended = self.clock.now()
        self.jobs.after_tick()
        self.meters.cycle(ended - began, ended)
        for worker in self.pipeline.worker_states():
            self.meters.worker(worker.number, worker.streams, worker.seconds, is_up=worker.is_up)
        self.meters.judged("ok", done.evaluation.evaluated - done.evaluation.errors)
        self.meters.judged("error", done.evaluation.errors)
        self.meters.reload_worked.set(not self.rules.failed)
        self.self_monitor.after_tick(done.evaluation.errors)
        if done.deliveries:
            self.dispatcher.wake()
        return done

    def follow_leader(self) -> None:
        """If another daemon is the leader, load its alerts and incidents, to be able to take over during an outage."""
        if not self.pipeline.leader.is_held:
            self._load_outage_state()

    def _load_outage_state(self) -> None:
        with self.store.read() as connection:
            situation = load_situation(connection, self.channels, self.clock.now(), self.pipeline.confirming)
            is_away = self.pipeline.judge.elsewhere(connection)
        here = {key: alert for key, alert in situation.alerts.items() if not is_away(alert.stream)}
        self.outage.remember(replace(situation, alerts=here))

    def store_faults(self) -> None:
        """Store this process's active faults, for commands such as `watchkeeper status`."""
        present, now = self.store.faults.active(), self.clock.now()
        with self.store.write() as connection:
            stored_faults.put(connection, present, now)

    def start(self) -> None:
        """Start to accept predictions, to evaluate rules, and to deliver notifications."""
        self._audit("start")
        self._load_outage_state()  # the database may fail before the first tick is complete
        for part in (
            self.checkpoints, self.log, self.sources, self.dispatcher, self.rollbacks, self.exporters,
        ):  # fmt: skip
            part.start()
        self.scheduler.every(self.config.evaluate.every, "tick", self.tick, URGENT)
        self.pipeline.schedule(self.scheduler, self.clock)
        self.scheduler.every(
            1.0, "record uptime", lambda: self.pipeline.uptime.beat(self.clock.now()), URGENT
        )
        self.scheduler.every(
            30.0, "update baselines", lambda: self.baselines.update(self.clock.now()), first=0.0
        )
        self.scheduler.every(3.0, "learn drift models of new baselines", self._learn_new_baselines)
        self.scheduler.every(SUMMARIES_EVERY, "update daily summaries", self._summarize_days)
        self.scheduler.every(5.0, "store model versions", self.store_versions)
        self.scheduler.every(20.0, "send digests", lambda: self.digests.send_due(self.clock.now()))
        self.scheduler.every(20.0, "mail changes", lambda: self.change_mails.send_due(self.clock.now()))
        self.scheduler.every(60.0, "store key usage", self.access.write_uses)
        self.scheduler.every(10.0, "refresh outage state", self.follow_leader)
        self.scheduler.every(10.0, "store faults", self.store_faults)
        self.scheduler.every(600.0, "delete old reports", self.drilldowns.delete_old)
        self.scheduler.every(5.0, "store source states", self.sources.write_states)
        self.scheduler.every(2.0, "store calls that waited for texts", self.waiting_calls.release)
        self.scheduler.every(2.0, "store runs of agents", self.waiting_runs.release)
        self.scheduler.every(self.config.evaluate.every, "decide on rollbacks", self.rollbacks.decide)
        self.scheduler.every(10.0, "verify rollbacks", self.rollbacks.verify)
        if self.service_manager.every:
            self.scheduler.every(
                self.service_manager.every,
                "tell systemd",
                lambda: self.service_manager.alive(self.jobs.stuck()),
                URGENT,
                first=0.0,
            )
        self.jobs.schedule(self.scheduler)
        self.gauges.schedule(self.scheduler)
        self.scheduler.start()

    def stop(self, until: float = math.inf) -> None:
        """Finish work in progress; nothing that was accepted is lost. Jobs of child processes run again after a start.

        What has not finished at `until` (seconds of the monotonic clock) is abandoned: its transaction is rolled back.
        """
        parts = (
            self.runner, self.pipeline, self.scheduler, self.sources, self.drilldowns, self.log,
            self.rollbacks, self.dispatcher, self.exporters, self.checkpoints,
        )  # fmt: skip
        unfinished = in_time([part.stop for part in parts], until)
        unfinished |= in_time([self._audit_stop, self.pipeline.leave], until)
        if unfinished:
            log.warning(
                "stopped before all work was done", extra={"unfinished": ",".join(sorted(unfinished))}
            )
            self.pipeline.abandon()
        else:
            self.pipeline.close()
            log.info("stopped", extra={"version": __version__})

    def serve(self, announce: Callable[[], None]) -> None:
        """Run until SIGINT or SIGTERM, then stop within `SHUTDOWN_SECONDS`, or at once on a second signal. SIGHUP
        reloads the rules.

        Raises:
            WatchkeeperError: the listen address of the configuration cannot be used.
        """
        ensure_free(self.config.web.host, self.config.web.port)
        signal.signal(signal.SIGHUP, lambda *_: self.rules.request())
        on_signals(self.server.stop)
        deadline = math.inf

        def begin_shutdown() -> None:
            nonlocal deadline
            deadline = time.monotonic() + SHUTDOWN_SECONDS
            self.service_manager.stopping()
            self.dispatcher.finish()
            self.scheduler.pause()

        self.start()
        try:
            self.server.run_until_stopped(partial(self._started, announce), begin_shutdown)
        finally:
            self.stop(deadline)

    def _started(self, announce: Callable[[], None]) -> None:
        fields = {
            "version": __version__,
            "store": self.store.url.render_as_string(hide_password=True),
            "listen": self.url,
            "channels": ",".join(sorted(self.channels)),
            "rules": len(self.rules.current.rules),
        }
        log.info("started", extra=fields)
        if self.access.is_open():
            log.warning("no key exists, so only this machine and user have access")
        self.service_manager.ready(f"ready at {self.url}")
        announce()

    def _self_monitor(self) -> SelfMonitor:
        return SelfMonitor(
            self.store,
            self.log,
            self.config.clients,
            lambda: self.rules.failed,
            self.clock.elapsed,
            self.sources.limits,
            lambda: self.access.refused_keys.words(self.clock.now()),
            SiteMetrics(self.store, self.config.sites).measure,
        )

    def _pipeline(self, leader: LeaderLease) -> Pipeline:
        return wiring.pipeline(
            self.config,
            self.clock,
            self.store,
            self.rules,
            leader,
            self.channels,
            self.self_monitor,
            self.daily_summaries,
            self.counters,
            self.versions,
            self.gauges,
            in_children=self._in_children,
        )

    def _jobs(self, leader: LeaderLease) -> Jobs:
        return Jobs(
            self.store,
            self.config,
            self.clock,
            self.dispatcher.is_alive,
            lambda: leader.is_held,
            self.runner,
            self._channels(Action.CHANGE),
            self.log.decoders.forget,
        )

    def _services(self) -> Services:
        return Services(
            store=self.store,
            clock=self.clock,
            access=self.access,
            meters=self.meters,
            counters=self.counters,
            measured=self._measured,
            channels=sorted(self.channels),
            intake=self.log.stats,
            drilldowns=self.drilldowns,
            runbook=partial(runbook, settings=self.config.alerts),
            alerts=self.config.alerts,
            rule=lambda name: self.rules.current.rule(name),
            rules=lambda: self.rules.current,
            past=lambda *asked: self.pipeline.judge.measuring.past(*asked),
            drift_limits={"psi": self.config.metrics.drifted_psi, "drift_evidence": 1.0},
            importance=self.config.drift.importance,
            metrics=self.config.measuring(),
            drift=self.config.drift,
            windows=self.config.windows,
            texts={name: client.texts for name, client in self.config.clients.items()},
            segment_features=self.config.windows.segment_features,
            release_policy=self.config.release_policy,
            rollback=lambda stream: self.config.model(stream).rollback,
            rollback_stop_file=self.config.rollback.stop_file,
            base_seconds=self.base_seconds,
            rollouts=reading_of(self.config),
            configured=ConfiguredReader(self.config).read,
            surroundings=wiring.surroundings(self.config),
            settings=self.config.web,
            version=__version__,
            clients=self.config.clients,
            ready=self._readiness,
            stuck=self.jobs.stuck,
        )

    def _audit_stop(self) -> None:
        self._audit("stop")

    def _audit(self, action: str) -> None:
        """Write the start or the stop of this daemon into the audit log, if the database can be written."""
        entry = AuditEntry(self.clock.now(), audit.DAEMON, platform.node(), action, "", __version__, 200)
        with suppress(StoreError), self.store.write() as connection:
            audit.add(connection, [entry])

    def _learn_new_baselines(self) -> None:
        self.baselines.learned(self.jobs.learn(self.baselines.new(self.clock.now())))

    def _summarize_days(self) -> None:
        self.daily_summaries.update(self.clock.now(), SUMMARY_SECONDS)

    def store_versions(self) -> None:
        """Store which model versions answered; each new one is sent to PagerDuty as a change event."""
        if self.versions.store(self.clock.now()):
            self.dispatcher.wake()

    def _measured(self) -> Mapping[tuple[Stream, int], Sequence[Measurement]]:
        """The measurements of the last tick."""
        return self.pipeline.measured()

    def _readiness(self) -> Readiness:
        problem = self.jobs.health_problem()
        return Readiness(not problem, (problem,) if problem else ())
