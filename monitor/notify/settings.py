"""`notify:` in the configuration: the channels. Routes from alerts to channels are under `alerts`."""

from monitor.config.sections import Duration, Section
from monitor.notify.channels.alertmanager import AlertmanagerSettings
from monitor.notify.channels.apprise import AppriseSettings
from monitor.notify.channels.email import EmailSettings
from monitor.notify.channels.file import FileSettings
from monitor.notify.channels.pagerduty import PagerDutySettings
from monitor.notify.channels.slack import SlackSettings
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
    """E-mail over SMTP."""
    webhook: WebhookSettings | None = None
    """A signed webhook."""
    apprise: AppriseSettings | None = None
    """Any service that Apprise supports."""
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
