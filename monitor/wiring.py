"""Creates the larger parts of the daemon from a configuration and the parts that they depend on.

`monitor.app` calls these functions in the order of the dependencies.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from litestar import Litestar

from monitor import __version__
from monitor.childprocess import Runner
from monitor.clock import Clock
from monitor.config.root import Config
from monitor.digest import Sender
from monitor.digest.capacity import DiskForecast, Measured, usage_of
from monitor.digest.changes.emails import ChangeMailer
from monitor.evaluation.self_monitoring import SelfMonitor
from monitor.evaluation.uptime import UptimeRecorder
from monitor.exporters.prediction_counters import PredictionCounters
from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.exporters.push.group import ExporterGroup
from monitor.gauges.group import GaugeGroup
from monitor.health.daily_summary import DailySummaries
from monitor.maintenance.baseline_selection import BaselineSelector
from monitor.maintenance.leader import LeaderLease, process_name
from monitor.maintenance.rule_reload import RuleReloader
from monitor.notify.channel import Channel
from monitor.notify.delivery.dispatcher import Dispatcher
from monitor.outage.emergency import Emergency, spool_path
from monitor.outage.evaluate import OutageEvaluator
from monitor.pipeline import Pipeline
from monitor.predictions.large.child_reader import ChildReader
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.texts.measuring import SignalMeter
from monitor.predictions.texts.registered_prompts import RegisteredByStream
from monitor.records import Stream, Window
from monitor.releases.version_tracker import VersionTracker
from monitor.rollback.group import RollbackGroup
from monitor.sources.group import SourceGroup
from monitor.sources.otlp.agents.waiting_runs import WaitingRuns
from monitor.sources.otlp.waiting_calls import WaitingCalls
from monitor.store import streams
from monitor.store.db import Store
from monitor.store.fenced_store import FencedStore
from monitor.store.worker_leases import Division
from monitor.web.api.exposition import collector
from monitor.web.api.mlflow import routes as mlflow_routes
from monitor.web.api.pagerduty import routes as pagerduty_routes
from monitor.web.api.release_records import routes as release_routes
from monitor.web.api.rollouts import routes as rollout_routes
from monitor.web.api.sites import routes as site_routes
from monitor.web.app import create
from monitor.web.auth.authentication import Access
from monitor.web.ingest.endpoints import endpoints
from monitor.web.ingest.front import Front, HotEndpoint
from monitor.web.public_path import behind
from monitor.web.server import Server
from monitor.web.services import Services, Surroundings
from monitor.windows.declared import current_definitions
from monitor.windows.profile import Profile
from monitor.worker import WorkerSetup, declare_words, judge_of, make, rollback_settings
from monitor.workers.judge import SECONDS
from monitor.workers.messages import Report, TickOrder
from monitor.workers.pool import AT_MOST, WorkerPool, worker_process


def emergency(
    config: Config, clock: Clock, store: Store, channels: Mapping[str, Channel]
) -> Emergency | None:
    """The sender of critical pages while the database is unavailable; None without a channel or a spool."""
    spool = spool_path(config.notify.spool, store)
    if not spool or not channels:
        return None
    return Emergency(store, channels, clock, Path(spool), config.notify.outage_after)


def declare(config: Config, store: Store, clock: Clock) -> None:
    """Store what the configuration declares to be counted, and name it in the words of clients."""
    with store.write() as connection:
        known = {(one.client, one.model) for one in streams.streams(connection)}
        wanted = config.custom_metrics(known)
        base = int(config.predictions.base_window)
        current_definitions.register(connection, wanted, base, clock.now())
        current_definitions.register_suites(connection, config.suites(known), base, clock.now())
    declare_words(config, wanted)


def dispatcher(
    config: Config, clock: Clock, store: Store, channels: Mapping[str, Channel], emergency: Emergency | None
) -> Dispatcher:
    """What sends the outbox."""
    others = [emergency] if emergency else []
    return Dispatcher(store, channels, clock, config.notify.lease, others)


def outage_evaluator(config: Config, clock: Clock, emergency: Emergency | None) -> OutageEvaluator:
    """The evaluation of critical rules while the database is unavailable."""
    return OutageEvaluator(
        config.alerts,
        config.measuring(),
        int(config.predictions.base_window),
        config.evaluate.recent,
        clock.now,
        emergency,
    )


def pipeline(
    config: Config,
    clock: Clock,
    store: Store,
    rules: RuleReloader,
    leader: LeaderLease,
    channels: frozenset[str],
    self_monitor: SelfMonitor,
    daily_summaries: DailySummaries,
    counters: PredictionCounters,
    versions: VersionTracker,
    gauges: GaugeGroup,
    *,
    in_children: bool,
) -> Pipeline:
    """The tick. With `in_children`, the workers of the configuration are processes of their own."""
    uptime = UptimeRecorder(store)

    def on_counted(stream: Stream, window: Window, profile: Profile) -> None:
        versions.add(stream, window, profile.versions)
        counters.add(stream, window, profile, clock.now())

    pool, judged = None, store
    if in_children and (config.evaluate.workers > 1 or not store.is_sqlite):
        pool = worker_pool(config, clock, store, rules, uptime, gauges, daily_summaries, counters, versions)
    if pool is not None and not store.is_sqlite:  # other daemons may take the streams of this one
        key = config.store.key.get_secret_value()
        judged = FencedStore(config.store.url, pool.is_in_force, store.faults, key)
    touch = daily_summaries.touch
    judge = judge_of(config, clock, judged, gauges.failures, uptime.seconds, on_counted, touch)
    pager = config.notify.pagerduty
    is_confirming = pager is not None and bool(pager.webhook_secrets or pager.api_token)
    confirming = frozenset({"pagerduty"} if is_confirming else ())
    return Pipeline(
        store, judge, rules, config.alerts, channels, self_monitor, leader, uptime, confirming, pool
    )


def worker_pool(
    config: Config,
    clock: Clock,
    store: Store,
    rules: RuleReloader,
    uptime: UptimeRecorder,
    gauges: GaugeGroup,
    daily_summaries: DailySummaries,
    counters: PredictionCounters,
    versions: VersionTracker,
    seconds: float = SECONDS,
    at_most: float = AT_MOST,
) -> WorkerPool:
    """The worker processes of this daemon. For `seconds`, see `judge_of`; a tick waits for `at_most` seconds."""

    def order(now: float, division: Division) -> TickOrder:
        listening = uptime.listening()
        return TickOrder(now, clock.elapsed(), division, rules.reloads, listening, gauges.failures())

    def on_report(report: Report) -> None:
        daily_summaries.touch(report.measured)
        for stream, window, counts, named in report.counted:
            versions.add(stream, window, named)
            counters.grow(stream, window, counts)

    daemon = process_name()
    wanted = config.evaluate.workers if config.evaluate.workers > 1 else 0
    names = [f"{daemon}/{number}" for number in range(1, wanted + 1)]
    workers = {name: worker_process(make, WorkerSetup(config, name, seconds)) for name in names}
    return WorkerPool(store, daemon, workers, config.evaluate.takeover, order, on_report, at_most)


def baselines(config: Config, store: Store, runner: Runner) -> BaselineSelector:
    """What makes the baselines of the configured models."""
    named = {stream: model.held_against for stream, model in config.streams().items()}
    base = int(config.predictions.base_window)
    return BaselineSelector(store, base, config.windows, named, runner, config.declared_of)


def rollbacks(
    config: Config, clock: Clock, store: Store, rules: RuleReloader, leader: LeaderLease
) -> RollbackGroup:
    """Rollback of the configured models."""
    settings = rollback_settings(config)
    base, stop_file = int(config.predictions.base_window), Path(config.rollback.stop_file)
    return RollbackGroup(store, settings, lambda: rules.current, leader, clock, base, stop_file)


def digests(
    config: Config, store: Store, channels: frozenset[str], measured: Callable[[], Measured]
) -> tuple[Sender, ChangeMailer]:
    """What sends digests, and what mails changes to subscribers."""
    url, base = config.web.public_url, int(config.predictions.base_window)
    disk = DiskForecast(usage_of(store))
    sender = Sender(store, config.clients, channels, url, __version__, base, disk, measured)
    return sender, ChangeMailer(store, config.clients, channels, url)


def application(config: Config, services: Services) -> Litestar:
    """All pages and routes except those of the ingest."""
    pager = config.notify.pagerduty
    routes = [
        *pagerduty_routes(services.store, pager.webhook_secrets if pager else (), services.clock),
        *rollout_routes(
            services.store, services.access, services.clock, services.rollouts, config.release_policy
        ),
        *release_routes(services.store, services.access, services.clock, frozenset(config.clients)),
        *site_routes(services.store, services.access, services.clock, config.sites, services.base_seconds),
        *mlflow_routes(services.store, config.releases.mlflow, services.clock),
    ]
    return create(services, routes)


def outward(config: Config, services: Services, leader: LeaderLease) -> tuple[Litestar, ExporterGroup]:
    """What shows figures to those who ask, and what sends them to other systems."""
    exporters = ExporterGroup(
        config.exporters,
        partial(collector, services),
        services.meters,
        services.clock,
        services.store.faults,
        lambda: leader.is_held,
    )
    return application(config, services), exporters


def signal_meter(config: Config, clock: Clock, store: Store) -> SignalMeter:
    """What measures the texts of calls, and keeps them by the policy of their client."""
    policies = {name: client.texts for name, client in config.clients.items()}
    registered = {
        (name, model): settings.answers
        for name, client in config.clients.items()
        for model, settings in client.models.items()
    }
    return SignalMeter(
        store.faults, policies, RegisteredByStream(store, clock.elapsed, registered), config.signals
    )


def prediction_log(config: Config, clock: Clock, store: Store, outage: OutageEvaluator) -> PredictionLog:
    """The log of the daemon, which reads large requests in child processes."""
    clients = frozenset(config.clients) or None
    meter = signal_meter(config, clock, store)
    return PredictionLog(store, config.predictions, clock, clients, outage.add_refused, meter, ChildReader)


def ingest(
    config: Config,
    log: PredictionLog,
    access: Access,
    sources: SourceGroup,
    gauges: GaugeGroup,
    waiting: WaitingCalls,
    runs: WaitingRuns,
) -> Mapping[str, HotEndpoint]:
    """The endpoints of the ingest, by path."""
    within = config.web.body_within
    return endpoints(
        log, access, config.predictions, waiting, runs, within, sources.push_targets, gauges.metrics
    )


def server(
    config: Config,
    application: Litestar,
    hot: Mapping[str, HotEndpoint],
    meters: DaemonMeters,
    access: Access,
) -> Server:
    """The web server: the endpoints of the ingest, and the application behind them."""
    web = config.web
    front = Front(
        application,
        hot,
        meters,
        access.senders.of,
        strict_transport=web.strict_transport,
        body_within=web.body_within,
    )
    return Server(behind(front, web.public_path), web)


def surroundings(config: Config) -> Surroundings:
    """The other systems in the configuration."""
    counts_all = {name: section.counts_all for name, section in config.sources.items()}
    return Surroundings(counts_all, config.gauges, config.exporters, config.site, config.sites)
