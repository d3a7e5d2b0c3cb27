"""Writes the dashboards for a vendor, one file each."""

import json
from pathlib import Path
from typing import Any

from monitor.exporters.grafana import client, fleet, model, overview
from monitor.exporters.vendor_dashboards import datadog_json, newrelic_json

VENDORS = ("datadog", "newrelic")
DASHBOARDS = (overview.DASHBOARD, model.DASHBOARD, client.DASHBOARD, fleet.DASHBOARD)


def dashboards(vendor: str, account: int = 0) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The dashboards by the name of their file, and what is left out, as `panel: reason`. `account` is the number of
    the account at New Relic.
    """
    left_out: list[str] = []
    files: dict[str, dict[str, Any]] = {}
    for one in DASHBOARDS:
        name = one.uid.removeprefix("watchkeeper-")
        if vendor == "datadog":
            files[name] = datadog_json.dashboard_json(one, left_out)
        else:
            files[name] = newrelic_json.dashboard_json(one, account, left_out)
    events = newrelic_json.events_json(account) if vendor == "newrelic" else datadog_json.events_json()
    files["events"] = events
    return files, left_out


def write(folder: Path, vendor: str, account: int = 0) -> tuple[list[Path], list[str]]:
    """Write the files; returns their paths, and what is left out."""
    files, left_out = dashboards(vendor, account)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths, left_out
