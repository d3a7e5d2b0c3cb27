"""A real PostgreSQL as its own process, for tests of what several daemons share."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg

from tests.support.ports import free_port
from tests.support.waiting import until


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs."""
    found = shutil.which(name) or next(
        (str(p) for p in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    assert found, f"PostgreSQL's {name} is not installed (apt-get install postgresql)"
    return str(Path(found).resolve()) if os.geteuid() else found


def _as_user() -> list[str]:
    """PostgreSQL refuses to run as root; a container that runs tests as root has a user for it."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


@cache
def _new_cluster() -> Path:
    """What `initdb` makes, once a process: each server starts from a copy, which takes a tenth of the time."""
    folder = Path(tempfile.mkdtemp(prefix="postgresql-new-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if _as_user():
        shutil.chown(folder, "postgres")
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"]
    command = [*_as_user(), program("initdb"), "-D", str(folder / "data"), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return folder / "data"


class Server:
    """PostgreSQL on a free port; may be stopped and started again."""

    def __init__(self) -> None:
        # Not in pytest's folder, which only the user who runs the tests may enter.
        self.folder, self.port = Path(tempfile.mkdtemp(prefix="postgresql-")), free_port()
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _as_user()
        if self._user:
            shutil.chown(self.folder, "postgres")
        copied = ["cp", "-R", str(_new_cluster()), str(self.folder / "data")]
        subprocess.run([*self._user, *copied], check=True, cwd=self.folder)

    @property
    def is_down(self) -> bool:
        """Whether it was stopped."""
        return self._process is None

    def start(self) -> None:
        """Start, and return when it answers."""
        options = ["-p", str(self.port), "-k", "", "-h", "127.0.0.1", "-c", "fsync=off"]
        command = [*self._user, program("postgres"), "-D", str(self.folder / "data"), *options]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
        )
        ready = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL answers")

    def freeze(self) -> None:
        """SIGSTOP to all of its processes: connections stay open, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        found = [self._process.pid]
        for pid in found:  # grows: the children of each
            with suppress(OSError):  # it ended meanwhile, as helpers of PostgreSQL do
                for task in Path("/proc").glob(f"{pid}/task/*/children"):
                    found += map(int, task.read_text(encoding="ascii").split())
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def execute(self, statement: str) -> None:
        """As an administrator, outside any transaction."""
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            for one in statement.split(";"):
                connection.execute(one.encode())

    def stop(self) -> None:
        """Stop at once, as a machine that fails."""
        if self._process is not None:
            self.thaw()
            stop = [
                *self._user,
                program("pg_ctl"),
                "-D",
                str(self.folder / "data"),
                "-m",
                "immediate",
                "stop",
            ]
            subprocess.run(
                stop, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder
            )
            self._process.wait(300)
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
