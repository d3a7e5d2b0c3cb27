"""The daemon's own counters and gauges for `/metrics`. Their values are passed in."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from monitor.exporters.metric_names import BY_NAME

disable_created_metrics()  # type: ignore[no-untyped-call]


class DaemonMeters:
    """The counters and gauges of one daemon; known series start at 0."""

    def __init__(self, cycle_interval: float = 60.0) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._cycle = Histogram(
            "watchkeeper_cycle_duration_seconds",
            BY_NAME["watchkeeper_cycle_duration_seconds"].help,
            registry=self.registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self._last_cycle = self._gauge("watchkeeper_cycle_last_success_timestamp_seconds")
        self._gauge("watchkeeper_cycle_interval_seconds").set(cycle_interval)
        self.reload_worked = self._gauge("watchkeeper_config_last_reload_successful")
        self.reload_worked.set(1)
        self._worker_up = self._gauge("watchkeeper_cycle_worker_up")
        self._worker_streams = self._gauge("watchkeeper_cycle_worker_streams")
        self._worker_seconds = self._gauge("watchkeeper_cycle_worker_duration_seconds")
        self._evaluations = self._counter("watchkeeper_rule_evaluations")
        self.requests = self._counter("watchkeeper_http_requests")
        self._dropped = self._counter("watchkeeper_metric_series_dropped")
        self._exported = self._counter("watchkeeper_exporter_points")
        self._export_queue = self._gauge("watchkeeper_exporter_queue_length")
        self._last_export = self._gauge("watchkeeper_exporter_last_success_timestamp_seconds")
        for outcome in ("ok", "no_data", "error"):
            self._evaluations.labels(outcome=outcome)
        for metric in ("watchkeeper_feature_drift_score", "watchkeeper_performance_value"):
            self._dropped.labels(metric=metric)

    def cycle(self, seconds: float, ended_at: float) -> None:
        """Record that all models were evaluated."""
        self._cycle.observe(seconds)
        self._last_cycle.set(ended_at)

    def worker(self, name: str, streams: int, seconds: float, *, is_up: bool) -> None:
        """Record the state of a worker process, and its last tick."""
        self._worker_up.labels(worker=name).set(is_up)
        self._worker_streams.labels(worker=name).set(streams)
        self._worker_seconds.labels(worker=name).set(seconds)

    def judged(self, outcome: str, rules: int) -> None:
        """Record evaluated rules: `ok`, `no_data` or `error`."""
        self._evaluations.labels(outcome=outcome).inc(rules)

    def dropped(self, metric: str, series: int) -> None:
        """Record series that were dropped from a scrape."""
        self._dropped.labels(metric=metric).inc(series)

    def exported(self, exporter: str, outcome: str, points: int) -> None:
        """Record points of an exporter: `sent`, `refused` or `dropped`."""
        self._exported.labels(exporter=exporter, outcome=outcome).inc(points)

    def follow_exporter(
        self, exporter: str, waiting: Callable[[], float], last_sent: Callable[[], float]
    ) -> None:
        """Show an exporter from now on: `waiting` returns the length of its queue, `last_sent` a time."""
        for outcome in ("sent", "refused", "dropped"):
            self._exported.labels(exporter=exporter, outcome=outcome)
        self._export_queue.labels(exporter=exporter).set_function(waiting)
        self._last_export.labels(exporter=exporter).set_function(last_sent)

    def _gauge(self, name: str) -> Gauge:
        return Gauge(name, BY_NAME[name].help, BY_NAME[name].labels, registry=self.registry)

    def _counter(self, name: str) -> Counter:
        return Counter(name, BY_NAME[name].help, BY_NAME[name].labels, registry=self.registry)
