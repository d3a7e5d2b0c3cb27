"""For `make test-lowest`: whether the installed packages are the lowest that `pyproject.toml` allows.

Exit code: 0 if they are, 1 if not. Then another package needs a newer one, and the bound is to be raised; or something
has installed newer ones.
"""

import importlib.metadata
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from tests.supply.packages import OWN, ROOT, normal


def bounds(file: Path = ROOT / "pyproject.toml") -> dict[str, Version]:
    """The lowest version of each package that a project and its extras require, by normal name: of several bounds the
    highest.

    Raises:
        ValueError: a requirement has no lowest version.
    """
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    found: dict[str, Version] = {}
    for one in (Requirement(text) for group in groups for text in group):
        name = normal(one.name)
        if name == OWN:
            continue
        lowest = [Version(part.version) for part in one.specifier if part.operator in (">=", "==")]
        if len(lowest) != 1:
            raise ValueError(f"{one}: write one lowest version, as >= or ==")
        found[name] = max(lowest[0], found.get(name, lowest[0]))
    return found


def differences(lowest: Mapping[str, Version], installed: Mapping[str, Version]) -> list[str]:
    """A sentence for each package whose installed version is not the lowest."""
    return [
        f"{name}: {installed.get(name, 'nothing')} is installed, and {version} is the lowest that is allowed"
        for name, version in sorted(lowest.items())
        if installed.get(name) != version
    ]


def installed(names: Iterable[str]) -> dict[str, Version]:
    """The installed versions of these packages, without those that are not installed."""
    present = {normal(one.name): one.version for one in importlib.metadata.distributions()}
    return {name: Version(present[name]) for name in names if name in present}


def main() -> int:
    """Print what is not the lowest."""
    lowest = bounds()
    found = differences(lowest, installed(lowest))
    print("\n".join(found) or f"all {len(lowest)} packages are the lowest that are allowed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
