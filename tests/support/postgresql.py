"""A real PostgreSQL as its own process, for tests of what several daemons share."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port
from tests.support.waiting import until


def _program(name: str) -> str:
    found = shutil.which(name) or next(
        (str(p) for p in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    assert found, f"PostgreSQL's {name} is not installed (apt-get install postgresql)"
    return str(Path(found).resolve()) if os.geteuid() else found


class Server:
    """PostgreSQL on a free port; may be stopped and started again."""

    def __init__(self) -> None:
        # Not in pytest's folder, which only the user who runs the tests may enter.
        self.folder, self.port = Path(tempfile.mkdtemp(prefix="postgresql-")), free_port()
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root; a container that runs tests as root has a user for it.
        self._user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._user:
            shutil.chown(self.folder, "postgres")
        data = str(self.folder / "data")
        make = [
            *self._user,
            _program("initdb"),
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-N",
        ]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    @property
    def is_down(self) -> bool:
        """Whether it was stopped."""
        return self._process is None

    def start(self) -> None:
        """Start, and return when it answers."""
        options = ["-p", str(self.port), "-k", "", "-h", "127.0.0.1", "-c", "fsync=off"]
        command = [*self._user, _program("postgres"), "-D", str(self.folder / "data"), *options]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
        )
        ready = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL answers")

    def stop(self) -> None:
        """Stop at once, as a machine that fails."""
        if self._process is not None:
            stop = [
                *self._user,
                _program("pg_ctl"),
                "-D",
                str(self.folder / "data"),
                "-m",
                "immediate",
                "stop",
            ]
            subprocess.run(
                stop, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
            )
            self._process.wait(20)
            self._process = None


@contextmanager
def postgresql() -> Iterator[Server]:
    """A server that runs, and is gone afterwards with all that it held."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)
