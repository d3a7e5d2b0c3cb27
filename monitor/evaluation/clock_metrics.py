"""Metrics that depend on the clock and not on rows: silence, and the availability of health endpoints."""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from monitor.evaluation.pauses import PauseWatch
from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo
from monitor.metrics.system import daemon
from monitor.records import Measurement, Stream, Window
from monitor.store import probes
from monitor.store.db import Store
from monitor.store.streams import StreamFigures

PROBED_OVER = 120.0
"""Seconds over which probes are counted: a few of them, so that one lost packet is not an outage."""


class ClockMetrics:
    """Measures what changes while no rows arrive.

    `is_probed` tells whether a stream has a health endpoint, `uptime` for how many seconds between two times the daemon
    accepted predictions.
    """

    def __init__(
        self,
        store: Store,
        is_probed: Callable[[Stream], bool],
        uptime: Callable[[float, float], float],
        base_seconds: int = 60,
    ) -> None:
        self._store = store
        self._is_probed = is_probed
        self._uptime = uptime
        self._pauses = PauseWatch(store, base_seconds, uptime)
        self._ahead: dict[Stream, tuple[float, float]] = {}

    def measure(self, figures: StreamFigures, now: float) -> list[Measurement]:
        """`silence_seconds`, `silence_ratio`, and `availability` if the model has a health endpoint."""
        if figures.site:
            results = [
                _of_site(info, figures, now) for info in (daemon.SILENCE_SECONDS, daemon.SILENCE_RATIO)
            ]
        else:
            silence = self._silence(figures, now)
            results = [silence, self._pauses.measure(figures, silence.value, now)]
        if self._is_probed(figures.stream):
            results.append(self._availability(figures.stream, now))
        return results

    def of_window(self, connection: Connection, stream: Stream, window: Window) -> list[Measurement]:
        """`availability` over a past window, if the model has a health endpoint."""
        if not self._is_probed(stream):
            return []
        return [_availability(stream, window, *probes.share(connection, stream, window.start, window.end))]

    def _silence(self, figures: StreamFigures, now: float) -> Measurement:
        window = Window(int(figures.last_received), int(now) + 1)
        info = daemon.SILENCE_SECONDS
        if figures.rows == 0:
            reason = "no prediction has been received"
            return Measurement(figures.stream, window, info.name, None, info.unit, info.better, reason=reason)
        silence = self._uptime(min(self._last_received(figures, now), now), now)
        return Measurement(figures.stream, window, info.name, silence, info.unit, info.better, figures.rows)

    def _last_received(self, figures: StreamFigures, now: float) -> float:
        """The time of the last prediction. If the clock was set back since, the first time at which it was known."""
        stream, last = figures.stream, figures.last_received
        if last <= now:
            self._ahead.pop(stream, None)
            return last
        if self._ahead.get(stream, (0.0, 0.0))[0] != last:
            self._ahead[stream] = (last, now)
        return self._ahead[stream][1]

    def _availability(self, stream: Stream, now: float) -> Measurement:
        window = Window(int(now - PROBED_OVER), int(now) + 1)
        with self._store.read() as connection:
            succeeded, total = probes.share(connection, stream, window.start, window.end)
        return _availability(stream, window, succeeded, total)


def is_unexplained(measured: Iterable[Measurement]) -> bool:
    """Whether there is a silence that the traffic before does not explain."""
    return any(one.metric == daemon.SILENCE_RATIO.name and (one.value or 0.0) > 1.0 for one in measured)


def _of_site(info: MetricInfo, figures: StreamFigures, now: float) -> Measurement:
    """What has not arrived of a site is not missing: `site_silence` says for how long it is silent."""
    window = Window(int(figures.last_received), int(now) + 1)
    reason = f"the site {figures.site} delivers this model in bundles; see `watchkeeper site status`"
    return Measurement(figures.stream, window, info.name, None, info.unit, info.better, reason=reason)


def _availability(stream: Stream, window: Window, succeeded: int, total: int) -> Measurement:
    info = daemon.AVAILABILITY
    if total == 0:
        reason = "not probed yet"
        return Measurement(stream, window, info.name, None, info.unit, info.better, reason=reason)
    low, high = intervals.wilson(succeeded, total)
    share = succeeded / total
    return Measurement(stream, window, info.name, share, info.unit, info.better, total, (), low, high)
