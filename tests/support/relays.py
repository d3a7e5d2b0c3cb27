"""A relay as a process that can be killed and started again, and one inside the test."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from monitor.relay.relay import Relay
from monitor.relay.settings import RelaySettings
from tests.support import fork_server, http
from tests.support.ports import free_port
from tests.support.server import running
from tests.support.waiting import until

KEY, OTHER_KEY, UPSTREAM_KEY = "wkr_line-3_0123456789", "wkr_line-4_0123456789", "wk_upstream_0123456789"
FILE = """\
relay:
  listen: "127.0.0.1:{port}"
  upstream: {{url: "{upstream}", key: "{key}", timeout: 5s}}
  keys:
    line-3: {{client: acme, key: {mine}}}
"""


class Process:
    """`watchkeeper relay run` on a free port, with its files in `folder`."""

    def __init__(self, folder: Path, upstream: str, key: str = UPSTREAM_KEY) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.file = folder / "relay.yaml"
        text = FILE.format(port=self.port, upstream=upstream, key=key, mine=KEY)
        self.file.write_text(text, encoding="utf-8")
        self.process: fork_server.Process | None = None

    def start(self) -> None:
        """Start, and return when it answers."""
        with (self.folder / "relay.log").open("ab") as log:
            streams = (0, log.fileno(), log.fileno())
            self.process = fork_server.start(
                "monitor", "relay", "run", "--config", str(self.file), streams=streams
            )
        until(self._answers, "the relay answers")

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(300)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(300)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `watchkeeper relay ...` with its file."""
        return fork_server.run("monitor", "relay", *words, "--config", str(self.file))

    def _answers(self) -> bool:
        try:
            return http.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False


def settings_of(folder: Path, url: str, **options: Any) -> RelaySettings:
    """The settings of a relay with two keys of different clients."""
    keys = {"line-3": {"client": "acme", "key": KEY}, "line-4": {"client": "globex", "key": OTHER_KEY}}
    usual: Mapping[str, Any] = {
        "listen": f"127.0.0.1:{free_port()}",
        "folder": str(folder),
        "upstream": {"url": url, "key": UPSTREAM_KEY, "timeout": "2s"},
        "keys": keys,
    }
    return RelaySettings.model_validate({**usual, **options})


@contextmanager
def relaying(settings: RelaySettings) -> Iterator[tuple[Relay, httpx2.Client]]:
    """A relay in threads of the test, and a sender with its first key."""
    relay = Relay(settings)
    relay.start()
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        with running(relay.server) as url, http.client(base_url=url, timeout=300, headers=headers) as client:
            yield relay, client
    finally:
        relay.end()
