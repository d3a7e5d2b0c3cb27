"""The files for Compose: what they mount exists, every program reads its configuration, nothing has rights to spare.

`make compose-check` also lets a client of Compose and two linters read them.
"""

import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from monitor.config.root import check
from tests.support.daemon import ROOT

FOLDER = ROOT / "deploy" / "compose"
FILES = (FOLDER / "compose.yaml", FOLDER / "compose.minimal.yaml")


def read(path: Path) -> dict[str, Any]:
    found = YAML(typ="safe").load(path)
    assert isinstance(found, dict)
    return found


SERVICES = [(path.name, name, one) for path in FILES for name, one in read(path)["services"].items()]


@pytest.mark.parametrize(
    ("file", "name", "service"), SERVICES, ids=[f"{file} {name}" for file, name, _ in SERVICES]
)
def test_a_service_has_no_rights_to_spare(file: str, name: str, service: dict[str, Any]) -> None:
    whole = read(FOLDER / file)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not any("PASSWORD" in key and not key.endswith("FILE") for key in service.get("environment", {}))
    assert set(service.get("secrets", [])) <= whole.get("secrets", {}).keys()
    for volume in service["volumes"]:
        source, _, _ = volume.partition(":")
        if source.startswith("."):
            assert (FOLDER / source).exists(), volume
            assert volume.endswith(":ro"), volume
        else:
            assert source in whole["volumes"], volume
    for other in service.get("depends_on", []):
        assert other in whole["services"]


def test_secrets_are_made_once_and_only_their_owner_reaches_them(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "make-secrets", tmp_path)
    read_first = []
    for _ in range(2):
        subprocess.run([tmp_path / "make-secrets"], check=True, timeout=300)
        made = sorted((tmp_path / "secrets").iterdir())
        read_first.append([(path.name, path.read_text()) for path in made])
    assert read_first[0] == read_first[1]
    names = {Path(one["file"]).name for one in read(FILES[0])["secrets"].values()}
    assert {name for name, _ in read_first[0]} == names
    assert all(len(text) == 48 and text.isalnum() for _, text in read_first[0])
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_every_program_reads_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    for path, secret in (
        (FOLDER / "watchkeeper" / "watchkeeper.yaml", True),
        (ROOT / "deploy" / "image" / "watchkeeper.yaml", False),
    ):
        written = path.read_text()
        here = tmp_path / path.parent.name
        here.mkdir()
        (here / "secret").write_text("0123456789abcdef")
        text = written.replace("/run/secrets/postgres_password", str(here / "secret")) if secret else written
        (here / path.name).write_text(text)
        found = check(here / path.name)
        assert list(map(str, found.problems)) == []
    prometheus = (FOLDER / "prometheus" / "prometheus.yml").read_text()
    rules = ROOT / "dashboards" / "prometheus" / "watchkeeper-rules.yaml"
    key = tmp_path / "prometheus.key"
    key.write_text("wk_key")
    prometheus = prometheus.replace("/etc/prometheus/watchkeeper-rules.yaml", str(rules))
    (tmp_path / "prometheus.yml").write_text(
        prometheus.replace("/etc/prometheus/keys/prometheus.key", str(key))
    )
    for command in (
        ["promtool", "check", "config", str(tmp_path / "prometheus.yml")],
        ["amtool", "check-config", str(FOLDER / "alertmanager" / "alertmanager.yml")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr


def test_grafana_finds_its_dashboards_and_prometheus_is_scraped_by_its_job() -> None:
    grafana = read(FILES[0])["services"]["grafana"]["volumes"]
    provider = read(ROOT / "dashboards" / "provisioning" / "watchkeeper.yaml")["providers"][0]
    assert f"../../dashboards:{provider['options']['path']}:ro" in grafana
    jobs = [one["job_name"] for one in read(FOLDER / "prometheus" / "prometheus.yml")["scrape_configs"]]
    assert "watchkeeper" in jobs, "the job that the shipped rules name"
