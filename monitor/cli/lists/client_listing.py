"""What commands list of clients: read by the running daemon, with a key, or in the store if none is asked.

Both ways give the same records, so one function prints them.
"""

import time

from monitor.cli import daemon_client
from monitor.cli.store_option import opened
from monitor.config.root import Config
from monitor.config.rule_files import configured
from monitor.errors import InputError, WatchkeeperError
from monitor.health.settings import ClientSettings
from monitor.status import StatusAnswer
from monitor.visible import counted
from monitor.web.api.schemas import AlertAnswer
from monitor.web.api.staff import staff_lists
from monitor.web.api.staff.staff_schemas import QuarantineAnswer, RejectedAnswer, StaffIncidentAnswer

PAGE = 1_000
"""The most records that the daemon answers at once."""


def states(settings: Config, client: str) -> list[StatusAnswer]:
    """The state of every model of a client, or of all, worst first."""
    if (daemon := daemon_client.running(settings)) is not None:
        return daemon.get("status", list[StatusAnswer], client=client)
    said, base = configured(settings), int(settings.predictions.base_window)
    with opened(settings).read() as connection:
        return staff_lists.states(connection, time.time(), base, said, client)


def alerts(settings: Config, client: str, *, resolved: bool) -> list[AlertAnswer]:
    """The open alerts of a client, or of all, most severe first; also the resolved ones if asked for."""
    if (daemon := daemon_client.running(settings)) is not None:
        wanted = "true" if resolved else "false"
        return daemon.get("alerts", list[AlertAnswer], client=client, resolved=wanted)
    with opened(settings).read() as connection:
        return staff_lists.alerts(connection, time.time(), settings.alerts, client, resolved=resolved)


def incidents(settings: Config, client: str) -> list[StaffIncidentAnswer]:
    """The incidents of a client in the last 30 days, newest first.

    Raises:
        InputError: the client has no name.
    """
    if not client:
        raise InputError("the client is empty", hint="use its key in the configuration")
    if (daemon := daemon_client.running(settings)) is not None:
        return daemon.get("incidents", list[StaffIncidentAnswer], client=client)
    with opened(settings).read() as connection:
        return staff_lists.incidents(
            connection, time.time(), [client], lambda name: settings.clients.get(name, ClientSettings())
        )


def quarantine(settings: Config, client: str, most: int) -> QuarantineAnswer:
    """At most `most` rejected records of a client, or of all, newest first, and the number of all by reason."""
    if (daemon := daemon_client.running(settings)) is None:
        with opened(settings).read() as connection:
            return staff_lists.quarantine(connection, time.time(), client, most)
    records, before = list[RejectedAnswer](), 0
    while True:
        wanted = min(most - len(records), PAGE)
        page = daemon.get("quarantine", QuarantineAnswer, client=client, most=wanted, before=before)
        records += page.records
        if not page.before or len(records) >= most:
            return QuarantineAnswer(records, page.rejections, page.before)
        if len(page.records) != wanted:
            had = f"{counted(len(page.records), 'rejected record')} instead of {wanted:,}"
            raise WatchkeeperError(f"the daemon answered {had}, and says that there are more")
        before = page.before
