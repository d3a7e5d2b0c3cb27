"""Collects the samples of one scrape from the store, the counters and the last tick, without reading rows."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from sqlalchemy import Connection

from monitor.clock import Clock
from monitor.exporters import daemon_samples, gauge_samples, model_samples, rule_samples
from monitor.exporters.exemplars import ByVersion, newest
from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.model_samples import Model
from monitor.exporters.monotonic_counter import MonotonicCounter
from monitor.exporters.prediction_counters import PredictionCounters, StreamCounts
from monitor.exporters.samples import SampleSet
from monitor.exporters.settings import MetricsSettings
from monitor.health.declared import custom_metrics
from monitor.health.settings import ClientSettings
from monitor.metrics import AGAINST
from monitor.predictions.log.writer import IntakeStats
from monitor.records import DAEMON, Alert, Measurement, Stream
from monitor.rules.engine.readings import OPEN, Past, Readings
from monitor.rules.rule import RuleSet
from monitor.store import alerts, model_versions, outbox, outcomes, releases, targets
from monitor.store import streams as stream_rows
from monitor.store.db import Store
from monitor.store.streams import StreamFigures

log = logging.getLogger(__name__)

_OF_EACH = "watchkeeper_model"
"""The metric of which each model has a series: as many of it are dropped as models are left out."""
_FOR_RULES = 0.4
"""Of the seconds for models, the share that what rules read may take in addition."""
Measured = Mapping[tuple[Stream, int], Sequence[Measurement]]
"""Measurements by stream and length of window in seconds (0 for the last seconds)."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The inputs of a scrape. The functions return the current state."""

    store: Store
    clock: Clock
    version: str
    settings: MetricsSettings
    client: Callable[[str], ClientSettings]
    channels: Sequence[str]
    counters: PredictionCounters
    measured: Callable[[], Measured]
    intake: Callable[[], IntakeStats | None]
    rules: Callable[[], RuleSet]
    past: Past
    drift_limits: Mapping[str, float]
    on_dropped: Callable[[str, int], None]


class Collector:
    """Collects samples. Keeps the state of counters between scrapes."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._transitions: MonotonicCounter[tuple[Stream, str, str]] = MonotonicCounter()
        self._notifications: MonotonicCounter[tuple[str, str]] = MonotonicCounter()
        self._has_warned = False

    def collect(self, client: str = "", *, exemplars: bool = False, seconds: float = math.inf) -> SampleSet:
        """All samples, or those of one client; with exemplars on request. Models that have no room left, or whose turn
        does not come within so many `seconds`, are left out and counted as dropped.
        """
        sources, now, until = self._sources, self._sources.clock.now(), time.monotonic() + seconds
        samples = SampleSet(BY_NAME, sources.settings.max_series)
        measured, isolate = sources.measured(), sources.store.faults.isolate
        if client:
            measured = _for_client(measured, client, sources.client(client))
        with sources.store.read() as connection:
            streams = [f for f in stream_rows.figures_of_all(connection) if client in ("", f.stream.client)]
            if not client:
                with isolate("figures of /metrics", "the daemon"):
                    self._daemon(samples, connection)
            models = self._models(connection, client, measured)
            for place, figures in enumerate(streams):
                if time.monotonic() >= until:
                    samples.close()
                if samples.is_full:
                    samples.drop(_OF_EACH, len(streams) - place)
                    break
                with isolate("figures of /metrics", str(figures.stream)):
                    exemplars_of_stream = (
                        newest(connection, figures.stream, figures.watermark) if exemplars else {}
                    )
                    model_samples.write(samples, models(figures, exemplars_of_stream), sources.settings, now)
            shown = [figures.stream for figures in streams]
            later = until + seconds * _FOR_RULES

            def is_going_on(_: Stream) -> bool:
                return not samples.is_full and time.monotonic() < later

            in_time = list(shown) + ([] if client else [DAEMON])
            self._rules(samples, measured, takewhile(is_going_on, in_time), now)
            with isolate("figures of /metrics", "gauges"):
                gauge_samples.write(samples, measured, client)
            with isolate("figures of /metrics", "changes of alerts"):
                self._changes(samples, connection, set(shown))
            with isolate("figures of /metrics", "outcomes"):
                _outcomes(samples, connection, shown)
        self._report_dropped(samples)
        return samples

    def _models(
        self, connection: Connection, client: str, measured: Measured
    ) -> Callable[[StreamFigures, ByVersion], Model]:
        """A function from a stream to its `Model`, which uses what was read once for all streams."""
        sources, counted = self._sources, self._sources.counters.streams()
        deployed, lengths = model_versions.load(connection, client), {seconds for _, seconds in measured}
        recorded = {
            stream: [replace(one, released_by="") for one in some] if client else some
            for stream, some in releases.newest(connection, model_samples.MOST_RELEASES, client).items()
        }
        by_stream = _by_stream(alerts.load(connection).values())
        agreed_targets = targets.current(connection, client)

        def model(figures: StreamFigures, exemplars: ByVersion) -> Model:
            stream = figures.stream
            measurements = model_samples.newest(measured, stream, lengths)
            return Model(
                figures,
                sources.client(stream.client),
                by_stream.get(stream, ()),
                [measurement for measurement in measurements if not measurement.label(AGAINST)],
                [measurement for measurement in measurements if measurement.label(AGAINST)],
                counted.get(stream, StreamCounts()),
                {one.version: one.first_seen for one in deployed.get(stream, ())},
                recorded.get(stream, ()),
                exemplars,
                sources.drift_limits,
                agreed_targets.get(stream, ()),
            )

        return model

    def _daemon(self, samples: SampleSet, connection: Connection) -> None:
        sources = self._sources
        samples.put("watchkeeper_build", [sources.version], 1)
        if (stats := sources.intake()) is not None:
            daemon_samples.intake(samples, connection, stats)
        attempts = self._notifications.follow(daemon_samples.attempts(outbox.outcomes(connection)))
        daemon_samples.notifications(samples, connection, sources.channels, attempts)
        samples.put("watchkeeper_store_size_bytes", [], sources.store.size(connection))

    def _rules(self, samples: SampleSet, measured: Measured, streams: Iterable[Stream], now: float) -> None:
        sources = self._sources
        rule_samples.write(
            samples,
            Readings(measured, sources.past),
            sources.rules(),
            streams,
            sources.settings.max_features,
            sources.store.faults,
            max((one.window.end for one in measured.get((DAEMON, OPEN), ())), default=now),
            now,
        )

    def _changes(self, samples: SampleSet, connection: Connection, shown: set[Stream]) -> None:
        counts = alerts.count_transitions(connection)
        for (stream, rule, to), total in sorted(self._transitions.follow(counts).items()):
            if stream in shown:
                values = [stream.client, stream.environment, stream.model, rule, to]
                samples.put("watchkeeper_rule_transitions", values, total)

    def _report_dropped(self, samples: SampleSet) -> None:
        """Count the series that exceeded the limits, and log it once."""
        for metric, series in samples.dropped.items():
            self._sources.on_dropped(metric, series)
        if samples.dropped and not self._has_warned:
            self._has_warned = True
            names = ", ".join(f"{name} ({series})" for name, series in sorted(samples.dropped.items()))
            log.warning("/metrics omits series to stay within web.metrics and its time: %s", names)


def _for_client(measured: Measured, client: str, settings: ClientSettings) -> Measured:
    """The measurements of one client, without those of own metrics that are for engineers."""
    return {
        (stream, seconds): [
            one for one in some if not custom_metrics.is_for_engineers(settings.view(stream.model), one)
        ]
        for (stream, seconds), some in measured.items()
        if stream.client == client
    }


def _by_stream(changed: Iterable[Alert]) -> Mapping[Stream, Sequence[Alert]]:
    by_stream: dict[Stream, list[Alert]] = {}
    for alert in changed:
        by_stream.setdefault(alert.stream, []).append(alert)
    return by_stream


def _outcomes(samples: SampleSet, connection: Connection, streams: Sequence[Stream]) -> None:
    everything = outcomes.counts_of_all(connection)
    for stream in streams:
        counts = everything.get(stream, outcomes.OutcomeCounts())
        values = [stream.client, stream.environment, stream.model]
        for state in ("received", "matched", "repeated", "unmatched"):
            samples.put("watchkeeper_outcomes", [*values, state], getattr(counts, state))
        samples.put("watchkeeper_outcomes_waiting", values, counts.waiting)
