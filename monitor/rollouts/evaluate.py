"""The verdict on a canary of a stream, from the store."""

from dataclasses import replace

from sqlalchemy import Connection

from monitor.config.units import DAY
from monitor.errors import NotFoundError
from monitor.records import Stream
from monitor.rollouts.load_arms import ArmSettings, arms_of, load_minutes
from monitor.rollouts.verdict import Gate, Outcome, Verdict, canary_verdict, unanswered
from monitor.store import model_versions
from monitor.store.model_versions import Version

_MOST_NAMED = 5
LONGEST = float(DAY)
"""Seconds of a longer rollout that are evaluated."""
HISTORY = 30
"""Base windows before the canary's first answer, from which the stable version's usual minutes are learned."""


def evaluate(
    connection: Connection,
    stream: Stream,
    canary: str,
    stable: str,
    gate: Gate,
    reading: ArmSettings,
    now: float,
    since: float | None = None,
) -> Verdict:
    """Evaluate a canary against `stable`, or against the version with most answers if it is empty.

    `since` is the start of the rollout; without it, the canary's first answer.

    Raises:
        NotFoundError: the model has no versions.
    """
    versions = model_versions.load(connection, stream.client).get(stream)
    if not versions:
        raise NotFoundError(f"no versions of {stream}", hint="check that it sends predictions with a version")
    candidate = next((version for version in versions if version.version == canary), None)
    if candidate is None or (since is not None and candidate.last_seen <= since):
        silent = unanswered(canary, stable or _latest(versions, canary), None)
        assert silent is not None
        newest_first = sorted(versions, key=lambda version: -version.last_seen)
        named = ", ".join(version.version for version in newest_first[:_MOST_NAMED])
        return replace(silent, reason=f"{silent.reason}; versions in use: {named}")
    began = candidate.first_seen if since is None else since
    start = max(began, now - LONGEST) - HISTORY * reading.base_seconds
    minutes = load_minutes(connection, stream, reading, start, now)
    age = max(0.0, now - candidate.last_seen)
    if not minutes.windows:
        nothing = Verdict(Outcome.INCONCLUSIVE, "no window is complete yet", canary, stable, age=age)
        return unanswered(canary, stable, age) or nothing
    compared = stable or minutes.busiest(canary) or _latest(versions, canary)
    arms = arms_of(minutes, stream, canary, compared, began, reading)
    return canary_verdict(canary, compared, arms, age, gate)


def is_live(connection: Connection, stream: Stream, canary: str) -> bool:
    """Whether the canary is the newest version, so that an old verdict does not roll back a newer one."""
    versions = model_versions.load(connection, stream.client).get(stream, [])
    return bool(versions) and max(versions, key=lambda version: version.first_seen).version == canary


def _latest(versions: list[Version], canary: str) -> str:
    others = [version for version in versions if version.version != canary]
    return max(others, key=lambda version: (version.last_seen, -version.first_seen)).version if others else ""
