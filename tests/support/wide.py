"""Models with many features: what pages that list features are made of."""

from sqlalchemy import Connection

from monitor.records import Measurement, Stream, Window, labels
from monitor.store import measurements

PER_FEATURE = ("psi", "jensen_shannon", "hellinger", "total_variation", "missing_share", "out_of_range_share")
WHOLE = (
    ("volume", "predictions"),
    ("error_rate", "share"),
    ("latency_p95", "seconds"),
    ("accuracy", "share"),
)


def put_hour(connection: Connection, stream: Stream, start: int, features: int) -> None:
    """Measure one hour: the whole, two versions, and each feature."""
    window = Window(start, start + 3600)
    rows = 36_000.0
    found = [Measurement(stream, window, metric, 0.02, unit, n=rows) for metric, unit in WHOLE]
    found += [
        Measurement(stream, window, metric, 0.02, unit, n=rows / 2, labels=labels(version=version))
        for metric, unit in WHOLE
        for version in ("1", "2")
    ]
    found += [
        Measurement(
            stream, window, metric, (number % 7) / 100, n=rows, labels=labels(feature=name_of(number))
        )
        for number in range(features)
        for metric in PER_FEATURE
    ]
    measurements.put(connection, stream, window, found, float(window.end))


def name_of(number: int) -> str:
    """The name of a feature."""
    return f"feature_{number:03d}"
