"""Prints the notifications of the demonstration while a fault lasts."""

import json
import time
from collections.abc import Callable
from pathlib import Path

Say = Callable[[str], None]


def follow(path: Path, until: float, say: Say) -> None:
    """Print the notifications in a file until all pages that it opens are resolved, or until `until`."""
    position = path.stat().st_size if path.exists() else 0
    open_pages: set[str] = set()
    while time.time() < until:
        if path.exists():
            with path.open(encoding="utf-8") as file:
                file.seek(position)
                for line in iter(file.readline, ""):
                    page = json.loads(line)
                    if page["action"] == "trigger":
                        open_pages.add(page["key"])
                    say(
                        f"{time.strftime('%H:%M:%S')}  {page['severity']:<8} {page['action']:<8} {page['title']}"
                    )
                    if page["action"] == "resolve" and page["key"] in open_pages:
                        open_pages.remove(page["key"])
                        if not open_pages:
                            return
                position = file.tell()
        time.sleep(0.5)
