"""The daemon's periodic jobs beside the tick: drift models, compaction, retention, probes, PagerDuty reconciliation."""

import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial

from monitor import __version__
from monitor.alerts.changes.change_event import change_events
from monitor.alerts.changes.deploys import RECENT
from monitor.childprocess import HERE, Runner
from monitor.clock import Clock
from monitor.config.installation import installation_of
from monitor.config.root import Config
from monitor.config.units import HOUR, MINUTE
from monitor.config.verdict_reading import reading_of
from monitor.drift import importance_learning
from monitor.drift.learning import LearningContext, LearningTask, prepare
from monitor.evaluation.row_metrics import measure_rows
from monitor.maintenance.audit_signing import AuditSigning, signer_of
from monitor.maintenance.retention import delete_expired
from monitor.maintenance.security_mail import AuditMailer
from monitor.notify import reconcile
from monitor.notify.dead_man import DeadMan, Vitals, health_problem
from monitor.notify.failure import AttemptError
from monitor.notify.http import Http
from monitor.predictions.log.compaction import compact
from monitor.predictions.outcomes.join import expire_outcomes
from monitor.records import Delivery, Priority, Stream
from monitor.releases.approval.approve import missing_approval
from monitor.releases.recording import change_events as release_changes
from monitor.rollback import change_events as rollback_changes
from monitor.rollouts import change_events as rollout_changes
from monitor.rollouts import running as rollouts
from monitor.runtime.cpu_tuning import release_freed_memory
from monitor.runtime.scheduler import Scheduler
from monitor.sites.site_jobs import SiteJobs
from monitor.sources.probes import ProbeSettings, probe
from monitor.store import outbox, probes, rollbacks
from monitor.store import releases as release_rows
from monitor.store import rollouts as rollout_rows
from monitor.store import streams as stream_rows
from monitor.store.audited_deletions import AuditedDeletions
from monitor.store.db import Store
from monitor.store.erasing import empty_log
from monitor.windows import closing
from monitor.windows.round_robin import RoundRobin

log = logging.getLogger(__name__)

LEARN_INTERVAL, EXPIRY_INTERVAL = float(MINUTE), float(HOUR)
RECONCILE_INTERVAL = 300.0
SIGN_INTERVAL = float(HOUR)
COMPACT_DELAY = 300.0
"""Seconds after a window's lateness limit before its batches are compacted."""
STUCK_AFTER = 150.0
"""Seconds without a tick after which the loop counts as stuck. A tick after a large load may take long."""
LEARN_AT_MOST = 400
"""Streams that one call looks at: of more, those come first in the next call that waited longest."""
FIRST_LEARN_DELAY = 3.0
"""Seconds after the start, in case the history to learn from is already stored."""


class Jobs:
    """The jobs, ready to be scheduled.

    `is_delivering` tells whether the thread of every channel runs, `is_leader` whether this daemon does the work that
    only one daemon of a database does. `runner` runs heavy jobs. `change_channels` are sent rollouts and
    rollbacks as change events. `forget` is called with the streams that send nothing any more.
    """

    def __init__(
        self,
        store: Store,
        config: Config,
        clock: Clock,
        is_delivering: Callable[[], bool],
        is_leader: Callable[[], bool] = lambda: True,
        runner: Runner = HERE,
        change_channels: Collection[str] = (),
        forget: Callable[[Iterable[Stream]], object] = lambda _streams: None,
    ) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._is_delivering = is_delivering
        self._is_leader = is_leader
        self._runner = runner
        self._change_channels = change_channels
        self._forget = forget
        self._to_learn, self._with_rows = RoundRobin(0.0), RoundRobin(0.0)
        self._evaluated_at = self._attempted_at = clock.elapsed()
        self._signing = AuditSigning(store, config.audit)
        self._sites = SiteJobs(
            store,
            config.site,
            config.sites,
            config.windows,
            int(config.predictions.base_window),
            clock,
            is_leader,
        )
        self._dead_man = DeadMan(config.notify.dead_man) if config.notify.dead_man else None

    def schedule(self, scheduler: Scheduler) -> None:
        """Schedule every job that the configuration needs."""
        scheduler.every(LEARN_INTERVAL, "learn drift models", self.learn, first=FIRST_LEARN_DELAY)
        scheduler.every(60.0, "compact batches", self.compact)
        scheduler.every(EXPIRY_INTERVAL, "delete expired data", self.delete_expired)
        scheduler.every(SIGN_INTERVAL, "sign the audit log", self.sign_audit)
        if self._config.audit.report is not None:
            scheduler.every(60.0, "mail the audit report", self.mail_audit_report)
        scheduler.every(120.0, "measure row metrics", self.measure_rows)
        every = min(rollouts.EVERY, self._config.predictions.base_window)
        scheduler.every(every, "advance rollouts", self.advance_rollouts)
        scheduler.every(rollouts.EVERY, "announce changes", self.announce_changes)
        for stream, model in self._config.streams().items():
            if model.probe.url:
                scheduler.every(
                    model.probe.every, f"probe {stream}", partial(self.probe, stream, model.probe)
                )
        if self._config.notify.pagerduty and self._config.notify.pagerduty.api_token:
            scheduler.every(RECONCILE_INTERVAL, "reconcile with PagerDuty", self.reconcile)
        self._sites.schedule(scheduler)
        if self._dead_man:
            scheduler.every(10.0, "ping the dead man's switch", self.ping_dead_man)

    def sign_audit(self) -> None:
        """Make a checkpoint of each chain of the audit log; one daemon of a database does."""
        if self._is_leader():
            self._signing.sign(self._clock.now())

    def mail_audit_report(self) -> None:
        """Mail the security audit of a month when it is due; one daemon of a database does."""
        if self._is_leader():
            config = self._config
            channels = ("email",) if config.notify.email else ()
            installation, signer = installation_of(config), signer_of(config.audit)
            mailer = AuditMailer(self._store, config.audit.to, channels, installation, signer, __version__)
            mailer.send_due(self._clock.now())

    def measure_rows(self) -> None:
        """Measure the metrics that need rows, for the last complete hour of each stream; one daemon of a database
        does.
        """
        if self._is_leader():
            means = self._config.windows, self._config.measuring()
            measure_rows(self._store, *means, self._clock.now(), self._with_rows)

    def advance_rollouts(self) -> None:
        """Decide on every running rollout; one daemon of a database does."""
        if self._is_leader():
            config = self._config
            unapproved = missing_approval(config.release_policy)
            rollouts.advance(self._store, reading_of(config), self._clock.now(), unapproved)

    def announce_changes(self) -> None:
        """Send the releases, rollouts and rollbacks of the last hour as change events, whoever made them; each once."""
        channels, settings, now = sorted(self._change_channels), self._config.alerts, self._clock.now()
        if not channels or not self._is_leader():
            return
        since, faults, due = now - RECENT, self._store.faults, list[Delivery]()
        with self._store.read() as connection:
            for release in release_rows.recorded_since(connection, since):
                if release.released_at >= since:
                    with faults.isolate("change events", f"{release.stream} {release.digest[:16]}"):
                        due += change_events(release_changes.change(release), channels, settings, now)
            for rollout, step in rollout_rows.steps_since(connection, since):
                with faults.isolate("change events", f"{rollout.stream} {rollout.number} {step.number}"):
                    due += change_events(rollout_changes.change(rollout, step), channels, settings, now)
            for one in rollbacks.ordered_since(connection, since):
                with faults.isolate("change events", one.id):
                    for change in rollback_changes.changes(one, now, since):
                        due += change_events(change, channels, settings, now)
            known = outbox.last_sequences(connection, [(one.channel, one.key) for one in due])
        if new := [one for one in due if (one.channel, one.key) not in known]:
            with self._store.write() as connection:
                outbox.add(connection, new)

    def after_tick(self) -> None:
        """Record a complete tick: every rule was evaluated, and the result is stored."""
        self._evaluated_at = self._attempted_at = self._clock.elapsed()

    def after_outage_tick(self) -> None:
        """Record a tick without the database. The loop runs, and a restart would not help."""
        self._attempted_at = self._clock.elapsed()

    def health_problem(self) -> str:
        """What prevents the daemon from working; empty if nothing does."""
        return health_problem(self._vitals(), self._config.evaluate.every)

    def stuck(self) -> str:
        """Why the loop counts as stuck; empty if it runs."""
        age = self._clock.elapsed() - self._attempted_at
        return f"the last tick ended {age:.0f} seconds ago" if age > STUCK_AFTER else ""

    def learn(self, only: Collection[Stream] | None = None) -> list[Stream]:
        """Learn the normal variation of each stream with enough history; returns the learned streams."""
        if not self._is_leader() or only == []:
            return []
        config, now = self._config, self._clock.now()
        with self._store.read() as connection:
            known = stream_rows.figures_of_all(connection)
        wanted = {figures.stream for figures in known if only is None or figures.stream in only}
        chosen = set(self._to_learn.serve(wanted, at_least=LEARN_AT_MOST))
        tasks = []
        for figures in known:
            if figures.stream not in chosen:
                continue
            with self._store.faults.isolate(
                "streams", f"{figures.stream}: learning", lasts=2 * LEARN_INTERVAL
            ):
                until = closing.horizon_of(figures, now, config.windows)
                tasks.append(LearningTask(figures.stream, until, len(known)))
        context = LearningContext(config.drift, int(config.predictions.base_window), now)
        learned = prepare(self._store, tasks, context, self._runner)
        importance_learning.prepare(self._store, tasks, now, self._runner)
        return learned

    def compact(self) -> None:
        """Merge the batches of windows that accept no more rows: a row then takes a tenth of the space."""
        before = self._clock.now() - self._config.windows.lateness - COMPACT_DELAY
        if self._is_leader():
            compact(self._store, before, runner=self._runner)
        release_freed_memory()  # of the batches that were compacted, and of ticks

    def delete_expired(self) -> None:
        """Delete data past its retention, and outcomes whose predictions have not arrived in time."""
        config, now = self._config, self._clock.now()
        with self._store.read() as connection:
            known = stream_rows.figures_of_all(connection)
        silent = now - config.predictions.retention
        self._forget(figures.stream for figures in known if figures.last_received < silent)
        delete_expired(
            self._store, config.store, config.predictions, config.windows, now, signer_of(config.audit)
        )
        with self._store.read() as connection:
            known = stream_rows.figures_of_all(connection)
        run = AuditedDeletions(self._store, "give up outcomes without a prediction", now)
        for stream in (figures.stream for figures in known):
            isolated = self._store.faults.isolate("streams", f"{stream}: outcomes", lasts=2 * EXPIRY_INTERVAL)
            with isolated, run.write() as connection:
                expire_outcomes(connection, stream, now - config.predictions.outcome_wait, now)
        empty_log(self._store, seconds=0.2, tries=1)  # it holds what was deleted

    def probe(self, stream: Stream, settings: ProbeSettings) -> None:
        """Request the health endpoint of one model, and store the result."""
        result = probe(stream, settings, self._clock.now())
        with self._store.write() as connection:
            probes.put(connection, result)

    def reconcile(self) -> None:
        """Resolve PagerDuty incidents of alerts that have ended; store acknowledgements that no webhook delivered."""
        settings = self._config.notify.pagerduty
        assert settings is not None
        try:
            remotes = reconcile.fetch(settings, Http("PagerDuty", settings.route))
        except AttemptError as error:
            log.warning("reconciliation with PagerDuty failed: %s", error.message)
            return
        with self._store.write() as connection:
            for key in reconcile.settle(connection, remotes, self._clock.now()):
                log.warning("PagerDuty incident %s had a different state and was corrected", key)

    def ping_dead_man(self) -> None:
        """Ping the dead man's switch if the daemon is healthy."""
        assert self._dead_man is not None
        vitals, elapsed = self._vitals(), self._clock.elapsed()
        outcome = self._dead_man.step(vitals, self._config.evaluate.every, elapsed)
        if outcome.startswith("not"):
            log.error("dead man's switch: %s", outcome)

    def _vitals(self) -> Vitals:
        now = self._clock.now()
        with self._store.read() as connection:
            waiting = outbox.oldest_due(connection, now, Priority.CRITICAL_RESOLVE)
        age = self._clock.elapsed() - self._evaluated_at
        return Vitals(age, None if waiting is None else max(now - waiting, 0.0), self._is_delivering())
