"""Measures the sites that send bundles, for the stream `watchkeeper/daemon`."""

from collections.abc import Mapping

from monitor.metrics.metric import MetricInfo
from monitor.metrics.system import daemon
from monitor.records import DAEMON, Measurement, Window, labels
from monitor.sites.completeness import completeness
from monitor.sites.settings import KnownSite
from monitor.store import site_windows
from monitor.store.db import Store

_SPAN = 300


class SiteMetrics:
    """`site_silence` and `site_missing_bundles` of each configured site."""

    def __init__(self, store: Store, sites: Mapping[str, KnownSite]) -> None:
        self._store, self._sites = store, sites

    def measure(self, now: float) -> list[Measurement]:
        """The measurements at `now`; `because` says the rest in words."""
        if not self._sites:
            return []
        with self._store.read() as connection:
            delivered = site_windows.delivered(connection)
        results = []
        for name, site in self._sites.items():
            complete = completeness(name, [one for one in delivered if one.site == name], site.every, now)
            missing = float(complete.missing_bundles) if complete.last is not None else None
            for info, value in (
                (daemon.SITE_SILENCE, complete.silence),
                (daemon.SITE_MISSING_BUNDLES, missing),
            ):
                results.append(_figure(info, name, value, complete.sentence, now))
        return results


def _figure(info: MetricInfo, site: str, value: float | None, sentence: str, now: float) -> Measurement:
    window = Window(int(now) + 1 - _SPAN, int(now) + 1)
    return Measurement(
        DAEMON, window, info.name, value, info.unit, info.better, labels=labels(site=site),
        reason="" if value is not None else sentence, because=sentence if value is not None else "",
    )  # fmt: skip
