"""Which user's program holds the other end of a connection within this machine.

A reverse proxy on the same machine looks like a person at it: the connection comes from a loopback address. But its
program runs as another user, and the kernel tells whose socket it is.
"""

import os
import socket
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from litestar.types import Scope

from monitor.web.connections import Connection

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MAPPED = bytes(10) + b"\xff\xff"


def is_same_user(scope: Scope) -> Callable[[], bool]:
    """Whether a request may come from a program of the user who runs the daemon: not where the kernel tells another."""

    def asked() -> bool:
        connection = scope.get("state", {}).get("connection")
        if not isinstance(connection, Connection) or connection.ends is None:
            return True
        if connection.is_of_same_user is None:  # it stays as it is for all requests of a connection
            owner = owner_of(*connection.ends)
            connection.is_of_same_user = owner is None or owner == os.geteuid()
        return connection.is_of_same_user

    return asked


def owner_of(peer: tuple[str, int], own: tuple[str, int], tables: tuple[Path, ...] = _TABLES) -> int | None:
    """The id of the user whose socket has the address `peer` and is connected to `own`; None if that is not known."""
    wanted = {(left, right) for left in _written(*peer) for right in _written(*own)}
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 7 and (fields[1], fields[2]) in wanted and fields[7].isdigit():
                return int(fields[7])
    return None


@lru_cache(64)
def _words(address: str) -> tuple[str, ...]:
    """An address as the tables write it: words of 32 bits, in the order of this machine's bytes."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError:
        return ()
    if len(packed) == 16 and packed.startswith(_MAPPED):
        packed = packed[12:]
    forms = [packed] if len(packed) == 16 else [packed, _MAPPED + packed]
    return tuple(
        "".join(f"{int.from_bytes(form[at : at + 4], 'little'):08X}" for at in range(0, len(form), 4))
        for form in forms
    )


def _written(address: str, port: int) -> list[str]:
    return [f"{form}:{port:04X}" for form in _words(address.partition("%")[0])]
