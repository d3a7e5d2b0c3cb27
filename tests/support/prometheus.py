"""A real Prometheus that scrapes an address every second."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.support import http
from tests.support.ports import free_port
from tests.support.waiting import until

_CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: watchkeeper
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """Asks questions."""

    def __init__(self, url: str, target: str) -> None:
        self.url = url
        self.target = target

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        answer = http.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=300).json()
        assert answer["status"] == "success", (expression, answer)
        return list(answer["data"]["result"])


@contextmanager
def prometheus(folder: Path, target: str, history: str = "", *more: str) -> Iterator[Prometheus]:
    """Prometheus, with `history` (OpenMetrics text with timestamps) as what it scraped before, and `more` flags."""
    folder.mkdir(parents=True, exist_ok=True)
    config, data, port = folder / "prometheus.yml", folder / "data", free_port()
    config.write_text(_CONFIG.format(target=target), encoding="utf-8")
    if history:
        (folder / "history.om").write_text(history, encoding="utf-8")
        command = [
            "promtool",
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            str(folder / "history.om"),
            str(data),
        ]
        subprocess.run(command, check=True, capture_output=True)
    flags = [
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
        *more,
    ]
    with (folder / "prometheus.log").open("wb") as log:
        running = subprocess.Popen(
            ["prometheus", *flags, "--storage.tsdb.retention.time=60d"], stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _is_ready(url), "prometheus is ready")
        yield Prometheus(url, f"http://{target}")
    finally:
        running.terminate()
        running.wait(timeout=300)


def _is_ready(url: str) -> bool:
    try:
        return http.get(f"{url}/-/ready", timeout=2).status_code == 200
    except httpx2.TransportError:
        return False
