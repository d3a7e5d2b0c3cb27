"""The plan of a rollout: which share of the traffic the canary receives, and for how long it is watched at each."""

import math
from collections.abc import Sequence

from monitor.config.units import DAY, format_duration, format_number, parse_duration
from monitor.errors import InputError
from monitor.rollouts.verdict import FINAL_MINUTES
from monitor.store.rollouts import Stage

DEFAULT = "5:10m,10:10m,25:10m,50:30m,100:30m"
"""An hour of comparing both versions, and half an hour of the new one alone."""
HALF = "5:5m,10:5m,25:5m,50:15m,100:15m"
"""The same in half the time: half an hour of comparing."""
BLUE_GREEN = "100:60m"
"""One switch, watched for an hour."""
_MOST_STAGES = 50
_EXAMPLE = f"write SHARE:DURATION, such as {DEFAULT}"


def parse_plan(text: str, base_seconds: int) -> tuple[Stage, ...]:
    """The stages of `5:10m,50:30m,100:30m`: percent and duration of each.

    Raises:
        InputError: it is not such a list; the shares do not rise to 100; a stage or the whole is too short.
    """
    stages = tuple(_stage(part.strip()) for part in text.split(","))
    if len(stages) > _MOST_STAGES:
        raise InputError(f"{len(stages)} stages are more than {_MOST_STAGES}", hint=_EXAMPLE)
    shares = [stage.share for stage in stages]
    if shares != sorted(set(shares)) or shares[-1] != 100:
        raise InputError(f"the shares of '{_short(text)}' do not rise to 100", hint=_EXAMPLE)
    if short := next((stage for stage in stages if stage.seconds < base_seconds), None):
        base = format_duration(base_seconds)
        raise InputError(f"the stage of {percent(short.share)} is shorter than a window of {base}")
    needed = FINAL_MINUTES * base_seconds
    if total(stages) < needed:
        raise InputError(
            f"the plan takes {format_duration(total(stages))} in total; to promote a version takes "
            f"{format_duration(needed)}",
            hint="make the stages longer",
        )
    return stages


def total(stages: Sequence[Stage]) -> float:
    """Seconds of all stages together."""
    return math.fsum(stage.seconds for stage in stages)


def written(stages: Sequence[Stage]) -> str:
    """A plan as `parse_plan` reads it."""
    return ",".join(f"{stage.share:g}:{format_duration(stage.seconds)}" for stage in stages)


def in_words(stages: Sequence[Stage]) -> str:
    """A plan in words: `5 % for 10m, 50 % for 30m`."""
    return ", ".join(f"{percent(stage.share)} for {format_duration(stage.seconds)}" for stage in stages)


def percent(share: float) -> str:
    """`5 %`."""
    return f"{format_number(share)} %"


def _stage(part: str) -> Stage:
    share, colon, duration = part.partition(":")
    try:
        stage = Stage(float(share), parse_duration(duration))
    except ValueError as error:
        raise InputError(f"'{_short(part)}' is not a step of a rollout", hint=_EXAMPLE) from error
    if not colon or not 0 < stage.share <= 100:
        raise InputError(
            f"'{_short(part)}' is not a share of the traffic above 0 and up to 100", hint=_EXAMPLE
        )
    if not 0 < stage.seconds <= 30 * DAY:
        raise InputError(f"'{_short(part)}' is not between a second and 30 days long", hint=_EXAMPLE)
    return stage


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
