"""Routing: which route (channels, wait, grouping, hours) applies to an alert, and when its hours begin."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.alerts.notification import alert_labels
from monitor.alerts.settings import DAY, DAYS, AlertSettings, Hours, Route
from monitor.records import Alert, Severity
from monitor.rules.language.matchers import all_match


def route(alert: Alert, settings: AlertSettings) -> Route:
    """The first of `routes` that matches, otherwise the route of the alert's severity."""
    labels = alert_labels(alert) if settings.routes else {}
    for override in settings.routes:
        if all_match(override.match, labels):
            return override
    tiers = {Severity.CRITICAL: settings.critical, Severity.WARNING: settings.warning}
    return tiers.get(alert.severity, settings.info)


def opening(hours: Hours | None, now: float) -> float:
    """`now` within the hours, otherwise their next start. Seconds since the epoch.

    Hours follow the local calendar, also on days of 23 or 25 hours.
    """
    if hours is None:
        return now
    zone = ZoneInfo(hours.timezone)
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    end_minute = hours.end if hours.end > hours.start else hours.end + DAY
    for ahead in range(-1, 9):  # yesterday's hours may last until this morning
        day = today + timedelta(days=ahead)
        if DAYS[day.weekday()] not in hours.days:
            continue
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        start = (midnight + timedelta(minutes=hours.start)).timestamp()
        end = (midnight + timedelta(minutes=end_minute)).timestamp()
        if now < end:
            return max(now, start)
    return now
