"""A real Alertmanager as its own process."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.waiting import until

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@contextmanager
def alertmanager(folder: Path, receiver: str = "", port: int = 0) -> Iterator[str]:
    """Its address; with `receiver`, alerts are posted there after a tenth of a second."""
    assert PROGRAM is not None, "Alertmanager is not installed (apt-get install prometheus-alertmanager)"
    hook = f'[{{url: "{receiver}", send_resolved: true}}]' if receiver else "[]"
    config = folder / "alertmanager.yaml"
    config.write_text(
        "route: {receiver: one, group_wait: 100ms, group_interval: 200ms, group_by: [alertname]}\n"
        f"receivers: [{{name: one, webhook_configs: {hook}}}]\n",
        encoding="utf-8",
    )
    port = port or free_port()
    command = [
        PROGRAM, f"--config.file={config}", f"--storage.path={folder}/am",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _is_ready(url), "Alertmanager is ready")
        yield url
    finally:
        process.terminate()
        process.wait(300)


def alerts(url: str) -> list[dict[str, Any]]:
    """The alerts that it holds as active."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=5) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
