"""Tries an exporter without a running daemon: is its address reachable, does the other side accept a point?"""

import platform
from pathlib import Path
from urllib.parse import unquote, urlsplit

from monitor import __version__
from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.push.exporter import ExporterSettings
from monitor.exporters.push.point import Point
from monitor.notify.delivery.reachability import host_of, problem_of
from monitor.outgoing import CallBudget


def place_of(section: ExporterSettings) -> str:
    """Where it sends to: a host, or the path of a socket."""
    parts = urlsplit(section.address)
    return unquote(parts.path) if parts.scheme == "unix" else host_of(section.address)


def connection_problem(section: ExporterSettings) -> str:
    """Why the address cannot be reached; empty if it can, or if that is not known (UDP)."""
    scheme = urlsplit(section.address).scheme
    if scheme == "unix":
        return "" if Path(place_of(section)).is_socket() else "there is no socket at this path"
    return "" if scheme == "udp" else problem_of(section.address, section.route)


def send_one(section: ExporterSettings, now: float) -> str:
    """Send one point, the daemon's version; return the answer in a few words.

    Raises:
        AttemptError: it was not accepted.
        OSError: a file of the section cannot be read.
    """
    exporter = section.make_exporter(platform.node()[:128] or "watchkeeper")
    try:
        point = Point(BY_NAME["watchkeeper_build"], (__version__,), 1.0, now)
        sent = exporter.send([point], CallBudget(section.timeout))
    finally:
        exporter.close()
    refused = "; the point was refused" if sent.refused else ""
    return f"{point.name}: {sent.detail}{refused}"
