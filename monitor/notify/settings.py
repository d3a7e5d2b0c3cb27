"""`notify:` in the configuration: the channels that exist. Which alert takes which is under `alerts`."""

from monitor.notify.file import FileSettings
from monitor.notify.pagerduty import PagerDutySettings
from monitor.settings import Duration, Section


class NotifySettings(Section):
    """The channels; one that is left out does not exist."""

    pagerduty: PagerDutySettings | None = None
    """PagerDuty, Events API v2."""
    console: bool = True
    """Print every notification on standard error."""
    file: FileSettings | None = None
    """Append every notification to a file, as JSON lines."""
    lease: Duration = 30.0
    """How long a delivery belongs to the process that tries it; longer than any attempt takes."""
