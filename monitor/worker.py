"""What measures and judges streams, made from the configuration: for the daemon, and for its worker processes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from monitor.childprocess.messages import Ask
from monitor.clock import Clock
from monitor.config.root import Config
from monitor.config.rule_files import rules_in_force
from monitor.errors import StoreError
from monitor.evaluation.clock_metrics import ClockMetrics
from monitor.evaluation.evaluators.judge_metrics import JudgeMetrics
from monitor.evaluation.evaluators.score_metrics import ScoreMetrics
from monitor.evaluation.gauge_metrics import GaugeMetrics
from monitor.evaluation.measure import Beside, Measurer
from monitor.evaluation.recent_window import RecentWindow
from monitor.evaluation.reference_figures import ReferenceFigures
from monitor.evaluation.stream_measurement import MeasurerSettings
from monitor.evaluation.targets import TargetJudge
from monitor.evaluation.uptime import Listening
from monitor.exporters.prediction_counters import StreamCounts, counts_of, is_current
from monitor.gauges.group import GaugeFailure
from monitor.health import wording
from monitor.maintenance.rule_reload import RuleReloader
from monitor.records import Stream, Window
from monitor.releases.recording.release_metrics import ReleaseMetrics
from monitor.rollback.rollback_metrics import RollbackMetrics
from monitor.rollback.settings import RollbackSettings
from monitor.runtime.gc_tuning import tune_garbage_collector
from monitor.runtime.imports import without_extras
from monitor.runtime.logs import configure
from monitor.runtime.secrets import secrets_of
from monitor.sites.alert_owner import judged_elsewhere
from monitor.store import streams as stream_rows
from monitor.store import worker_leases
from monitor.store.db import Store
from monitor.store.fenced_store import FencedStore
from monitor.store.worker_leases import Division
from monitor.windows.profile import Profile
from monitor.windows.round_robin import RoundRobin
from monitor.workers.assignment import Share
from monitor.workers.judge import SECONDS, StreamJudge
from monitor.workers.messages import Report, TickOrder
from monitor.workers.progress import Throttled
from monitor.workers.sent_measurements import MeasurementSender

_BACKLOG_SHARE, _HISTORY_SHARE = 1 / 2, 1 / 4
"""Shares of the interval between ticks for counting and for measuring what waits, such as loaded history: the next tick
is to begin in time.
"""
_STRETCH = 2.0
"""How many times longer a tick may count many streams."""


def rollback_settings(config: Config) -> dict[Stream, RollbackSettings]:
    """The rollback of each configured model."""
    return {stream: model.rollback for stream, model in config.streams().items()}


def declare_words(config: Config, known: Iterable[tuple[str, str]]) -> None:
    """Name own metrics in the words of clients."""
    for client, model in known:
        for name, section in config.model(Stream(client, model)).metrics.items():
            wording.declare(name, section.title, section.shown_unit, section.explanation)


def judge_of(
    config: Config,
    clock: Clock,
    store: Store,
    failures: Callable[[], Mapping[str, GaugeFailure]],
    listened: Callable[[float, float], float],
    on_counted: Callable[[Stream, Window, Profile], None],
    on_measured: Callable[[Iterable[tuple[Stream, Window]]], object],
    seconds: float = SECONDS,
) -> StreamJudge:
    """What counts, measures and judges streams. `failures` are the gauges that cannot be read, `listened` says for how
    long predictions were accepted between two times. Counting, measuring and evaluating take so many `seconds` of a
    tick each; what is left comes first in the next one.
    """
    base = int(config.predictions.base_window)
    beside: tuple[Beside, ...] = (
        GaugeMetrics(store, config.gauges, failures).measure,
        ScoreMetrics(store).measure,
        JudgeMetrics(store).measure,
        ReleaseMetrics(store).measure,
        RollbackMetrics(store, rollback_settings(config)).measure,
    )
    measuring = Measurer(
        store,
        MeasurerSettings(
            base,
            config.windows,
            config.measuring(),
            config.drift,
            seconds=seconds,
            history_seconds=config.evaluate.every * _HISTORY_SHARE,
        ),
        RecentWindow(config.evaluate.recent, clock.now, clock.elapsed),
        ClockMetrics(store, lambda stream: bool(config.model(stream).probe.url), listened, base),
        ReferenceFigures(lambda stream: config.model(stream).baseline, config.measuring()),
        TargetJudge(config.model),
        beside,
        on_measured,
    )

    def count(stream: Stream, window: Window, profile: Profile) -> None:
        measuring.add(stream, window, profile, clock.now())
        on_counted(stream, window, profile)

    return StreamJudge(
        store,
        config.windows,
        measuring,
        count,
        judged_elsewhere(config.site, config.sites),
        order=RoundRobin(seconds, again=config.evaluate.every * _BACKLOG_SHARE, stretch=_STRETCH),
        evaluating=RoundRobin(seconds),
    )


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker process is started with: see `judge_of`."""

    config: Config
    name: str
    seconds: float = SECONDS


def make(setup: WorkerSetup, _ask: Ask) -> Callable[[TickOrder | None, bytes], Iterator[object]]:
    """A worker in its process, and the function that carries out its orders; None asks whether it is there."""
    without_extras()
    tune_garbage_collector()
    settings = setup.config
    configure(settings.log.level, as_json=settings.log.format == "json", secrets=secrets_of(settings))
    return Worker(setup).answer


class _OrderedClock:
    """The time of the daemon's last order."""

    def __init__(self) -> None:
        self.at = self.elapsed_at = 0.0

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self.at

    def elapsed(self) -> float:
        """The daemon's monotonic time."""
        return self.elapsed_at


class Worker:
    """Judges its share of the streams at each order, and reports what the daemon shows of them."""

    def __init__(self, setup: WorkerSetup) -> None:
        config = self._config = setup.config
        self._name, self._division = setup.name, Division(-1)
        self._clock, self._listening = _OrderedClock(), Listening()
        self._failures: Mapping[str, GaugeFailure] = {}
        self._rules, self._reloads = RuleReloader(partial(rules_in_force, config)), 0
        self._counted: list[tuple[Stream, Window, StreamCounts, tuple[str, ...]]] = []
        self._measured: list[tuple[Stream, Window]] = []
        self._sender, self._share = MeasurementSender(), Share((), setup.name)
        key = config.store.key.get_secret_value()
        self._store = FencedStore(config.store.url, self._is_in_force, key=key)
        with self._store.read() as connection:
            known = {(one.client, one.model) for one in stream_rows.streams(connection)}
        declare_words(config, config.custom_metrics(known))
        self._judge = judge_of(
            config,
            self._clock,
            self._store,
            lambda: self._failures,
            lambda start, end: self._listening.seconds(start, end),
            self._on_counted,
            self._measured.extend,
            setup.seconds,
        )

    def answer(self, order: TickOrder | None, _body: bytes) -> Iterator[object]:
        """Carry out an order."""
        if order is None:
            yield Report()
            return
        self._clock.at, self._clock.elapsed_at = order.now, order.elapsed
        self._division, self._listening, self._failures = order.division, order.listening, order.gauges
        if order.reloads != self._reloads:
            self._reloads = order.reloads
            self._rules.request()
        if order.division.workers != self._share.workers:
            self._share = Share(order.division.workers, self._name)
        share = self._share
        try:
            report = self._tick(share, order.now)
        except StoreError as error:
            report = Report(problem=error.message)
        yield self._with_changes(report, self._sender.give_up(share))
        yield from self._sender.changed(self._judge.measuring.last, order.elapsed)

    def _tick(self, share: Share, now: float) -> Report:
        judge, rules = self._judge, self._rules.rules()
        began = time.monotonic()

        def triage() -> None:
            moment = now + time.monotonic() - began
            judge.triage(rules, moment, share, judge.put)

        triage()
        windows = judge.count(now, share)
        triage()
        readings = judge.measure(rules, (), now, share, Throttled(SECONDS, triage))
        evaluation = judge.evaluate_and_store(rules, readings, now, share)
        return Report(len(readings.streams()), windows, evaluation.evaluated, evaluation.errors)

    def _with_changes(self, report: Report, gone: Sequence[Stream]) -> Report:
        """The report with what has come together since the last one."""
        complete = Report(
            report.streams,
            report.windows,
            report.evaluated,
            report.errors,
            tuple(self._counted),
            tuple(self._measured),
            tuple(self._store.faults.active()),
            tuple(gone),
            report.problem,
        )
        self._counted.clear()
        self._measured.clear()
        return complete

    def _on_counted(self, stream: Stream, window: Window, profile: Profile) -> None:
        counts = counts_of(profile) if is_current(window, self._clock.now()) else StreamCounts()
        self._counted.append((stream, window, counts, tuple(profile.versions)))

    def _is_in_force(self, connection: Connection) -> bool:
        return worker_leases.is_in_force(connection, self._division)
