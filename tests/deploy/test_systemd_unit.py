"""The systemd units: read by systemd itself, hardened, and with the words that the daemon answers to."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import ROOT

UNIT = ROOT / "deploy" / "systemd" / "watchkeeper.service"
RELAY = UNIT.with_name("watchkeeper-relay.service")
MOST_EXPOSURE = 2.0

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("unit", [UNIT, RELAY], ids=lambda unit: unit.stem)
def test_systemd_finds_no_mistake(tmp_path: Path, unit: Path) -> None:
    """With a program that exists here: whether ExecStart does is a question of the package."""
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace("/usr/bin/watchkeeper", "/bin/true"))
    checked = analyze("verify", str(here))
    assert (checked.returncode, checked.stderr) == (0, "")
    here.write_text(here.read_text().replace("ProtectSystem=strict", "ProtectSistem=strict"))
    assert "ProtectSistem" in analyze("verify", str(here)).stderr


@pytest.mark.parametrize("unit", [UNIT, RELAY], ids=lambda unit: unit.stem)
def test_its_exposure_is_below_two(unit: Path) -> None:
    told = analyze(
        "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSURE * 10:.0f}", str(unit)
    )
    assert told.returncode == 0, told.stdout[-400:]
    overall = re.search(rf"Overall exposure level for {unit.name}: ([\d.]+)", told.stdout)
    assert overall is not None
    assert float(overall[1]) < MOST_EXPOSURE


def test_it_expects_what_the_daemon_says() -> None:
    """Readiness and signs of life by sd_notify: see tests/outgoing/test_service_manager.py."""
    settings = dict(
        line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"[A-Z]\w+=", line)
    )
    assert settings["Type"] == "notify"
    assert settings["WatchdogSec"] == "30"
    assert settings["NotifyAccess"] == "main"
    assert settings["WorkingDirectory"] == f"/var/lib/{settings['StateDirectory']}"
