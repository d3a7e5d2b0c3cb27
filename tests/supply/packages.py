"""The installed packages that Watchkeeper needs, alone or with its extras."""

import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent
OWN = "watchkeeper"
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_SPELLED = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "CC0": "CC0-1.0",
}


@dataclass(frozen=True, slots=True)
class Package:
    """One installed package. `extras` are Watchkeeper's extras that need it; empty if it is always needed."""

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]
    extras: tuple[str, ...] = ()


def normal(name: str) -> str:
    """The normal form of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def extras_of(name: str = OWN) -> list[str]:
    """The extras of a package, without those for developers."""
    metadata = importlib.metadata.metadata(name)
    return sorted(set(metadata.get_all("Provides-Extra") or ()) - {"dev"})


def needed() -> list[Package]:
    """The packages that are installed for Watchkeeper and its extras, in order."""
    always = _closure(OWN, ())
    by_extra = {extra: _closure(OWN, (extra,)) for extra in extras_of()}
    names = sorted(set(always).union(*by_extra.values()) - {OWN})
    return [
        _package(
            name,
            {*by_extra} if name in always else {e for e, found in by_extra.items() if name in found},
            name in always,
        )
        for name in names
    ]


def direct() -> set[str]:
    """The packages that Watchkeeper itself requires, with all extras."""
    return set(_needs(OWN, tuple(extras_of()))) - {OWN}


def locked(file: Path = ROOT / "requirements" / "dev.txt") -> dict[tuple[str, str], tuple[str, ...]]:
    """The SHA-256 of the files of each package and version in a lock; versions of Python may need different ones."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    current = ("", "")
    for line in file.read_text(encoding="utf-8").splitlines():
        if match := _LOCKED.match(line):
            current = normal(match[1]), match[2]
        if current[0]:
            found[current] = (*found.get(current, ()), *_HASH.findall(line))
    return found


def licence_of(name: str) -> str:
    """The licence that a package declares, as an SPDX expression where it is one; empty if it declares none."""
    metadata = importlib.metadata.metadata(name)
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [one for one in metadata.get_all("Classifier") or () if one.startswith("License ::")]
    words = [one.split("::")[-1].strip() for one in classifiers] or [
        (metadata.get("License") or "").split("\n")[0].strip()
    ]
    return " OR ".join(sorted({_SPELLED.get(word, word) for word in words if word}))


def _package(name: str, extras: set[str], is_always: bool) -> Package:
    needs = tuple(sorted(set(_needs(name, ()))))
    version = importlib.metadata.version(name)
    return Package(name, version, licence_of(name), needs, () if is_always else tuple(sorted(extras)))


def _closure(name: str, extras: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    waiting = [(name, extras)]
    seen = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        found.add(one[0])
        waiting += [(normal(needed.name), tuple(sorted(needed.extras))) for needed in _requirements(*one)]
    return found


def _needs(name: str, extras: tuple[str, ...]) -> Iterator[str]:
    return (normal(one.name) for one in _requirements(name, extras))


def _requirements(name: str, extras: tuple[str, ...]) -> list[Requirement]:
    wanted = []
    for text in importlib.metadata.requires(name) or ():
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            wanted.append(one)
    return wanted
