"""The Debian package, installed by dpkg into a Debian of its own: its unit is whole, the daemon runs as another user,
a purge leaves the database. A thorough run only.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.deploy.test_debian_package import package as package
from tests.deploy.test_debian_package import pytestmark as needs_package
from tests.support import http
from tests.support.ports import free_port
from tests.support.waiting import until

ROOTFS = os.environ.get("WATCHKEEPER_ROOTFS_SYSTEMD", "")
"""An archive of a Debian with python3 and systemd, instead of a new one."""
PACKAGES = "--include=python3,python3-venv,ca-certificates,libstdc++6,procps,systemd"
NOBODY = 65_534

pytestmark = [
    *needs_package,
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="needs .ci/system-packages deploy"),
    pytest.mark.skipif(os.getuid() != 0, reason="chroot needs root"),
]


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a Debian with the package."""
    place = tmp_path_factory.mktemp("debian")
    rootfs = Path(ROOTFS) if ROOTFS else place / "rootfs.tar"
    if not ROOTFS:
        command = ["mmdebstrap", "--quiet", "--variant=essential", PACKAGES, "bookworm", rootfs]
        subprocess.run(command, check=True, timeout=1200)
    root = place / "root"
    root.mkdir()
    subprocess.run(["tar", "-xf", rootfs, "-C", root], check=True, timeout=600)
    shutil.copy(package, root / "tmp" / "watchkeeper.deb")
    in_root(root, "dpkg", "-i", "/tmp/watchkeeper.deb")
    return root


def in_root(root: Path, *words: str) -> str:
    done = subprocess.run(["chroot", root, *words], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{words}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
    return done.stdout


def test_dpkg_has_all_that_it_needs(installed: Path) -> None:
    told = in_root(installed, "dpkg", "-s", "watchkeeper")
    assert "Status: install ok installed" in told
    assert "procps" in told, "`systemctl reload` calls kill"
    assert in_root(installed, "watchkeeper", "version").startswith("watchkeeper ")


def test_systemd_finds_nothing_wrong_with_the_installed_unit(installed: Path) -> None:
    command = ["systemd-analyze", "verify", "--man=no", f"--root={installed}", "watchkeeper.service"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (told.returncode, told.stderr) == (0, "")


@contextmanager
def started(root: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The daemon as the unit starts it, as a user without rights."""
    state = root / "var" / "lib" / "watchkeeper"
    state.mkdir(mode=0o700, exist_ok=True)
    os.chown(state, NOBODY, NOBODY)
    file = root / "etc" / "watchkeeper" / "watchkeeper.yaml"
    file.write_text(file.read_text().replace("8080", str(port)))
    words = ["/usr/bin/watchkeeper", "run", "--config", "/etc/watchkeeper/watchkeeper.yaml"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/var/lib/watchkeeper"}
    user = f"--userspec={NOBODY}:{NOBODY}"
    process = subprocess.Popen([shutil.which("chroot") or "chroot", user, root, *words], env=environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_the_daemon_runs_and_a_purge_leaves_its_database(installed: Path) -> None:
    port = free_port()

    def is_ready() -> bool:
        try:
            return http.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    with started(installed, port) as daemon:
        until(is_ready, "ready")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=300) == 0
    database = installed / "var" / "lib" / "watchkeeper" / "watchkeeper.db"
    assert database.stat().st_mode & 0o777 == 0o600
    in_root(installed, "dpkg", "-P", "watchkeeper")
    assert database.exists()
    assert not (installed / "opt" / "watchkeeper").exists()
    assert not (installed / "etc" / "watchkeeper" / "watchkeeper.yaml").exists()
