"""`make audit ADVISORIES=...`: which locked packages have known vulnerabilities.

It reads advisories in the OSV format, from a folder of JSON files or a zip of them, and needs no network: the export
of a database for the ecosystem PyPI is such a zip. Exit code: 0 if none applies, 1 if some do, 4 if none can be read.
"""

import argparse
import json
import sys
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from tests.supply.packages import locked, normal

_ECOSYSTEM = "PyPI"


@dataclass(frozen=True, slots=True)
class Finding:
    """An advisory that applies to a locked package."""

    package: str
    version: str
    advisory: str
    summary: str
    fixed: str


def read(place: Path) -> Iterator[Mapping[str, Any]]:
    """The advisories in a folder or a zip.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    if place.is_dir():
        for file in sorted(place.rglob("*.json")):
            yield json.loads(file.read_bytes())
    else:
        with zipfile.ZipFile(place) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    yield json.loads(archive.read(name))


def findings(advisories: Iterable[Mapping[str, Any]], packages: Collection[tuple[str, str]]) -> list[Finding]:
    """The advisories that apply to these packages, each with its version, each once."""
    found = []
    by_name: dict[str, list[str]] = {}
    for name, version in packages:
        by_name.setdefault(name, []).append(version)
    for advisory in advisories:
        if advisory.get("withdrawn"):
            continue
        for affected in advisory.get("affected", ()):
            package = affected.get("package", {})
            name = normal(str(package.get("name", "")))
            if package.get("ecosystem") != _ECOSYSTEM or name not in by_name:
                continue
            summary = str(advisory.get("summary") or advisory.get("details", ""))[:120]
            identity, fixed = str(advisory.get("id", "?")), _fixed(affected)
            found += [
                Finding(name, version, identity, summary, fixed)
                for version in by_name[name]
                if _is_affected(affected, version)
            ]
    return sorted(set(found), key=lambda one: (one.package, one.advisory))


def _is_affected(affected: Mapping[str, Any], version: str) -> bool:
    if version in affected.get("versions", ()):
        return True
    try:
        own = Version(version)
        return any(
            _is_within(own, one.get("events", ()))
            for one in affected.get("ranges", ())
            if one.get("type") == "ECOSYSTEM"
        )
    except InvalidVersion:
        return True  # who cannot compare must look


def _is_within(own: Version, events: Iterable[Mapping[str, str]]) -> bool:
    """Whether the events up to a version leave it affected, as OSV defines."""
    ordered = sorted(
        (
            (Version(text) if text != "0" else Version("0.dev0"), kind)
            for one in events
            for kind, text in one.items()
        ),
        key=lambda event: event[0],
    )
    is_within = False
    for at, kind in ordered:
        if kind == "introduced" and own >= at:
            is_within = True
        elif (kind == "fixed" and own >= at) or (kind == "last_affected" and own > at):
            is_within = False
    return is_within


def _fixed(affected: Mapping[str, Any]) -> str:
    events = [event for one in affected.get("ranges", ()) for event in one.get("events", ())]
    return ", ".join(event["fixed"] for event in events if "fixed" in event) or "none"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("advisories", type=Path, help="a folder of OSV files, or a zip of them")
    place = parser.parse_args().advisories
    packages = list(locked())
    try:
        advisories = list(read(place))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        print(f"{place} cannot be read: {error}", file=sys.stderr)
        return 4
    if not advisories:
        print(f"{place} holds no advisories", file=sys.stderr)
        return 4
    applying = findings(advisories, packages)
    for one in applying:
        print(f"{one.package} {one.version}: {one.advisory} (fixed in {one.fixed}): {one.summary}")
    print(f"{len(applying)} of {len(advisories)} advisories apply to the {len(packages)} locked packages")
    return 1 if applying else 0


if __name__ == "__main__":
    sys.exit(main())
