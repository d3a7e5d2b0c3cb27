"""Round local times for the axis of a chart."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_HOUR, _DAY = 3600, 86400
_STEPS = (
    60, 300, 600, 900, 1800, _HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR,
    *(days * _DAY for days in (1, 2, 5, 7, 14, 30, 60, 120)),
)  # fmt: skip


def ticks(start: float, end: float, zone: ZoneInfo, most: int = 6) -> list[tuple[float, str]]:
    """Round local times in a stretch, with their labels: the date at midnight, else the time of day."""
    step = next((step for step in _STEPS if (end - start) / step <= most), _STEPS[-1])
    first, last = datetime.fromtimestamp(start, zone).date(), datetime.fromtimestamp(end, zone).date()
    days, found = max(1, step // _DAY), []
    for number in range(first.toordinal(), last.toordinal() + 1):
        if number % days:
            continue
        midnight = datetime.combine(first, datetime.min.time()) + timedelta(days=number - first.toordinal())
        for offset in range(0, _DAY, min(step, _DAY)):
            local_time = midnight + timedelta(seconds=offset)
            at = local_time.replace(tzinfo=zone).timestamp()
            if start <= at <= end:
                found.append((at, local_time.strftime("%-d %b" if offset == 0 else "%H:%M")))
    return found
