"""Write the shipped dashboards: `python -m monitor.exporters.grafana.build [FOLDER]`."""

import sys
from pathlib import Path

from monitor.exporters.grafana import client, fleet, model, overview
from monitor.exporters.grafana.json_model import render

DASHBOARDS = (overview.DASHBOARD, model.DASHBOARD, client.DASHBOARD, fleet.DASHBOARD)
FOLDER = Path(__file__).parents[3] / "dashboards"


def build(folder: Path) -> list[Path]:
    """Write one file per dashboard and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dashboard in DASHBOARDS:
        path = folder / f"{dashboard.uid.removeprefix('watchkeeper-')}.json"
        path.write_text(render(dashboard), encoding="utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    for written in build(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        sys.stdout.write(f"{written}\n")
