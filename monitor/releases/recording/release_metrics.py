"""Compares the versions that answer with the recorded releases. Nothing is measured of a model without any."""

from collections.abc import Mapping, Sequence

from monitor.config.units import HOUR
from monitor.metrics import MetricInfo
from monitor.metrics.system.releases import RELEASE_CONTRADICTIONS, UNRECORDED_VERSION
from monitor.records import Measurement, Stream, Window, labels
from monitor.releases.recording.record import contradicting
from monitor.store import model_versions, releases
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.store.releases import Release

EVERY = 30.0
"""Seconds between two readings of the store."""
MOST_RELEASES = 100
"""Releases of a stream that are read: the newest."""
MOST = 20
"""Versions of a stream that are compared: the newest."""


class ReleaseMetrics:
    """Reads versions and releases of all streams, at most every `EVERY` seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._measured: Mapping[Stream, Sequence[Measurement]] = {}
        self._measured_at = float("-inf")

    def measure(self, now: float) -> Mapping[Stream, Sequence[Measurement]]:
        """What the releases of each stream say about its versions at `now`, in seconds since the epoch."""
        if 0 <= now - self._measured_at < EVERY:
            return self._measured
        measured: dict[Stream, Sequence[Measurement]] = {}
        with self._store.read() as connection:
            first = releases.first_recorded(connection)
            recorded = releases.newest(connection, MOST_RELEASES) if first else {}
            versions: dict[Stream, list[Version]] = {}
            for client in {stream.client for stream in first}:
                versions |= model_versions.load(connection, client)
        for stream, since in first.items():
            with self._store.faults.isolate("figures of releases", str(stream)):
                measured[stream] = of_stream(
                    stream, versions.get(stream, ()), recorded.get(stream, ()), since, now
                )
        self._measured, self._measured_at = measured, now
        return measured


def of_stream(
    stream: Stream,
    versions: Sequence[Version],
    recorded: Sequence[Release],
    since: float,
    now: float,
) -> list[Measurement]:
    """Both metrics of each of the newest versions. `since` is when the stream's first release was recorded. Pure."""
    known: dict[str, list[Release]] = {}
    for release in recorded:
        known.setdefault(release.version, []).append(release)
    named = [one for one in versions if one.version]
    newest = sorted(named, key=lambda one: (one.last_seen, one.version))[-MOST:]
    measured = []
    for version in newest:
        of_version = known.get(version.version, ())
        answers = version.last_seen > now - HOUR
        unrecorded = answers and not of_version and version.first_seen >= since
        measured.append(_measurement(UNRECORDED_VERSION, stream, version.version, float(unrecorded), now))
        differ = contradicting(of_version) if answers else ()
        measured.append(
            _measurement(
                RELEASE_CONTRADICTIONS, stream, version.version, float(len(differ)), now, ", ".join(differ)
            )
        )
    return measured


def _measurement(
    info: MetricInfo, stream: Stream, version: str, value: float, now: float, because: str = ""
) -> Measurement:
    window, where = Window(int(now) - HOUR, int(now)), labels(version=version)
    return Measurement(stream, window, info.name, value, info.unit, info.better, 1, where, because=because)
