"""The retry policy: what happens after a failed attempt, with exponential backoff. Pure."""

from dataclasses import dataclass

from monitor.config.units import HOUR
from monitor.notify.failure import AttemptError, FailureKind
from monitor.records import Action, Delivery, Status

STEPS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
CEILING = {"urgent": 60.0, "other": 300.0}
RESOLVE_FOR = 48.0 * HOUR
"""How long a resolve is retried, in seconds of backoff. Not wall time, which a clock jump would use up."""
LIMITED_STEPS = (30.0, 30.0, 30.0, 120.0, 300.0)
MISCONFIGURED_EVERY = 300.0
LONGEST = 600.0
"""The longest wait, even if `Retry-After` is longer."""


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """The next state of the delivery.

    `not_before` is when to retry. `shrink`: retry with the smallest form. `pause`: no attempt of the whole channel
    before this time. `fall_back`: use the fallback channels now. Times are seconds since the epoch.
    """

    status: Status
    not_before: float
    shrink: bool = False
    pause: float = 0.0
    fall_back: bool = False


def next_attempt(
    failure: AttemptError, delivery: Delivery, now: float, jitter: float, *, is_small: bool = False
) -> NextAttempt:
    """Decide on a retry. `delivery.attempts` are those before this one; `jitter` in [0, 1) spreads retries."""
    attempts = delivery.attempts
    if failure.kind is FailureKind.MALFORMED:
        if is_small:
            return NextAttempt(Status.DEAD, now, fall_back=True)
        return NextAttempt(Status.PENDING, now, shrink=True)
    if failure.kind is FailureKind.FAILED and not is_small and attempts == 0:
        return NextAttempt(Status.PENDING, now, shrink=True)
    if failure.kind in (FailureKind.MISCONFIGURED, FailureKind.FAILED):
        return NextAttempt(Status.PENDING, now + MISCONFIGURED_EVERY, fall_back=True)
    if failure.kind is FailureKind.LIMITED:
        wait = LIMITED_STEPS[min(attempts, len(LIMITED_STEPS) - 1)]
        wait = wait if failure.retry_after is None else min(max(failure.retry_after, 0.0), LONGEST)
        return NextAttempt(Status.PENDING, now + wait, pause=now + wait)
    ceiling = CEILING["urgent" if delivery.is_critical else "other"]
    if delivery.action is Action.RESOLVE and attempts * ceiling > RESOLVE_FOR:
        return NextAttempt(Status.DEAD, now)
    wait = min(STEPS[attempts] if attempts < len(STEPS) else ceiling, ceiling)
    wait = max(wait * (0.5 + jitter / 2), min(failure.retry_after or 0.0, LONGEST))
    return NextAttempt(Status.PENDING, now + wait)
