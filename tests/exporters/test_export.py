"""What `watchkeeper export grafana` writes."""

import subprocess
from pathlib import Path

from ruamel.yaml import YAML

from monitor.exporters.grafana.export import export


def test_dashboards_provisioning_and_rules_are_written(tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path).as_posix() for path in export(tmp_path, "/srv/grafana")}
    assert written == {
        "dashboards/overview.json",
        "dashboards/model.json",
        "dashboards/client.json",
        "dashboards/fleet.json",
        "provisioning/watchkeeper.yaml",
        "prometheus/watchkeeper-rules.yaml",
    }
    [provider] = YAML(typ="safe").load(tmp_path / "provisioning/watchkeeper.yaml")["providers"]
    assert provider["options"]["path"] == "/srv/grafana"
    assert provider["folderUid"] == "watchkeeper"
    assert provider["allowUiUpdates"] is False


def test_prometheus_takes_the_rules_and_each_has_what_a_page_needs(tmp_path: Path) -> None:
    export(tmp_path)
    rules = tmp_path / "prometheus/watchkeeper-rules.yaml"
    subprocess.run(["promtool", "check", "rules", str(rules)], check=True, capture_output=True)
    for group in YAML(typ="safe").load(rules)["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert rule["alert"].startswith("Watchkeeper")
                assert rule["labels"]["severity"] in ("critical", "warning", "info", "none")
                wanted = {"summary", "description", "runbook_url", "dashboard_url"}
                assert set(rule["annotations"]) == wanted
                assert "{{" not in rule["annotations"]["summary"]
