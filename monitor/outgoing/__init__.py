"""Outgoing connections, with one deadline and one size limit per call."""

from monitor.outgoing.budget import MOST_BYTES, Budget
from monitor.outgoing.client import FAILURES, client, reason
from monitor.outgoing.route import Route, proxy_for
from monitor.outgoing.stream import LimitedStream, connect

__all__ = [
    "FAILURES",
    "MOST_BYTES",
    "Budget",
    "LimitedStream",
    "Route",
    "client",
    "connect",
    "proxy_for",
    "reason",
]
