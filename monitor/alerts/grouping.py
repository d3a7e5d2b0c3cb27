"""Grouping: which alerts share an incident: those of one rule whose labels named by `group_by` are equal.

Another rule is another kind of problem. Within the incident of the first one, nobody would be notified of it.
"""

from monitor.alerts.notification import alert_labels
from monitor.alerts.settings import Route
from monitor.records import Alert


def group(alert: Alert, route: Route) -> str:
    """The rule and the values of the `group_by` labels, such as `alert=HighLatency,client=acme`; unique to the alert
    without `group_by`.
    """
    if not route.group_by:
        return f"{alert.fingerprint}:{alert.episode}"
    labels = alert_labels(alert)
    names = dict.fromkeys(("alert", *route.group_by))
    return ",".join(f"{name}={labels.get(name, '')}" for name in names)
