"""`notify:` in the configuration: the channels that exist. Which alert takes which is under `alerts`."""

from monitor.notify.alertmanager import AlertmanagerSettings
from monitor.notify.apprise import AppriseSettings
from monitor.notify.dead_man import DeadManSettings
from monitor.notify.email import EmailSettings
from monitor.notify.file import FileSettings
from monitor.notify.pagerduty import PagerDutySettings
from monitor.notify.slack import SlackSettings
from monitor.notify.webhook import WebhookSettings
from monitor.settings import Duration, Section


class NotifySettings(Section):
    """The channels; one that is left out does not exist."""

    pagerduty: PagerDutySettings | None = None
    """PagerDuty, Events API v2."""
    alertmanager: AlertmanagerSettings | None = None
    """A Prometheus Alertmanager; with it, leave `pagerduty` out: only one of them should page."""
    slack: SlackSettings | None = None
    """Slack, through an incoming webhook."""
    email: EmailSettings | None = None
    """E-mail over SMTP."""
    webhook: WebhookSettings | None = None
    """A signed webhook."""
    apprise: AppriseSettings | None = None
    """Any service that Apprise knows."""
    dead_man: DeadManSettings | None = None
    """An outside service that raises the alarm when this daemon stops pinging it."""
    console: bool = True
    """Print every notification on standard error."""
    file: FileSettings | None = None
    """Append every notification to a file, as JSON lines."""
    spool: str = "watchkeeper.spool"
    """Where pages are noted that went out while the shared database was out of reach."""
    lease: Duration = 30.0
    """How long a delivery belongs to the process that tries it; longer than any attempt takes."""
