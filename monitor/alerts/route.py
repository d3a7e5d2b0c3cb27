"""Which route an alert takes, and when it may be told."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.alerts.notification import alert_labels
from monitor.alerts.settings import DAYS, AlertSettings, Hours, Route
from monitor.records import Alert, Severity
from monitor.rules.matchers import all_match


def route(alert: Alert, settings: AlertSettings) -> Route:
    """The first special route that matches, else that of the alert's tier."""
    labels = alert_labels(alert) if settings.routes else {}
    for special in settings.routes:
        if all_match(special.match, labels):
            return special
    tiers = {Severity.CRITICAL: settings.critical, Severity.WARNING: settings.warning}
    return tiers.get(alert.severity, settings.info)


def opening(hours: Hours | None, now: float) -> float:
    """`now` within the hours, else the moment at which they next begin.

    Days are those of the local calendar, so that a day of 23 or 25 hours opens at its own nine o'clock.
    """
    if hours is None:
        return now
    zone = ZoneInfo(hours.timezone)
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    for ahead in range(9):
        day = today + timedelta(days=ahead)
        if DAYS[day.weekday()] not in hours.days:
            continue
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        start = (midnight + timedelta(minutes=hours.start)).timestamp()
        end = (midnight + timedelta(minutes=hours.end)).timestamp()
        if now < end:
            return max(now, start)
    return now


def group(alert: Alert, wanted: Route) -> str:
    """What an alert has in common with others of its group; its own name where it stands alone."""
    if not wanted.group_by:
        return f"{alert.fingerprint}:{alert.episode}"
    labels = alert_labels(alert)
    return ",".join(f"{name}={labels.get(name, '')}" for name in wanted.group_by)
