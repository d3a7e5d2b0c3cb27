"""Finds the configuration file of a command that is called without `--config`."""

import os
from collections.abc import Iterator
from pathlib import Path

from monitor.errors import NotFoundError

NAME = "watchkeeper.yaml"
CONFIG_VARIABLE = "WATCHKEEPER_CONFIG"
"""In the environment: the file."""
DEMONSTRATION = Path("var", "demo")
"""Where `watchkeeper demo` writes its configuration by default."""


def find() -> Path:
    """The first `watchkeeper.yaml` in the current folder, the folders above it, the demonstration of one of these
    folders, the user's configuration folder, and /etc/watchkeeper.

    Raises:
        NotFoundError: none of them has one.
    """
    places = list(_places())
    for place in places:
        if _is_usable(place):
            return place / NAME
    above = "" if Path.cwd().parent == Path.cwd() else " or a folder above it"
    others = ", ".join(str(place) for place in places[-2:])
    raise NotFoundError(
        f"no {NAME} in the current folder{above}, {others}",
        hint="create one with: watchkeeper init; or name yours with --config FILE or WATCHKEEPER_CONFIG",
    )


def _places() -> Iterator[Path]:
    """The folders in order. The current one is relative, so that messages stay short."""
    here = Path.cwd()
    above = [Path(), *here.parents]
    yield from above
    yield from (folder / DEMONSTRATION for folder in above)
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - never raises
    yield Path(home, "watchkeeper")
    yield Path("/etc/watchkeeper")


def _is_usable(folder: Path) -> bool:
    """Whether the folder has a configuration; outside the current one, only of this user or of root.

    A file that cannot be read counts, too: the error should name it.
    """
    try:
        path = folder / NAME
        return path.is_file() and (folder == Path() or path.stat().st_uid in (0, os.geteuid()))
    except OSError:
        return False
