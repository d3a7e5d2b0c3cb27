"""Checks, before anything is started, whether an address can be listened on."""

import socket
from contextlib import closing

from monitor.errors import WatchkeeperError

HINT = "stop the daemon that uses it, or set another `web.listen`"


def problem(host: str, port: int) -> str:
    """Why the address cannot be listened on, from the operating system; empty if it can."""
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in addresses:
            with closing(socket.socket(family, kind, protocol)) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def ensure_free(host: str, port: int) -> None:
    """Check that the address can be listened on.

    Raises:
        WatchkeeperError: with the reason and a hint.
    """
    reason = problem(host, port)
    if reason:
        raise WatchkeeperError(f"cannot listen on {host}:{port}: {reason}", hint=HINT)
