"""All exporters of a daemon: started and stopped together."""

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from prometheus_client.metrics_core import Metric as Family

from monitor.clock import Clock
from monitor.exporters.collector import Collector
from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.exporters.push.daemon_metrics import samples_of
from monitor.exporters.push.exporter import ExporterSettings
from monitor.exporters.push.runner import STOP_SECONDS, Collect, ExporterRunner
from monitor.exporters.samples import HistogramSample, Sample
from monitor.runtime.faults import Faults


class ExporterGroup:
    """One runner per section of `exporters`. `collector` makes a collector of samples: each runner has its own, because
    it keeps the state of counters.
    """

    def __init__(
        self,
        settings: Mapping[str, ExporterSettings],
        collector: Callable[[], Collector],
        meters: DaemonMeters,
        clock: Clock,
        faults: Faults,
        is_leader: Callable[[], bool] = lambda: True,
    ) -> None:
        instance = platform.node()[:128] or "watchkeeper"
        self.runners = [
            ExporterRunner(
                name,
                section,
                partial(section.make_exporter, instance),
                collect_with(collector(), meters.registry.collect),
                clock,
                faults,
                meters.exported,
                is_leader,
            )
            for name, section in settings.items()
        ]
        for runner in self.runners:
            meters.follow_exporter(runner.name, partial(_waiting, runner), partial(_last_sent, runner))

    def start(self) -> None:
        """Begin to send."""
        for runner in self.runners:
            runner.start()

    def stop(self) -> None:
        """Send the last figures, and end."""
        for runner in self.runners:
            runner.ask_to_stop()
        until = time.monotonic() + STOP_SECONDS
        for runner in self.runners:
            runner.stop(max(0.0, until - time.monotonic()))


def collect_with(collector: Collector, own: Callable[[], Iterable[Family]]) -> Collect:
    """A function that collects all samples, or those of some clients. `own` are the daemon's, which no client sees."""

    def collect(clients: Sequence[str]) -> Iterable[Sample | HistogramSample]:
        for client in clients or ("",):
            for _, samples in collector.collect(client).by_metric():
                yield from samples
        if not clients:
            yield from samples_of(own())

    return collect


def _waiting(runner: ExporterRunner) -> float:
    return runner.progress.waiting


def _last_sent(runner: ExporterRunner) -> float:
    return runner.progress.last_sent_at or 0.0
