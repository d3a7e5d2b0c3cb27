"""What the store knows about a canary: both versions' answers and failures, minute by minute."""

import math
from collections.abc import Mapping

from sqlalchemy import Connection

from monitor.errors import NotFoundError
from monitor.records import Labels, Stream
from monitor.rollouts.evidence import Minute
from monitor.rollouts.verdict import Gate, Verdict, judge
from monitor.store import timeseries, versions
from monitor.store.timeseries import Columns
from monitor.store.versions import Version

Figures = Mapping[tuple[str, Labels], Columns]

LONGEST = 86_400.0
"""A rollout that takes longer is judged by its last day."""


def verdict(
    connection: Connection,
    stream: Stream,
    canary: str,
    stable: str,
    gate: Gate,
    base_seconds: int,
    now: float,
) -> Verdict:
    """Judge a canary. Without `stable`, the version that answered longest before it.

    Raises:
        NotFoundError: nothing is known of the model.
    """
    known = versions.load(connection, stream.client).get(stream)
    if not known:
        raise NotFoundError(f"nothing is known of {stream}", hint="has it sent predictions with a version?")
    tried = next((one for one in known if one.version == canary), None)
    held_against = stable or _stable(known, canary)
    if tried is None or not held_against:
        return judge(canary, held_against, [], None, gate)
    start = max(tried.first_seen, now - LONGEST)
    found = timeseries.load_columns(connection, stream, base_seconds, start, now, {"error_rate"})
    minutes = _minutes(found, canary, held_against)
    return judge(canary, held_against, minutes, max(0.0, now - tried.last_seen), gate)


def is_live(connection: Connection, stream: Stream, canary: str) -> bool:
    """Whether no version has begun to answer after this one: an old verdict must not roll a newer one back."""
    known = versions.load(connection, stream.client).get(stream, [])
    return bool(known) and max(known, key=lambda one: one.first_seen).version == canary


def _stable(known: list[Version], canary: str) -> str:
    others = [one for one in known if one.version != canary]
    return max(others, key=lambda one: (one.last_seen, -one.first_seen)).version if others else ""


def _minutes(found: Figures, canary: str, stable: str) -> list[Minute]:
    """Both versions side by side; a window in which a version did not answer counts as nothing for it."""
    sides = [_counts(found, version) for version in (canary, stable)]
    starts = sorted({start for side in sides for start in side})
    nothing = (0.0, 0.0)
    return [Minute(*sides[0].get(start, nothing), *sides[1].get(start, nothing)) for start in starts]


def _counts(found: Figures, version: str) -> dict[int, tuple[float, float]]:
    """Start of a window: answers, and failures among them."""
    columns = found.get(("error_rate", (("version", version),)))
    if columns is None:
        return {}
    rows = zip(columns.starts.tolist(), columns.values.tolist(), columns.n.tolist(), strict=True)
    return {int(start): (n, round(share * n)) for start, share, n in rows if not math.isnan(share)}
