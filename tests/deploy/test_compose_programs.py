"""The programs of compose.yaml, those that Debian has, started with the commands and files of the services.

PostgreSQL, the daemon, Prometheus and Alertmanager. Names of services and paths of containers are
replaced, nothing else.
Grafana is not in Debian. A thorough run only.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.deploy.test_compose import FILES, FOLDER, read
from tests.support import http
from tests.support.alertmanager import PROGRAM as ALERTMANAGER
from tests.support.daemon import ROOT
from tests.support.ports import free_port
from tests.support.postgresql import Server
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

pytestmark = [
    pytest.mark.skipif(not THOROUGH, reason="thorough runs only"),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed"),
]
SERVICES = read(FILES[0])["services"]


class Here:
    """Where the services are on this machine: containers' paths and names of services by what replaces them."""

    def __init__(self, folder: Path, database: Server) -> None:
        self.folder = folder
        ports = {name: free_port() for name in ("watchkeeper", "prometheus", "alertmanager")}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self.names = {
            "@postgres/": f"@127.0.0.1:{database.port}/",
            "0.0.0.0:8080": f"127.0.0.1:{ports['watchkeeper']}",
            "watchkeeper:8080": f"127.0.0.1:{ports['watchkeeper']}",
            "alertmanager:9093": f"127.0.0.1:{ports['alertmanager']}",
            "127.0.0.1:9090": f"127.0.0.1:{ports['prometheus']}",
            "/run/secrets": str(folder / "secrets"),
        }
        for service in ("watchkeeper", "prometheus", "alertmanager"):
            for volume in SERVICES[service]["volumes"]:
                source, target, *_ = volume.split(":")
                self.names[target] = str(self._placed(source))

    def _placed(self, source: str) -> Path:
        """A file of the project, or a folder for a volume."""
        if not source.startswith("."):
            (self.folder / source).mkdir(exist_ok=True)
            return self.folder / source
        return self.folder / Path(source).name if source.startswith("./") else (FOLDER / source).resolve()

    def replaced(self, text: str) -> str:
        longest_first = sorted(self.names, key=len, reverse=True)
        whole = [
            rf"(?<!/){re.escape(one)}(?![\w.-])" if one[0] == "/" else re.escape(one) for one in longest_first
        ]
        return re.sub("|".join(whole), lambda match: self.names[match[0]], text)

    def write(self) -> None:
        """The files of the project that services mount."""
        for path in (
            "watchkeeper/watchkeeper.yaml",
            "prometheus/prometheus.yml",
            "alertmanager/alertmanager.yml",
        ):
            (self.folder / Path(path).name).write_text(self.replaced((FOLDER / path).read_text()))

    def command(self, service: str) -> list[str]:
        return [self.replaced(word) for word in SERVICES[service]["command"]]


def watchkeeper(here: Here, *words: str) -> list[str]:
    return [sys.executable, "-m", "monitor", *words, "--config", str(here.folder / "watchkeeper.yaml")]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(FOLDER / "make-secrets", folder)
    subprocess.run([folder / "make-secrets"], check=True, timeout=300)
    database = Server()
    database.start()
    try:
        password = (folder / "secrets" / "postgres_password").read_text()
        with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"create role watchkeeper login password '{password}'")
            connection.execute("create database watchkeeper owner watchkeeper")
        here = Here(folder, database)
        here.write()
        with ExitStack() as stack:
            made = subprocess.run(
                watchkeeper(here, "key", "create", "metrics", "--name", "prometheus"),
                cwd=ROOT, check=True, capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            (folder / "keys" / "prometheus.key").write_text(made.stdout)
            assert ALERTMANAGER is not None
            listen = {name: f"--web.listen-address={url[7:]}" for name, url in here.urls.items()}
            commands = {
                "alertmanager": [
                    ALERTMANAGER, *here.command("alertmanager"), listen["alertmanager"], "--cluster.listen-address=",
                ],
                "watchkeeper": watchkeeper(here, "run"),
                "prometheus": ["prometheus", *here.command("prometheus"), listen["prometheus"]],
            }  # fmt: skip
            for name, words in commands.items():
                stack.enter_context(process(folder / f"{name}.log", words))
                path = "/readyz" if name == "watchkeeper" else "/-/ready"
                until(lambda url=here.urls[name] + path: answers(url), f"{name} is ready")
            yield here
    finally:
        database.stop()


@contextmanager
def process(log: Path, words: list[str]) -> Iterator[None]:
    with log.open("wb") as output:
        running = subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=output, env=os.environ)
    try:
        yield
    finally:
        running.terminate()
        running.wait(300)


def answers(url: str) -> bool:
    try:
        return http.get(url, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def asked(here: Here, service: str, path: str) -> Any:
    return http.get(here.urls[service] + path, timeout=300).json()


def test_prometheus_scrapes_the_daemon_and_evaluates_the_shipped_rules(started: Here) -> None:
    def is_up() -> bool:
        found = asked(started, "prometheus", "/api/v1/query?query=up")["data"]["result"]
        return {one["metric"]["job"]: one["value"][1] for one in found} == {
            "watchkeeper": "1",
            "prometheus": "1",
        }

    until(is_up, "both targets are up")

    def groups() -> list[Any]:
        found = asked(started, "prometheus", "/api/v1/rules")["data"]["groups"]
        return found if all(rule["health"] == "ok" for one in found for rule in one["rules"]) else []

    found = until(groups, "every rule was evaluated without an error")
    shipped = read(ROOT / "dashboards" / "prometheus" / "watchkeeper-rules.yaml")["groups"]
    named = [sorted(rule["name"] for one in found for rule in one["rules"])]
    named += [sorted(rule.get("alert") or rule["record"] for one in shipped for rule in one["rules"])]
    assert named[0] == named[1] != []
    [active] = asked(started, "prometheus", "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert active["url"].startswith(started.urls["alertmanager"])


def test_alertmanager_routes_what_the_daemon_sends(started: Here) -> None:
    done = subprocess.run(
        watchkeeper(started, "notify", "test", "alertmanager"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = http.get(f"{started.urls['alertmanager']}/metrics", timeout=300).text
    for status in ("firing", "resolved"):  # a trial is resolved at once
        [received] = re.findall(
            rf'alertmanager_alerts_received_total{{status="{status}",version="v2"}} (\d+)', counted
        )
        assert int(received) >= 1
    assert 'alertmanager_alerts_invalid_total{version="v2"} 0' in counted
    config = str(started.folder / "alertmanager.yml")
    routed = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={config}", "client=acme", "severity=critical"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert (routed.returncode, routed.stdout.strip()) == (0, "nobody")


def test_the_store_is_postgresql(started: Here) -> None:
    log = (started.folder / "watchkeeper.log").read_text()
    assert '"msg": "started"' in log
    assert not list(started.folder.rglob("*.db"))
