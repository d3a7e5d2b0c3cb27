"""The settings of a client: from arguments, else from the environment."""

from __future__ import annotations

import os
from typing import NamedTuple


class Limits(NamedTuple):
    """Bounds of what a client holds, sends and waits for. Sizes are bytes, times are seconds."""

    queue_records: int = 50_000
    queue_bytes: int = 64 * 1024 * 1024
    batch_records: int = 500
    batch_bytes: int = 900_000
    """Below the megabyte that proxies let through."""
    record_bytes: int = 400_000
    linger: float = 1.0
    """How long a record waits for others to go with it."""
    request_timeout: float = 10.0
    """For one request, from the look-up of the name to the last byte of the answer."""
    exit_timeout: float = 3.0
    """How long the end of the interpreter waits for what is not sent yet."""
    spool_bytes: int = 256 * 1024 * 1024


class Target(NamedTuple):
    """What stands in each record that does not say otherwise."""

    client: str | None
    model: str | None
    version: str | None
    environment: str | None

    def fields(self) -> dict[str, object]:
        """Those that are given, as they stand in a record."""
        return {name: value for name, value in self._asdict().items() if value}


def from_environment(name: str, given: str | None) -> str | None:
    """`given`, else the value of `WATCHKEEPER_<NAME>`, else None."""
    return given if given is not None else (os.environ.get(f"WATCHKEEPER_{name}") or None)


def spool_folder(given: str | os.PathLike[str] | None) -> str | None:
    """The folder of the spool; None where there is to be none."""
    folder = given if given is not None else os.environ.get("WATCHKEEPER_SPOOL")
    return os.fspath(folder) if folder else None
