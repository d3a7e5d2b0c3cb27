"""Exports all files for Grafana and Prometheus to one folder."""

import shutil
from pathlib import Path

from monitor.shipped import shipped

PROVISIONED_PATH = "/var/lib/grafana/dashboards/watchkeeper"


def export(folder: Path, dashboards_path: str = PROVISIONED_PATH) -> list[Path]:
    """Write the dashboards, a provisioning file and the Prometheus rules; returns the paths.

    `dashboards_path` is the folder of the dashboards on the Grafana server.
    """
    source = shipped("dashboards")
    written = []
    for path in sorted(source.rglob("*")):
        if path.suffix in (".json", ".yaml"):
            name = path.relative_to(source)
            target = folder / ("dashboards" / name if path.suffix == ".json" else name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            written.append(target)
    provider = folder / "provisioning" / "watchkeeper.yaml"
    provider.write_text(
        provider.read_text(encoding="utf-8").replace(PROVISIONED_PATH, dashboards_path), encoding="utf-8"
    )
    return written
