"""When a resource will be used up, if it goes on as before."""

import numpy as np

HOUR = 3600
DAY_HOURS = 24
_DAYS = 3
_LEAST_PAIRS = 12
"""Hours that must be known on two days."""
_RECENT_HOURS = 12
_FARTHEST = 10_000.0
"""Hours beyond which no forecast is made."""


def hours_left(hourly: list[tuple[int, float]], used: float, now: float) -> tuple[float | None, str]:
    """Hours until the used share reaches 1, and the reason where there is no such figure.

    `hourly` are the begins of hours, in seconds since the epoch, with the mean share of each. The slope is the median
    of the slopes between the same hours of two days (Hirsch, Slack and Smith 1982): most loads repeat each day, and a
    line through less than two days would take each morning for the end of the disk. The last twelve hours must
    have risen since the day before as well, and the slower slope counts.
    """
    points = {begin // HOUR: share for begin, share in hourly if begin >= now - _DAYS * DAY_HOURS * HOUR}
    pairs = [
        (hour, (share - points[earlier]) / (hour - earlier))
        for hour, share in points.items()
        for earlier in range(hour - _DAYS * DAY_HOURS, hour, DAY_HOURS)
        if earlier in points
    ]
    hours = len({hour for hour, _ in pairs})
    recent = [
        (share - points[hour - DAY_HOURS]) / DAY_HOURS
        for hour, share in points.items()
        if hour >= now // HOUR - _RECENT_HOURS and hour - DAY_HOURS in points
    ]
    if hours < _LEAST_PAIRS or not recent:
        return None, f"{hours} of {_LEAST_PAIRS} hours are known on two days"
    rate = min(float(np.median([slope for _, slope in pairs])), float(np.median(recent)))
    if rate <= 0:
        return None, "it does not rise"
    left = max(0.0, 1.0 - used) / rate
    return (left, "") if left <= _FARTHEST else (None, "it hardly rises")
