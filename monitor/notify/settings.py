"""`notify:` in the configuration: the channels. Routes from alerts to channels are under `alerts`."""

from monitor.config.sections import Duration, Section
from monitor.notify.channels.alertmanager import AlertmanagerSettings
from monitor.notify.channels.apprise import AppriseSettings
from monitor.notify.channels.datadog import DatadogEventSettings
from monitor.notify.channels.email import EmailSettings
from monitor.notify.channels.file import FileSettings
from monitor.notify.channels.jsm import JsmSettings
from monitor.notify.channels.newrelic import NewRelicEventSettings
from monitor.notify.channels.pagerduty import PagerDutySettings
from monitor.notify.channels.servicenow import ServiceNowSettings
from monitor.notify.channels.slack import SlackSettings
from monitor.notify.channels.teams import TeamsSettings
from monitor.notify.channels.webhook import WebhookSettings
from monitor.notify.dead_man import DeadManSettings


class NotifySettings(Section):
    """The notification channels; a channel without a section is not used."""

    pagerduty: PagerDutySettings | None = None
    """PagerDuty, Events API v2."""
    alertmanager: AlertmanagerSettings | None = None
    """A Prometheus Alertmanager. If you use it, omit `pagerduty`: only one of them should page."""
    slack: SlackSettings | None = None
    """Slack, through an incoming webhook."""
    email: EmailSettings | None = None
    """Email over SMTP."""
    webhook: WebhookSettings | None = None
    """A signed webhook."""
    apprise: AppriseSettings | None = None
    """Any service that Apprise supports."""
    jsm: JsmSettings | None = None
    """Jira Service Management, operations; also Opsgenie."""
    teams: TeamsSettings | None = None
    """Microsoft Teams, through the webhook of a workflow."""
    servicenow: ServiceNowSettings | None = None
    """Incidents in ServiceNow."""
    datadog: DatadogEventSettings | None = None
    """Alerts, releases and rollbacks as events in Datadog."""
    newrelic: NewRelicEventSettings | None = None
    """Alerts, releases and rollbacks as custom events in New Relic."""
    dead_man: DeadManSettings | None = None
    """An external service that raises an alarm when the daemon stops pinging it."""
    console: bool = True
    """Print every notification to standard error."""
    file: FileSettings | None = None
    """Append every notification to a file, as JSON lines."""
    spool: str = "watchkeeper.spool"
    """File that records notifications sent while the database was unavailable."""
    outage_after: Duration = 30.0
    """How long the database may be unavailable before critical pages are sent without it."""
    lease: Duration = 30.0
    """How long a delivery is reserved for the process that attempts it. Renewed during longer attempts."""
