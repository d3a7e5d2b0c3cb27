"""A real MariaDB as its own process, where it and its driver are installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.waiting import until


def missing() -> str:
    """What is not installed here; empty if all is."""
    for program in ("mariadbd", "mariadb-install-db"):
        if _program(program) is None:
            return f"{program} is not installed (apt-get install mariadb-server)"
    return "" if find_spec("pymysql") else "pymysql is not installed"


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def connected(port: int) -> Any:
    """A connection of the server's owner."""
    import pymysql

    return pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True, charset="utf8mb4")


@contextmanager
def mariadb() -> Iterator[int]:
    """The port of a server with the empty database `warehouse`."""
    folder, port = Path(tempfile.mkdtemp(prefix="mariadb-")), free_port()
    if not os.geteuid():
        shutil.chown(folder, "mysql")
    user = [] if os.geteuid() else ["--user=mysql"]
    install, server = _program("mariadb-install-db"), _program("mariadbd")
    assert install is not None
    assert server is not None
    options = ["--no-defaults", f"--datadir={folder}/data", *user]
    made = [install, *options, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listening = [
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder}/s",
        f"--pid-file={folder}/p",
    ]
    command = [
        server,
        *options,
        *listening,
        "--innodb-flush-log-at-trx-commit=0",
        "--default-time-zone=+05:00",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port), "MariaDB answers")
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    import pymysql

    with suppress(pymysql.MySQLError), connected(port) as connection:
        connection.cursor().execute("create database if not exists warehouse character set utf8mb4")
        return True
    return False
