"""`canary:` of a model in the configuration: by how much a canary may be worse than the stable version."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from monitor.config.sections import Section, no_flag


def _share(value: Any) -> Any:
    """A share from `5%`, or a number."""
    written = value.strip() if isinstance(value, str) else ""
    if not written.endswith("%"):
        return no_flag(value)
    try:
        return float(written[:-1]) / 100
    except ValueError as error:
        msg = f"{value!r} is not a share (use 5%)"
        raise ValueError(msg) from error


def _times(value: Any) -> Any:
    """A factor from a number; a percentage would be misunderstood."""
    if isinstance(value, str) and value.strip().endswith("%"):
        msg = f"{value!r} is not a number of times (use 1.5)"
        raise ValueError(msg)
    return no_flag(value)


Times = Annotated[float, BeforeValidator(_times), Field(ge=1, le=10)]
"""So many times the figure of the stable version."""
Points = Annotated[float, BeforeValidator(_share), Field(ge=0, le=0.5)]
"""A difference of two shares, written as `1%` (one point) or 0.01."""


class CanaryTolerances(Section):
    """By how much a canary may be worse than the stable version before its rollout is stopped."""

    failures: Times = 1.5
    """It may fail this many times as often."""
    failure_limit: Annotated[float, BeforeValidator(_share), Field(gt=0, le=0.5)] = 0.05
    """The share of failures that it may have at most, unless the stable version has more."""
    latency: Times = 1.5
    """Its median and its 95th percentile may be this many times as long. One that takes twice as long is to be found
    soon, so this is below 2."""
    quality: Points = 0.01
    """It may be wrong this much more often, measured or estimated."""
    error: Times = 1.1
    """Numbers: its mean absolute error may be this many times as large."""
    automation: Points = 0.02
    """This much less may be automated."""
    reviews: Points = 0.02
    """People may review this much more."""
    cost: Times = 1.2
    """An answer may cost this many times as much on average."""
    outputs: Points = 0.1
    """This share of its answers may be others (total variation)."""


USUAL = CanaryTolerances()
"""The tolerances of a model that configures none."""
