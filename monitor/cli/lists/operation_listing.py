"""What commands show of sources, gauges, exporters, sites, digests and the audit log."""

import time

from monitor import __version__
from monitor.cli import daemon_client
from monitor.cli.lists.daemon_or_store import read
from monitor.cli.store_option import opened
from monitor.config.root import Config
from monitor.digest import Sender
from monitor.errors import WatchkeeperError
from monitor.health.settings import ClientSettings
from monitor.store.audit import AuditFilter
from monitor.visible import counted
from monitor.web.api.staff import operation_lists as lists
from monitor.web.api.staff import operation_schemas as schemas
from monitor.web.api.staff.staff_query import LARGEST_PAGE


def sources(settings: Config) -> list[schemas.SourceAnswer]:
    """The configured sources."""
    counts_all = {name: section.counts_all for name, section in settings.sources.items()}
    return read(settings, "sources", list[schemas.SourceAnswer], lists.sources, time.time(), counts_all)


def gauges(settings: Config) -> list[schemas.GaugeAnswer]:
    """The configured gauges with their figures of the last minutes."""
    if (daemon := daemon_client.running(settings)) is not None:
        return daemon.get("gauges", list[schemas.GaugeAnswer])
    return lists.gauges(opened(settings), time.time(), settings.gauges, "")


def exporters(settings: Config) -> list[schemas.ExporterAnswer]:
    """The configured exporters, with their failures."""
    kind = list[schemas.ExporterAnswer]
    return read(settings, "exporters", kind, lists.exporters, time.time(), settings.exporters)


def sites(settings: Config) -> schemas.SitesAnswer:
    """How far this site has come, and what has arrived of others."""
    given = (time.time(), settings.site, settings.sites)
    return read(settings, "sites", schemas.SitesAnswer, lists.sites, *given)


def entries(settings: Config, client: str, who: str, since: float, most: int) -> list[schemas.EntryAnswer]:
    """At most `most` entries of the audit log, newest first."""
    wanted = AuditFilter(client, who=who, start=since)
    if (daemon := daemon_client.running(settings)) is None:
        with opened(settings).read() as connection:
            return lists.entries(connection, wanted, most)
    gathered = list[schemas.EntryAnswer]()
    while len(gathered) < most:
        one = min(most - len(gathered), LARGEST_PAGE)
        page = daemon.get(
            "audit",
            list[schemas.EntryAnswer],
            client=client,
            who=who,
            since=since,
            most=one,
            offset=len(gathered),
        )
        if len(page) > one:
            raise WatchkeeperError(f"the daemon answered {counted(len(page), 'entry')} instead of {one:,}")
        gathered += page
        if len(page) < one:
            break
    return gathered


def digest(settings: Config, client: str, kind: str) -> schemas.LettersAnswer:
    """The digest of a client that would be sent now."""
    if (daemon := daemon_client.running(settings)) is not None:
        return daemon.get("digests", schemas.LettersAnswer, client=client, kind=kind)
    base, url = int(settings.predictions.base_window), settings.web.public_url
    sender = Sender(opened(settings), settings.clients, (), url, __version__, base)
    return lists.digest(sender, client, kind, time.time())


def service_report(settings: Config, client: str, period: str) -> schemas.LettersAnswer:
    """The service report of a client on a period; on the last month if none is named."""
    given = (client, settings.clients.get(client, ClientSettings()), period, time.time())
    kind, asked = schemas.LettersAnswer, {"client": client, "period": period}
    return read(settings, "service-reports", kind, lists.service_report, *given, **asked)
