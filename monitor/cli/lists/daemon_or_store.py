"""Asks the running daemon, or reads the store."""

from collections.abc import Callable
from typing import TypeVar

from monitor.cli import daemon_client
from monitor.cli.store_option import opened
from monitor.config.root import Config

T = TypeVar("T")


def read(
    settings: Config,
    path: str,
    kind: type[T],
    reading: Callable[..., T],
    /,
    *given: object,
    **parameters: str | float,
) -> T:
    """What the daemon answers on a path with `parameters`; without one to ask, what a function reads, called with a
    connection to the store and `given`.

    Raises:
        WatchkeeperError: the daemon refuses it or does not answer, or the store cannot be read.
    """
    if (daemon := daemon_client.running(settings)) is not None:
        return daemon.get(path, kind, **parameters)
    with opened(settings).read() as connection:
        return reading(connection, *given)
