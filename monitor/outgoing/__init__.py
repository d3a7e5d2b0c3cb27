"""Outgoing connections, with one deadline and one size limit per call."""

from monitor.outgoing.budget import MOST_BYTES, CallBudget
from monitor.outgoing.client import FAILURES, client, reason
from monitor.outgoing.route import OutgoingRoute, proxy_for
from monitor.outgoing.stream import LimitedStream, connect

__all__ = [
    "FAILURES",
    "MOST_BYTES",
    "CallBudget",
    "LimitedStream",
    "OutgoingRoute",
    "client",
    "connect",
    "proxy_for",
    "reason",
]
