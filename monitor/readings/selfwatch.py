"""What the daemon measures of itself: figures of the stream `watchkeeper/daemon`."""

import shutil
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from monitor.digest import overdue
from monitor.health.settings import ClientSettings
from monitor.metrics import MetricInfo, daemon
from monitor.predictions.log import PredictionLog
from monitor.records import DAEMON, Measurement, Window
from monitor.store import outbox
from monitor.store.db import Store

_MINUTES = 300.0


class SelfWatch:
    """Keeps what it takes to say how the daemon is doing."""

    def __init__(
        self,
        store: Store,
        log: PredictionLog,
        clients: Mapping[str, ClientSettings],
        reload_failed: Callable[[], bool],
    ) -> None:
        self._store = store
        self._log = log
        self._clients = clients
        self._reload_failed = reload_failed
        self._refused: deque[tuple[float, int]] = deque()
        self._last_tick: float | None = None
        self._rule_errors = 0

    def after_tick(self, at: float, rule_errors: int) -> None:
        """Remember a tick that went through to its end."""
        self._last_tick = at
        self._rule_errors = rule_errors

    def after_look(self, at: float) -> None:
        """Remember a tick that judged what can be judged without the store; that it is gone is told by itself."""
        self._last_tick = at

    def measure(self, now: float) -> list[Measurement]:
        """Every figure of the daemon at `now`."""
        age = None if self._last_tick is None else now - self._last_tick
        return [
            _figure(daemon.WRONG_KEY_REJECTIONS, self._wrong_keys(now), now),
            self._disk(now),
            _figure(daemon.TICK_AGE_SECONDS, age, now, "no tick yet"),
            _figure(daemon.OUTBOX_OLDEST_SECONDS, self._oldest(now), now),
            _figure(daemon.RULE_ERRORS, self._rule_errors, now),
            _figure(daemon.DIGESTS_OVERDUE, self._overdue(now), now),
            _figure(daemon.CONFIG_RELOAD_FAILED, float(self._reload_failed()), now),
        ]

    def _wrong_keys(self, now: float) -> int:
        if not self._refused:
            self._refused.append((now, 0))
        self._refused.append((now, self._log.stats().rejected_wrong_key))
        while self._refused[0][0] < now - _MINUTES:
            self._refused.popleft()
        return self._refused[-1][1] - self._refused[0][1]

    def _oldest(self, now: float) -> float:
        with self._store.read() as connection:
            due = outbox.oldest_due(connection, now, priority=1)
        return 0.0 if due is None else max(0.0, now - due)

    def _overdue(self, now: float) -> int:
        with self._store.read() as connection:
            return overdue(connection, self._clients, now)

    def _disk(self, now: float) -> Measurement:
        path = self._store.url.database
        if not self._store.is_sqlite or not path:
            return _figure(daemon.DISK_USED_SHARE, None, now, "the store is on another machine")
        usage = shutil.disk_usage(Path(path).parent)
        return _figure(daemon.DISK_USED_SHARE, usage.used / usage.total, now)


def _figure(info: MetricInfo, value: float | None, now: float, reason: str = "") -> Measurement:
    window = Window(int(now - _MINUTES), int(now) + 1)
    return Measurement(
        DAEMON, window, info.name, value, info.unit, info.better, reason=reason if value is None else ""
    )
