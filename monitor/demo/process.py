"""The demonstration's daemon: its configuration, and its process, which starts while the model is being loaded."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from monitor.errors import InputError, WatchkeeperError

STREAM = {"client": "skyline", "model": "late-arrival", "environment": "production"}

CONFIG = """\
# Written by `watchkeeper demo`: the configuration of a daemon that watches one model.
store: {{url: "sqlite:///{folder}/watchkeeper.db"}}
web: {{listen: "127.0.0.1:{port}", public_url: "http://127.0.0.1:{port}"}}
clients:
  {client}:
    name: Skyline Airport Services
    models:
      {model}:
        title: Late arrivals
        baseline: {{file: "{folder}/training.parquet"}}
rules: {{files: ["{folder}/rules.yaml"]}}
notify:
  file: {{path: "{folder}/pages.jsonl"}}
  console: true
"""

RULES = """\
# Written by `watchkeeper demo`. The shipped rule waits until an hour has shown how busy a stream is; this one is known
# to be busy, so half a minute of silence is an outage.
extend:
  NoPredictions:
    when:
      any: [{metric: silence_seconds, over: open, above: 30s, clear: 10s}]
"""


def is_prepared(folder: Path) -> bool:
    """Whether an earlier start has trained the model and loaded the history."""
    return (folder / "watchkeeper.db").exists() and (folder / "model.joblib").exists()


def write_configuration(folder: Path, port: int) -> None:
    """Write `watchkeeper.yaml` and `rules.yaml` for the demonstration's daemon."""
    config = CONFIG.format(folder=folder, port=port, **STREAM)
    (folder / "watchkeeper.yaml").write_text(config, encoding="utf-8")
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")


def start(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start the daemon; it takes a moment until it answers.

    Raises:
        InputError: something else answers at the port; what is asked there would be answered by that.
    """
    with socket.socket() as attempt:
        if attempt.connect_ex(("127.0.0.1", port)) == 0:
            raise InputError(
                f"port {port} is taken", hint="stop what listens there, or choose another: --port"
            )
    command = [sys.executable, "-m", "monitor", "run", "--config", str(folder / "watchkeeper.yaml")]
    return subprocess.Popen(command)  # noqa: S603 - our own program


@contextlib.contextmanager
def answering(process: "subprocess.Popen[bytes]", url: str) -> Iterator[None]:
    """Wait until the daemon answers; afterwards, end it.

    Raises:
        WatchkeeperError: it ended by itself.
    """
    try:
        while ailment(url):
            if process.poll() is not None:
                raise WatchkeeperError("the daemon did not start; its own message stands above")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def ailment(url: str) -> str:
    """Why no daemon does its work there, in words; empty where one does."""
    try:
        answer = httpx2.get(f"{url}/readyz", timeout=5)
    except httpx2.TransportError:
        return "it does not answer"
    return "" if answer.status_code == 200 else "; ".join(answer.json()["reasons"])
