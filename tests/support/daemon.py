"""The real daemon as its own process: started, spoken to, killed and started again."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from tests.support import fork_server, http
from tests.support.ports import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parent.parent.parent


class Daemon:
    """`watchkeeper run` on a free port, with its files below `folder`.

    With `loads_itself`, an environment or a `prefix`, it starts an interpreter of its own.
    """

    def __init__(
        self,
        folder: Path,
        config: str = "",
        environment: Mapping[str, str] | None = None,
        *,
        loads_itself: bool = False,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.store_url = f"sqlite:///{folder}/watchkeeper.db"
        self.log = folder / "daemon.log"
        self.config = folder / "watchkeeper.yaml"
        self._environment = {**os.environ, **(environment or {})}
        text = config if "store:" in config else f'store: {{url: "{self.store_url}"}}\n{config}'
        self.config.write_text(text.replace("LISTEN", f"127.0.0.1:{self.port}"), encoding="utf-8")
        if "web:" not in text:
            with self.config.open("a", encoding="utf-8") as file:
                file.write(f'\nweb: {{listen: "127.0.0.1:{self.port}"}}\n')
        self.process: subprocess.Popen[bytes] | fork_server.Process | None = None
        self.prefix: tuple[str, ...] = ()
        self._loads_itself = loads_itself or environment is not None
        self.verify: ssl.SSLContext = http.context()

    def launch(self) -> None:
        """Start, and return at once."""
        words = ("monitor", "run", "--config", str(self.config))
        with self.log.open("ab") as log:
            if self._loads_itself or self.prefix:
                self.process = subprocess.Popen(
                    [*self.prefix, sys.executable, "-m", *words],
                    cwd=ROOT,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                )
            else:
                streams = (0, log.fileno(), log.fileno())
                self.process = fork_server.start(*words, environment=self._environment, streams=streams)

    def start(self) -> "Daemon":
        """Start, and return when it says that it is ready."""
        self.launch()
        return self.await_ready()

    def await_ready(self) -> "Daemon":
        """Return when it says that it is ready."""
        assert self.process is not None
        try:
            until(self._is_ready, "the daemon is ready")
        except AssertionError as error:  # nobody else would end it
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{error}; it said:\n{self.said()}") from error
        return self

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended:\n{self.said()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 2).close()  # cheaper than a request
        except OSError:
            return False
        try:
            return http.get(f"{self.url}/readyz", timeout=2, verify=self.verify).status_code == 200
        except httpx2.TransportError:
            return False

    def said(self) -> str:
        """All that it wrote."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: an orderly end."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=300)
            self.process = None

    def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        """POST JSON."""
        return http.post(f"{self.url}{path}", json=body, headers=headers, timeout=300, verify=self.verify)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """GET."""
        return http.get(f"{self.url}{path}", headers=headers, timeout=300, verify=self.verify)

    def __enter__(self) -> "Daemon":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.stop()
