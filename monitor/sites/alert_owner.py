"""Who judges a model: the site where it runs, or the agency. One of them does, so that nobody is paged twice."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from monitor.records import DAEMON, Stream
from monitor.sites.settings import KnownSite, SiteSettings
from monitor.store import site_windows
from monitor.store import streams as stream_rows

IsElsewhere = Callable[[Stream], bool]


def judged_elsewhere(
    site: SiteSettings, sites: Mapping[str, KnownSite]
) -> Callable[[Connection], IsElsewhere]:
    """What tells for which streams this daemon evaluates no rules; always for all but its own at a site whose agency
    judges.
    """

    def find(connection: Connection) -> IsElsewhere:
        if site.name and site.alerts == "agency":
            return lambda stream: stream != DAEMON
        judging = site_windows.judging(connection) if sites else frozenset()
        if not judging:
            return lambda _stream: False
        away = {one.stream for one in stream_rows.figures_of_all(connection) if one.site in judging}
        return away.__contains__

    return find
