"""The demonstration's daemon: its configuration, and its process, which starts while the model loads."""

import contextlib
import fcntl
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import httpx2

from monitor.errors import InputError, WatchkeeperError

STREAM = {"client": "skyline", "model": "late-arrival", "environment": "production"}

CONFIG = """\
# Written by `watchkeeper demo`: the configuration of a daemon that watches one model.
store: {{url: "sqlite:///watchkeeper.db"}}{more}
web: {{listen: "127.0.0.1:{port}", public_url: "http://127.0.0.1:{port}"}}
clients:
  {client}:
    name: Skyline Airport Services
    availability_target: 0.99
    models:
      {model}:
        title: Late arrivals
        baseline: {{file: {baseline}}}
rules: {{files: [rules.yaml]}}
notify:
  file: {{path: pages.jsonl}}
  console: true
"""

_RUNNING = "running"
"""A file that the running demonstration locks. It has the URL of the daemon."""

RULES = """\
# Written by `watchkeeper demo`. The shipped rule first learns for an hour how busy a stream is; this one is known to be
# busy, so half a minute of silence is an outage.
extend:
  NoPredictions:
    when:
      any: [{metric: silence_seconds, over: open, above: 30s, clear: 10s}]
"""


def is_prepared(folder: Path) -> bool:
    """Whether an earlier start has trained the model and loaded the history."""
    return (folder / "watchkeeper.db").exists() and (folder / "model.joblib").exists()


def write_configuration(
    folder: Path, port: int, *, baseline: str = "training.parquet", more: str = ""
) -> None:
    """Write `watchkeeper.yaml` and `rules.yaml` for the demonstration's daemon. `more` are further lines."""
    config = CONFIG.format(port=port, baseline=baseline, more=more, **STREAM)
    (folder / "watchkeeper.yaml").write_text(config, encoding="utf-8")
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")


def start(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start the daemon, without waiting until it responds.

    Raises:
        InputError: another process listens at the port.
    """
    with socket.socket() as attempt:
        if attempt.connect_ex(("127.0.0.1", port)) == 0:
            raise InputError(
                f"port {port} is taken",
                hint="stop the process that uses it, or choose another port with --port",
            )
    command = [sys.executable, "-m", "monitor", "run", "--config", str(folder / "watchkeeper.yaml")]
    return subprocess.Popen(command)  # noqa: S603 - our own program


@contextlib.contextmanager
def answering(process: "subprocess.Popen[bytes]", folder: Path, url: str) -> Iterator[None]:
    """Wait until the daemon responds; during the block, `running_at` knows it; at its end, stop it.

    Raises:
        InputError: another demonstration runs in the folder.
        WatchkeeperError: the daemon ended.
    """
    try:
        with (folder / _RUNNING).open("a+", encoding="utf-8") as file:
            if not _locked(file):
                raise InputError(
                    f"a demonstration is already running in {folder}", hint="stop it, or choose another --dir"
                )
            file.truncate(0)
            file.write(url)
            file.flush()
            while health_problem(url):
                if process.poll() is not None:
                    raise WatchkeeperError("the daemon did not start; see its message above")
                time.sleep(0.05)
            yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def check_running(folder: Path, command: str) -> None:
    """Check that a demonstration runs in a folder, and that its daemon is ready; `command` starts it.

    Raises:
        WatchkeeperError: it does not run, or is not ready.
    """
    url = _running_at(folder)
    wrong = health_problem(url) if url else f"none runs in {folder}"
    if wrong:
        raise WatchkeeperError(f"the demonstration is not ready: {wrong}", hint=f"start it with: {command}")


def _running_at(folder: Path) -> str:
    """The URL of the daemon of the demonstration that runs in a folder; "" if none runs."""
    try:
        with (folder / _RUNNING).open("r+", encoding="utf-8") as file:
            return "" if _locked(file) else file.read()
    except FileNotFoundError:
        return ""


def _locked(file: TextIO) -> bool:
    """Whether this process has the lock now, which ends with the file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def health_problem(url: str) -> str:
    """Why the daemon at `url` is not ready; empty if it is."""
    try:
        answer = httpx2.get(f"{url}/readyz", timeout=5)
    except httpx2.TransportError:
        return "it does not respond"
    return "" if answer.status_code == 200 else "; ".join(answer.json()["reasons"])
