"""How long a silence has to be before it cannot be a pause of the traffic: from the pauses that were seen. Pure.

A silence counts as unusual when it is `BEYOND` times as long as the longest usual pause. After n pauses, the next one
is longer than all of them with a probability of 1 / (n + 1), and longer than four times the longest with one of
n^-4 if pauses are exponential, and of 4^-a / n if their tail falls with the power a. Summed up over 30 days, that is
less than one false alarm for each model if a is 2 or more.

A pause that was reported as unusual is probably an outage. It is usual only at the same time of another day, or once
there were two as long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.config.units import DAY, HOUR, MINUTE, WEEK

BEYOND = 4.0
SHORTEST = float(MINUTE)
"""Seconds of silence that are never unusual."""
NEW = float(HOUR)
NEW_SHORTEST = 4.0 * MINUTE
"""The same while the traffic has been watched for less than `NEW`: a burst may not be known as one yet."""
FEWEST = 5.0 * MINUTE
"""Seconds for which traffic must have been watched."""
FEWEST_ARRIVALS = 30
"""Looks at which something had come in, at least: of fewer pauses, the longest says little."""
_SAME_TIME = float(HOUR)
_SAME_LENGTH = 1.25


@dataclass(frozen=True, slots=True)
class Pause:
    """A time without predictions: when it began, how long it lasted, and whether it was unusual then."""

    start: float
    seconds: float
    is_unusual: bool = False


def longest_usual(pauses: Sequence[Pause]) -> float:
    """The longest pause that is usual, in seconds; 0 without any."""
    unusual = sorted((pause.seconds for pause in pauses if pause.is_unusual), reverse=True)
    usual = max((pause.seconds for pause in pauses if not pause.is_unusual), default=0.0)
    return max(usual, unusual[1] if len(unusual) > 1 else 0.0)


def allowed(pauses: Sequence[Pause], watched: float, arrivals: int, began: float) -> float | None:
    """The seconds up to which a silence that began then may be a pause; None if the traffic is not known well enough.

    `watched` is for how many seconds the traffic was watched before, `arrivals` how often something came in.
    """
    if watched < FEWEST or arrivals < FEWEST_ARRIVALS:
        return None
    least = NEW_SHORTEST if watched < NEW else SHORTEST
    same = [pause.seconds for pause in pauses if _is_same_time(pause.start, began)]
    return max(least, BEYOND * longest_usual(pauses), _SAME_LENGTH * max(same, default=0.0))


def _is_same_time(earlier: float, began: float) -> bool:
    """Whether two pauses began at about the same time of the day before, or of the week before."""
    return any(abs(began - earlier - period) <= _SAME_TIME for period in (DAY, WEEK))
