"""The command line is built once a process: Typer builds all of its commands for each call of a test, 20 ms of CPU."""

from functools import lru_cache

import typer.testing
from typer.main import get_command


def remember() -> None:
    """From now on, the runner of commands builds each application once."""
    typer.testing._get_command = lru_cache(maxsize=32)(get_command)
