"""What to do after a failed attempt. A pure table; nothing is given up while it may still be told."""

from dataclasses import dataclass

from monitor.notify.failure import AttemptError, Kind
from monitor.records import Action, Delivery, Status

STEPS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
CEILING = {"urgent": 60.0, "other": 300.0}
RESOLVE_FOR = 48 * 3600.0
"""How long an end is tried, in seconds of trying: a clock that jumps ahead must not leave an incident open."""
LIMITED_STEPS = (30.0, 30.0, 30.0, 120.0, 300.0)
MISCONFIGURED_EVERY = 300.0
LONGEST = 600.0
"""However long the other side asks to wait."""


@dataclass(frozen=True, slots=True)
class Next:
    """The delivery's next state.

    `not_before` is when to try again. `shrink` asks for the smallest form of the message. `pause` holds the
    whole channel back until then. `fall_back` says that another way must be taken now.
    """

    status: Status
    not_before: float
    shrink: bool = False
    pause: float = 0.0
    fall_back: bool = False


def after(
    failure: AttemptError, delivery: Delivery, now: float, jitter: float, *, is_small: bool = False
) -> Next:
    """Decide. `delivery.attempts` counts the attempts before this one; `jitter` in [0, 1) spreads retries."""
    attempts = delivery.attempts
    if failure.kind is Kind.MALFORMED:
        if is_small:
            return Next(Status.DEAD, now, fall_back=True)
        return Next(Status.PENDING, now, shrink=True)
    if failure.kind is Kind.MISCONFIGURED:
        return Next(Status.PENDING, now + MISCONFIGURED_EVERY, fall_back=True)
    if failure.kind is Kind.LIMITED:
        wait = LIMITED_STEPS[min(attempts, len(LIMITED_STEPS) - 1)]
        wait = wait if failure.retry_after is None else min(max(failure.retry_after, 0.0), LONGEST)
        return Next(Status.PENDING, now + wait, pause=now + wait)
    ceiling = CEILING["urgent" if delivery.priority <= 1 else "other"]
    if delivery.action is Action.RESOLVE and attempts * ceiling > RESOLVE_FOR:
        return Next(Status.DEAD, now)
    wait = min(STEPS[attempts] if attempts < len(STEPS) else ceiling, ceiling)
    wait = max(wait * (0.5 + jitter / 2), min(failure.retry_after or 0.0, LONGEST))
    return Next(Status.PENDING, now + wait)
