"""Reads the answers and failures of a canary and the stable version from the store, per minute."""

import math
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from monitor.config.units import DAY
from monitor.errors import NotFoundError
from monitor.records import Labels, Stream
from monitor.releases.evidence import Minute
from monitor.releases.verdict import Gate, Verdict, canary_verdict
from monitor.store import model_versions, timeseries
from monitor.store.model_versions import Version
from monitor.store.timeseries import Columns

Figures = Mapping[tuple[str, Labels], Columns]

_MOST_NAMED = 5
LONGEST = float(DAY)
"""Seconds of a longer rollout that are evaluated."""


def verdict(
    connection: Connection,
    stream: Stream,
    canary: str,
    stable: str,
    gate: Gate,
    base_seconds: int,
    now: float,
) -> Verdict:
    """Evaluate a canary against `stable`, or against the most recent other version if it is empty.

    Raises:
        NotFoundError: the model has no versions.
    """
    versions = model_versions.load(connection, stream.client).get(stream)
    if not versions:
        raise NotFoundError(f"no versions of {stream}", hint="check that it sends predictions with a version")
    candidate = next((version for version in versions if version.version == canary), None)
    compared = stable or _stable(versions, canary)
    if candidate is None:
        inconclusive = canary_verdict(canary, compared, [], None, gate)
        newest_first = sorted(versions, key=lambda version: -version.last_seen)
        named = ", ".join(version.version for version in newest_first[:_MOST_NAMED])
        return replace(inconclusive, reason=f"{inconclusive.reason}; versions in use: {named}")
    start = max(candidate.first_seen, now - LONGEST)
    series = timeseries.load_columns(connection, stream, base_seconds, start, now, {"error_rate"})
    minutes = _minutes(series, canary, compared)
    return canary_verdict(canary, compared, minutes, max(0.0, now - candidate.last_seen), gate)


def is_live(connection: Connection, stream: Stream, canary: str) -> bool:
    """Whether the canary is the newest version, so that an old verdict does not roll back a newer one."""
    versions = model_versions.load(connection, stream.client).get(stream, [])
    return bool(versions) and max(versions, key=lambda version: version.first_seen).version == canary


def _stable(versions: list[Version], canary: str) -> str:
    others = [version for version in versions if version.version != canary]
    return max(others, key=lambda version: (version.last_seen, -version.first_seen)).version if others else ""


def _minutes(series: Figures, canary: str, stable: str) -> list[Minute]:
    """Both versions per minute; zeros where a version has no answers."""
    sides = [_counts(series, version) for version in (canary, stable)]
    starts = sorted({start for side in sides for start in side})
    nothing = (0.0, 0.0)
    return [Minute(*sides[0].get(start, nothing), *sides[1].get(start, nothing)) for start in starts]


def _counts(series: Figures, version: str) -> dict[int, tuple[float, float]]:
    """(answers, failures) by the start of their window."""
    columns = series.get(("error_rate", (("version", version),)))
    if columns is None:
        return {}
    rows = zip(columns.starts.tolist(), columns.values.tolist(), columns.n.tolist(), strict=True)
    return {int(start): (n, round(share * n)) for start, share, n in rows if not math.isnan(share)}
