"""A real OpenSSH server that allows SFTP with one key, and what its client needs to know."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monitor.sites.settings import SftpDestination
from tests.support.ports import free_port
from tests.support.waiting import until

PROGRAM = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class SshServer:
    """A running server: its port, the key of its user, its own keys as a client knows them, and its folder."""

    port: int
    key: Path
    known_hosts: Path
    folder: Path

    def destination(self, **more: object) -> SftpDestination:
        """The settings of a site that sends here."""
        usual = {"host": "127.0.0.1", "port": self.port, "user": getpass.getuser(), "key": str(self.key)}
        usual |= {"known_hosts": str(self.known_hosts), "directory": str(self.folder)}
        return SftpDestination.model_validate(usual | more)


def ssh_key(path: Path) -> str:
    """Make a key pair; the public key."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(words, check=True, timeout=300)
    return path.with_suffix(".pub").read_text().strip()


@contextmanager
def ssh_server(place: Path, subsystem: str = "internal-sftp") -> Iterator[SshServer]:
    """A running server; `subsystem` is the command that serves SFTP."""
    place.mkdir(parents=True, exist_ok=True)
    port, folder = free_port(), place / "bundles"
    folder.mkdir(exist_ok=True)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    host, user = ssh_key(place / "host"), ssh_key(place / "user")
    (place / "authorized").write_text(user + "\n")
    (place / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}\n")
    (place / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {place}/authorized\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"Subsystem sftp {subsystem}\n"
    )
    log = (place / "log").open("wb")
    words = [PROGRAM, "-D", "-e", "-f", str(place / "config")]
    running = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        until(lambda: "Server listening" in (place / "log").read_text(), "sshd listens")
        yield SshServer(port, place / "user", place / "known_hosts", folder)
    finally:
        running.terminate()
        running.wait(300)
        log.close()
