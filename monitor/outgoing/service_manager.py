"""Tells systemd that the daemon is ready, alive and stopping (the protocol of sd_notify), if systemd has started it.

Without `NOTIFY_SOCKET` in the environment, as in a container or a terminal, nothing is sent. A message that cannot be
sent is dropped: systemd then acts as if it had not been.
"""

import contextlib
import os
import socket
from collections.abc import Mapping

_LONGEST = 200
"""Characters of a status."""


class ServiceManager:
    """The connection to systemd, as the environment describes it."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._watchdog = _microseconds(environment) if path else 0

    @property
    def every(self) -> float:
        """Seconds between two signs of life: half the time that systemd allows; 0 if it expects none."""
        return self._watchdog / 2e6

    def ready(self, status: str) -> None:
        """The daemon accepts requests."""
        self._send("READY=1", f"STATUS={_line(status)}")

    def alive(self, stuck: str) -> None:
        """A sign of life, unless the daemon is stuck: then only the reason, and systemd restarts it."""
        self._send(f"STATUS={_line(stuck)}") if stuck else self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The daemon has begun to stop."""
        self._send("STOPPING=1", "STATUS=stopping")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        # A hostile or vanished path must not stop the daemon.
        with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, kind) as out:
            out.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)


def _microseconds(environment: Mapping[str, str]) -> int:
    """The watchdog's time, if it is meant for this process."""
    usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    is_mine = pid in ("", str(os.getpid()))
    return int(usec) if is_mine and usec.isascii() and usec.isdigit() and len(usec) < 16 else 0


def _line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
