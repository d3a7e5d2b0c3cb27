"""`make sbom`: the bill of materials of a release, in CycloneDX 1.6: every package with version, licence and hashes."""

import argparse
import importlib.metadata
import json
import os
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.supply import packages
from tests.supply.packages import OWN, Package

_SPDX = re.compile(r"[A-Za-z0-9.+-]+( (OR|AND) [A-Za-z0-9.+-]+)*")


def bill(found: Sequence[Package], moment: datetime) -> dict[str, Any]:
    """The bill of materials of the installed Watchkeeper. It is the same for the same packages and time."""
    own = Package(OWN, importlib.metadata.version(OWN), "Apache-2.0", tuple(sorted(packages.direct())))
    locked = packages.locked()
    known = {one.name: one for one in (own, *found)}
    content = [f"{one.name}=={one.version}" for one in known.values()]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{moment.isoformat()} {content}')}",
        "version": 1,
        "metadata": {
            "timestamp": moment.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "component": {**_component(own, {}), "type": "application"},
        },
        "components": [_component(one, locked) for one in found],
        "dependencies": [
            {"ref": _purl(one), "dependsOn": [_purl(known[name]) for name in one.needs if name in known]}
            for one in known.values()
        ],
    }


def _component(one: Package, locked: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(one),
        "name": one.name,
        "version": one.version,
        "purl": _purl(one),
        "scope": "optional" if one.extras else "required",
    }
    if one.licence:
        is_expression = _SPDX.fullmatch(one.licence) is not None and one.licence != "BSD"
        component["licenses"] = (
            [{"expression": one.licence}] if is_expression else [{"license": {"name": one.licence}}]
        )
    properties = [{"name": "watchkeeper:extra", "value": extra} for extra in one.extras]
    hashes = locked.get((one.name, one.version), ())
    properties += [{"name": "watchkeeper:file:sha256", "value": value} for value in hashes]
    return component | ({"properties": properties} if properties else {})


def _purl(one: Package) -> str:
    return f"pkg:pypi/{one.name}@{one.version.replace('+', '%2B')}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dist/watchkeeper.cdx.json"))
    out = parser.parse_args().out
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())), UTC)
    found = packages.needed()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(bill(found, moment), indent=1) + "\n", encoding="utf-8")
    print(f"{len(found)} packages in {out}")


if __name__ == "__main__":
    main()
