"""Metrics of the daemon itself, stored for the stream `watchkeeper/daemon`."""

import shutil
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from monitor.digest import overdue
from monitor.evaluation.unusual_access import UnusualAccess
from monitor.health.settings import ClientSettings
from monitor.metrics import MetricInfo
from monitor.metrics.system import daemon
from monitor.predictions.log.writer import PredictionLog
from monitor.records import DAEMON, Measurement, Priority, Window, labels
from monitor.store import outbox, source_states
from monitor.store.db import Store
from monitor.visible import counted

_MINUTES = 300.0
_MOST_KINDS = 20
"""Maximum number of parts with faults that have a measurement of their own."""


class SelfMonitor:
    """Measures the daemon itself."""

    def __init__(
        self,
        store: Store,
        log: PredictionLog,
        clients: Mapping[str, ClientSettings],
        reload_failed: Callable[[], bool],
        elapsed: Callable[[], float],
        source_limits: Mapping[str, float] = MappingProxyType({}),
        refused_keys: Callable[[], str] = str,
        sites: Callable[[float], list[Measurement]] = lambda _now: [],
    ) -> None:
        """Measure. `refused_keys` names the keys and addresses whose requests were refused in the last minutes, `sites`
        measures the sites that send bundles.
        """
        self._store = store
        self._log = log
        self._clients = clients
        self._reload_failed = reload_failed
        self._elapsed = elapsed
        self._source_limits = source_limits
        self._refused_keys = refused_keys
        self._sites = sites
        self._access = UnusualAccess(store)
        self._refused: deque[tuple[float, int, int]] = deque()
        self._last_tick: float | None = None
        self._rule_errors = 0

    def after_tick(self, rule_errors: int) -> None:
        """Record a complete tick."""
        self._last_tick = self._elapsed()
        self._rule_errors = rule_errors

    def after_outage_tick(self) -> None:
        """Record a tick without the database. The outage itself is reported elsewhere."""
        self._last_tick = self._elapsed()

    def measure(self, now: float) -> list[Measurement]:
        """All metrics of the daemon at `now`."""
        age = None if self._last_tick is None else self._elapsed() - self._last_tick
        measurements_of: dict[MetricInfo, Callable[[], Measurement]] = {
            daemon.WRONG_KEY_REJECTIONS: lambda: self._wrong_keys(now),
            daemon.ACCESS_RATIO: lambda: self._access.measure(now),
            daemon.DISK_USED_SHARE: lambda: self._disk(now),
            daemon.TICK_AGE_SECONDS: lambda: _figure(daemon.TICK_AGE_SECONDS, age, now, "no tick yet"),
            daemon.OUTBOX_OLDEST_SECONDS: lambda: _figure(
                daemon.OUTBOX_OLDEST_SECONDS, self._oldest(now), now
            ),
            daemon.RULE_ERRORS: lambda: _figure(daemon.RULE_ERRORS, self._rule_errors, now),
            daemon.DIGESTS_OVERDUE: lambda: _figure(daemon.DIGESTS_OVERDUE, self._overdue(now), now),
            daemon.CONFIG_RELOAD_FAILED: lambda: _figure(
                daemon.CONFIG_RELOAD_FAILED, float(self._reload_failed()), now
            ),
        }
        results = []
        for info, look in measurements_of.items():
            with self._store.faults.isolate("figures of the daemon", info.name):
                results.append(look())
        with self._store.faults.isolate("figures of the daemon", daemon.SITE_SILENCE.name):
            results += self._sites(now)
        return [*results, *self._set_aside(now), *self._sources(now)]

    def _set_aside(self, now: float) -> list[Measurement]:
        """The number of isolated faults, in total and by part."""
        kinds = Counter(fault.part for fault in self._store.faults.active())
        total = _figure(daemon.SET_ASIDE, float(kinds.total()), now)
        named = (
            replace(total, value=float(count), labels=labels(part=part))
            for part, count in kinds.most_common(_MOST_KINDS)
        )
        return [total, *named]

    def _sources(self, now: float) -> list[Measurement]:
        """Per source, for how long it will be behind and for how long it has failed: the worst of all daemons."""
        if not self._source_limits:
            return []
        with self._store.read() as connection:
            states = source_states.load(connection, now)
        measurements = []
        for name, limit in self._source_limits.items():
            of_source = [state for state in states if state.source == name]
            ages = [state.behind_seconds / limit for state in of_source if state.behind_seconds is not None]
            failing = [now - state.failing_since for state in of_source if state.failing_since is not None]
            age = _figure(daemon.SOURCE_AGE, max(ages, default=None), now, "the source has not reported it")
            since = max(0.0, *failing) if failing else 0.0
            failed = _figure(
                daemon.SOURCE_FAILING_SECONDS, since if of_source else None, now, "no daemon reads it"
            )
            measurements += [replace(one, labels=labels(source=name)) for one in (age, failed)]
        return measurements

    def _wrong_keys(self, now: float) -> Measurement:
        """Requests and records of the last five minutes, with who sent them."""
        elapsed, stats = self._elapsed(), self._log.stats()
        if not self._refused:
            self._refused.append((elapsed, 0, 0))
        foreign = stats.rejected.get("other_client", 0)
        self._refused.append((elapsed, stats.rejected_wrong_key, foreign))
        while self._refused[0][0] < elapsed - _MINUTES:
            self._refused.popleft()
        first, last = self._refused[0], self._refused[-1]
        records = last[2] - first[2]
        named = [f"{counted(records, 'record')} of a client that the key is not for"] if records else []
        because = "; ".join(filter(None, [self._refused_keys(), *named]))
        return replace(_figure(daemon.WRONG_KEY_REJECTIONS, last[1] - first[1], now), because=because)

    def _oldest(self, now: float) -> float:
        with self._store.read() as connection:
            due = outbox.oldest_due(connection, now, priority=Priority.CRITICAL_RESOLVE)
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
    window = Window(int(now) + 1 - int(_MINUTES), int(now) + 1)
    return Measurement(
        DAEMON, window, info.name, value, info.unit, info.better, reason=reason if value is None else ""
    )
