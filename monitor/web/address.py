"""Whether one can listen at an address: asked before anything is started."""

import socket
from contextlib import closing

from monitor.errors import WatchkeeperError

HINT = "is a daemon running already? Else choose another `web.listen`"


def refusal(host: str, port: int) -> str:
    """Why nobody can listen there now, in the system's words; empty if one can."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with closing(socket.socket(family, kind, protocol)) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def ensure_free(host: str, port: int) -> None:
    """Raise where one cannot listen.

    Raises:
        WatchkeeperError: with the reason, and what to do.
    """
    reason = refusal(host, port)
    if reason:
        raise WatchkeeperError(f"cannot listen on {host}:{port}: {reason}", hint=HINT)
