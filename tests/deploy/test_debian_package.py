"""The Debian package: what is in it, what Debian's own tools say of it, and whether it runs. A thorough run only."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import ROOT
from tests.support.thorough import THOROUGH

BUILT = os.environ.get("WATCHKEEPER_DEB", "")
"""A package that was built before, instead of a new one."""

pytestmark = [
    pytest.mark.skipif(not (THOROUGH or BUILT), reason="thorough runs only"),
    pytest.mark.skipif(shutil.which("lintian") is None, reason="needs .ci/system-packages deploy"),
    pytest.mark.timeout(3000),
]


@pytest.fixture(scope="module")
def package() -> Path:
    if BUILT:
        return Path(BUILT)
    made = subprocess.run([ROOT / "deploy/debian/build"], capture_output=True, text=True, timeout=2700)
    assert made.returncode == 0, made.stderr[-3000:]
    return ROOT / made.stdout.strip().split("\n")[-1]


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("package")
    subprocess.run(["dpkg-deb", "-R", package, place], check=True, timeout=600)
    return place


def test_it_has_the_service_the_program_and_a_configuration_that_is_kept(unpacked: Path) -> None:
    for name in ("watchkeeper-relay.service", "watchkeeper.service"):
        unit = (unpacked / "lib/systemd/system" / name).read_text()
        assert unit == (ROOT / "deploy/systemd" / name).read_text()
    assert "ExecStart=/usr/bin/watchkeeper run --config /etc/watchkeeper/watchkeeper.yaml" in unit
    assert (unpacked / "DEBIAN/conffiles").read_text() == "/etc/watchkeeper/watchkeeper.yaml\n"
    assert (unpacked / "etc/watchkeeper/watchkeeper.yaml").is_file()
    assert json.loads((unpacked / "opt/watchkeeper/bom.json").read_text())["components"]


def test_nothing_in_it_names_the_place_where_it_was_made(unpacked: Path) -> None:
    found = subprocess.run(
        [
            "grep",
            "-rlE",
            "/tmp/(tmp\\.|deb)",
            unpacked / "opt/watchkeeper/bin",
            unpacked / "usr",
            unpacked / "etc",
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.stdout == ""
    compiled = next((unpacked / "opt/watchkeeper/lib").rglob("monitor/__pycache__/app.*.pyc")).read_bytes()
    assert b"/opt/watchkeeper/lib" in compiled
    assert b"/stage/" not in compiled


def test_lintian_finds_no_error_of_ours(package: Path) -> None:
    """The packages of Python in /opt are as their authors made them, and /opt is where they belong."""
    command = ["lintian", "--no-tag-display-limit", "--suppress-tags", "dir-or-file-in-opt", package]
    told = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert "watchkeeper" in told.stdout, told.stderr
    errors = [line for line in told.stdout.split("\n") if line.startswith("E:")]
    assert [line for line in errors if "[opt/watchkeeper/" not in line] == []


def test_the_program_runs_where_it_is_installed(unpacked: Path, tmp_path: Path) -> None:
    """From a copy at its own place, without anything else of this machine's Python packages."""
    wrapper = (unpacked / "usr/bin/watchkeeper").read_text()
    assert "exec /opt/watchkeeper/bin/python -m monitor" in wrapper
    python = unpacked / "opt/watchkeeper/bin/python"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for words, said in ((("version",), "watchkeeper"), (("check-config",), "rules")):
        config = ("-c", unpacked / "etc/watchkeeper/watchkeeper.yaml") if words == ("check-config",) else ()
        done = subprocess.run(
            [python, "-m", "monitor", *words, *config],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert said in done.stdout + done.stderr
