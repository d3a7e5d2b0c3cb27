"""The shipped rule packs are parsed once a process: that is half of the CPU that making a daemon takes.

`remember` stands between the reader of YAML and the shipped files alone; any other file is read as ever.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from monitor.config import yaml
from monitor.config.yaml_text import Positions, load
from monitor.errors import Problem
from monitor.shipped import shipped


@lru_cache(maxsize=32)
def _parsed(path: Path, _changed: int) -> tuple[Any, Positions, list[Problem]]:
    return load(path)


def remember() -> None:
    """From now on, this process and its forks parse each shipped pack once."""
    folder = shipped("rules")

    def load_once(path: Path) -> tuple[Any, Positions, list[Problem]]:
        if path.parent != folder or not path.exists():
            return load(path)
        nodes, positions, problems = _parsed(path, path.stat().st_mtime_ns)
        return nodes, positions, list(problems)

    yaml.load = load_once
