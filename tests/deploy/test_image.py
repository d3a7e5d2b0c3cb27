"""The image, built and run by buildah without a daemon: small, without rights, ready at once, writing only its state.

A thorough run only: Debian's packages and Python's are fetched, which takes minutes.
"""

import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from monitor.releases.recording.bill_of_materials import described as from_bom
from monitor.releases.recording.manifest import Manifest
from tests.support import http
from tests.support.daemon import ROOT
from tests.support.ports import free_port
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

TOOLS = ("buildah", "mmdebstrap")
LARGEST_DOWNLOAD, LARGEST_IMAGE = 150_000_000, 350_000_000
"""Bytes of the whole image as it is pulled, and on disk."""
WRITABLE = """
import os
for folder, _, names in os.walk("/"):
    if not folder.startswith(("/proc", "/sys", "/dev")):
        for path in (os.path.join(folder, name) for name in names):
            if os.path.isfile(path) and not os.path.islink(path) and os.access(path, os.W_OK):
                print(path)
"""
"""A program that prints the files that its user may write."""
SLIM = [
    f"--dpkgopt=path-exclude=/usr/share/{one}/*"
    for one in ("man", "info", "locale", "doc", "lintian", "groff")
]
"""What Debian's slim images leave out."""
READY_CPU_SECONDS = 3.0
ROOTFS = os.environ.get("WATCHKEEPER_ROOTFS", "")
"""An archive of a Debian with python3, instead of a new one."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

pytestmark = [
    pytest.mark.skipif(not THOROUGH, reason="thorough runs only"),
    pytest.mark.skipif(
        any(shutil.which(one) is None for one in TOOLS), reason="needs .ci/system-packages deploy"
    ),
    pytest.mark.timeout(3000),
]


class Buildah:
    """buildah with a storage of its own, and the container that it has made of the image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.container = ""

    def __call__(self, *words: str) -> str:
        environment = os.environ | {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
        command = ["buildah", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", *words]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=2400
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout.strip()

    def run(self, *words: str) -> str:
        """What a command in the container prints."""
        return self("run", self.container, "--", *words)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """A command in the container, in a process group of its own."""
        environment = os.environ | {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
        store = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run"]
        command = ["buildah", *store, "run", self.container, "--", *words]
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    made = Buildah(tmp_path_factory.mktemp("image"))
    rootfs = Path(ROOTFS) if ROOTFS else made.folder / "rootfs.tar"
    if not ROOTFS:
        wanted = "--include=apt,usr-is-merged,python3,python3-venv,ca-certificates,libstdc++6"
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=essential", *SLIM, wanted, "bookworm", rootfs], check=True
        )
    base = made.folder / "base"
    base.mkdir()
    shutil.copy(rootfs, base / "rootfs.tar")
    (base / "Dockerfile").write_text("FROM scratch\nADD rootfs.tar /\n")
    try:
        made("build", "--format", "docker", "-t", "base", str(base))
        certificates = ("--secret", f"id=ca,src={CERTIFICATES}") if CERTIFICATES.exists() else ()
        built = ("--format", "docker", "-f", "deploy/image/Dockerfile", "--build-arg", "BASE=localhost/base")
        made("build", *built, "--build-arg", "VERSION=1.2.3", *certificates, "-t", "watchkeeper", ".")
        made.container = made("from", "watchkeeper")
        yield made
    finally:
        made("rm", "--all")
        made("rmi", "--all", "--force")


def described(image: Buildah) -> dict[str, Any]:
    found = json.loads(image("inspect", "--type", "image", "watchkeeper"))["Docker"]["config"]
    assert isinstance(found, dict)
    return found


def test_it_says_what_it_is_and_has_no_rights(image: Buildah) -> None:
    told = described(image)
    assert (told["User"], told["Entrypoint"], told["Cmd"]) == ("65532:65532", ["watchkeeper"], ["run"])
    assert told["Healthcheck"]["Test"] == ["CMD", "health"]
    assert told["Volumes"] == {"/var/lib/watchkeeper": {}}
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in told["Labels"].items()}
    assert (labels["title"], labels["version"], labels["licenses"]) == ("Watchkeeper", "1.2.3", "Apache-2.0")
    assert "uid=65532(watchkeeper)" in image.run("id")
    assert image.run("/opt/watchkeeper/bin/python", "-c", WRITABLE) == ""


def test_what_is_pulled_is_small(image: Buildah) -> None:
    archive = image.folder / "image.tar"
    image("push", "watchkeeper", f"oci-archive:{archive}")
    assert archive.stat().st_size < LARGEST_DOWNLOAD
    root = Path(image("mount", image.container))
    taken = subprocess.run(["du", "-sxB1", root], capture_output=True, text=True, check=True, timeout=300)
    assert int(taken.stdout.split()[0]) < LARGEST_IMAGE


def test_no_module_is_compiled_at_each_start(image: Buildah) -> None:
    library = Path(image("mount", image.container)) / "opt" / "watchkeeper" / "lib"
    compiled = {path: path.read_bytes()[8:12] for path in library.rglob("*.pyc")}
    sources = {path: path.parent.parent / f"{path.name.partition('.')[0]}.py" for path in compiled}
    times = {path: int(sources[path].stat().st_mtime) for path in compiled if sources[path].exists()}
    assert len(times) > 1000
    assert [path for path, time in times.items() if int.from_bytes(compiled[path], "little") != time] == []


def test_what_the_daemon_loads_was_compiled_when_the_image_was_built(image: Buildah) -> None:
    config = Path(image("mount", image.container)) / "etc" / "watchkeeper" / "watchkeeper.yaml"
    port = free_port()
    config.write_text(config.read_text().replace("8080", str(port)))
    running = image.start("env", "PYTHONVERBOSE=1", "watchkeeper", "run")
    try:
        until(lambda: _status(port) == 200, "ready")
        [pid] = _daemons()
        os.kill(pid, signal.SIGTERM)
        running.wait(timeout=300)
    finally:
        config.write_text(config.read_text().replace(str(port), "8080"))
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    log = (image.folder / "log").read_text(errors="replace")
    loaded = re.findall(r"^# code object from '(/opt/[^']*)'", log, re.MULTILINE)
    assert len(loaded) > 500
    assert [path for path in loaded if not path.endswith(".pyc")] == []


def test_its_bill_of_materials_names_every_package(image: Buildah) -> None:
    bom = image.folder / "bom.json"
    bom.write_text(image.run("cat", "/opt/watchkeeper/bom.json"))
    locked = (ROOT / "requirements" / "server.txt").read_text()
    found = json.loads(bom.read_text())["components"]
    for one in found:
        if one["purl"].startswith("pkg:pypi/"):
            assert f"{one['name']}=={one['version']}" in locked, one
    assert any(one["purl"].startswith("pkg:deb/debian/libc6@") for one in found)
    assert from_bom(bom, Manifest("acme", "fraud", "8")).runtime.packages["numpy"]


def test_it_starts_at_once_is_healthy_and_writes_only_its_state(image: Buildah) -> None:
    mounted = Path(image("mount", image.container))
    config = mounted / "etc" / "watchkeeper" / "watchkeeper.yaml"
    port = free_port()
    config.write_text(config.read_text().replace("8080", str(port)))
    began = time.time()
    running = image.start("watchkeeper", "run")
    try:
        until(lambda: _status(port) == 200, "ready")
        [pid] = _daemons()
        until_ready = _cpu(pid)
        assert f"Uid:\t{65532}\t" in Path(f"/proc/{pid}/status").read_text()
        environment = f"WATCHKEEPER_HEALTH=http://127.0.0.1:{port}/healthz"
        assert json.loads(image.run("env", environment, "health"))["status"] == "ok"
        os.kill(pid, signal.SIGTERM)
        assert running.wait(timeout=300) == 0
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert '"msg": "stopped"' in (image.folder / "log").read_text()
    written = [
        str(path.relative_to(mounted))
        for path in mounted.rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_mtime > began and path != config
    ]
    assert all(path.startswith(("var/lib/watchkeeper/", "proc/", "sys/", "dev/")) for path in written), (
        written
    )
    assert until_ready < READY_CPU_SECONDS


def test_it_upgrades_the_database_of_an_earlier_version(image: Buildah) -> None:
    mounted = Path(image("mount", image.container))
    earlier = min((ROOT / "tests" / "data").glob("store-*.db.xz"))
    database = mounted / "var" / "lib" / "watchkeeper" / "earlier.db"
    database.write_bytes(lzma.decompress(earlier.read_bytes()))
    os.chown(database, 65532, 65532)
    told = image.run(
        "env", "WATCHKEEPER_STORE=sqlite:////var/lib/watchkeeper/earlier.db", "watchkeeper", "doctor"
    )
    assert "store: can be read and written" in told
    assert "stored data: is intact" in told


def _status(port: int) -> int:
    try:
        return http.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code
    except httpx2.TransportError:
        return 0


def _daemons() -> list[int]:
    """The processes of daemons that run in a container of ours."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"/opt/watchkeeper/bin/python", b"/opt/watchkeeper/bin/watchkeeper"]:
            found.append(int(path.parent.name))
    return found


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used: what a start costs, however busy the machine is."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
