"""Round local times for the axis of a chart."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.config.units import DAY, HOUR
from monitor.health.locale import CURRENT

_STEPS = (
    60, 300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
    *(days * DAY for days in (1, 2, 5, 7, 14, 30, 60, 120)),
)  # fmt: skip


def ticks(start: float, end: float, zone: ZoneInfo, most: int = 6) -> list[tuple[float, str]]:
    """Round local times in a range, with labels: the date at midnight, else the time of day."""
    step = next((step for step in _STEPS if (end - start) / step <= most), _STEPS[-1])
    first, last = datetime.fromtimestamp(start, zone).date(), datetime.fromtimestamp(end, zone).date()
    days, labelled = max(1, step // DAY), []
    for number in range(first.toordinal(), last.toordinal() + 1):
        if number % days:
            continue
        midnight = datetime.combine(first, datetime.min.time()) + timedelta(days=number - first.toordinal())
        for offset in range(0, DAY, min(step, DAY)):
            local_time = midnight + timedelta(seconds=offset)
            at = local_time.replace(tzinfo=zone).timestamp()
            if start <= at <= end:
                label = local_time.strftime("%H:%M") if offset else CURRENT.get().day_month(local_time)
                labelled.append((at, label))
    return labelled
