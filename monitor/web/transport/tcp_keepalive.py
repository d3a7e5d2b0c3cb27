"""Peers that vanish silently: the system closes their connections."""

import asyncio
import contextlib
import socket

ACKNOWLEDGES_WITHIN = 45.0
"""Seconds after which a peer whose machine acknowledges nothing is gone. Streams send something every 15 s."""


def enable_keepalive(transport: asyncio.Transport) -> None:
    """Have the system close the connection if its peer vanishes silently, as a laptop that sleeps does.

    Otherwise the system would send again for a quarter of an hour, during which the connection counts as open.
    """
    known = transport.get_extra_info("socket")
    if known is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        with contextlib.suppress(OSError):  # it is closed, or has another family
            known.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(ACKNOWLEDGES_WITHIN * 1000))
