"""Whether a version has lost its traffic after its rollback. Pure."""

from dataclasses import dataclass, replace

from monitor.rollback.comparison import age, shown
from monitor.rollback.traffic import Traffic
from monitor.store.rollbacks import Rollback, RollbackState

FALLEN = 0.1
"""A version has lost its traffic if its share is at most this part of what it was."""
LEAST_EXPECTED = 5.0
"""Answers of the version that must be expected at its share before, for their absence to prove anything."""
WATCHED = 2
"""The number of complete base windows over which the share is taken."""
CHECKING = (RollbackState.SENT, RollbackState.CONFIRMED, RollbackState.FAILED)


@dataclass(frozen=True, slots=True)
class VerificationCheck:
    """How a check is made: when, over which base windows, and until when the traffic has to be gone (in seconds)."""

    now: float
    base_seconds: int
    within: float


def verify(rollback: Rollback, traffic: Traffic, check: VerificationCheck) -> Rollback:
    """The rollback after a check of its traffic; unchanged if the result is still open.

    Only minutes that began after the order count. One that has failed is verified if the traffic goes later.
    """
    ordered = rollback.sent_at or rollback.decided_at
    first = -(-ordered // check.base_seconds) * check.base_seconds
    start = max(first, check.now // check.base_seconds * check.base_seconds - WATCHED * check.base_seconds)
    mine, total = traffic.answers(rollback.version, start, check.now)
    before = rollback.share_before or 0.0
    is_late = check.now >= max(ordered + check.within, first + 2 * check.base_seconds)
    share = mine / total if total else None
    is_enough = before * total >= LEAST_EXPECTED or (is_late and total > 0)
    if share is not None and is_enough and share <= FALLEN * before:
        words = f"version {shown(rollback.version)} has {share:.1%} of the traffic, {before:.1%} before"
        return replace(
            rollback,
            state=RollbackState.VERIFIED,
            ended_at=check.now,
            share_after=share,
            detail=_also(rollback, words),
        )
    if is_late and rollback.state is not RollbackState.FAILED:
        return replace(
            rollback,
            state=RollbackState.FAILED,
            ended_at=check.now,
            share_after=share,
            detail=_also(rollback, _kept(rollback, share, before, check.now - ordered)),
        )
    return rollback


def _kept(rollback: Rollback, share: float | None, before: float, seconds: float) -> str:
    name, passed = shown(rollback.version), age(seconds)
    if share is None:
        return f"not verified: no answers of any version {passed} after the order"
    return (
        f"version {name} still has {share:.1%} of the traffic {passed} after the order ({before:.1%} before)"
    )


def _also(rollback: Rollback, words: str) -> str:
    return f"{rollback.detail}; {words}" if rollback.detail else words
