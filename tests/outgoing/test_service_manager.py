"""What systemd hears: ready, signs of life, the end; and nothing where it does not listen."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.outgoing.service_manager import ServiceManager
from tests.support.daemon import Daemon
from tests.support.waiting import until


class Systemd:
    """The socket on which systemd listens."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def hears(self, line: str) -> bool:
        """Whether a message has said this."""
        try:
            while True:
                self.heard += self.socket.recv(65_536).decode().split("\n")
        except BlockingIOError:
            return line in self.heard


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(str(tmp_path / "notify"))
    yield made
    made.socket.close()


def test_the_daemon_says_when_it_is_ready_alive_and_stopping(tmp_path: Path, systemd: Systemd) -> None:
    told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    daemon = Daemon(tmp_path, environment=told)
    daemon.launch()
    try:
        until(lambda: systemd.hears("READY=1"), "ready")
        assert daemon.get("/readyz").status_code in (200, 503), "it listens"
        assert f"STATUS=ready at {daemon.url}" in systemd.heard
        until(lambda: systemd.hears("WATCHDOG=1"), "a sign of life")
        assert not systemd.hears("STOPPING=1")
    finally:
        daemon.stop()
    assert systemd.hears("STOPPING=1")


def test_a_stuck_daemon_gives_no_sign_of_life_but_its_reason(tmp_path: Path, systemd: Systemd) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"})
    assert manager.every == 15.0
    manager.alive("the last tick ended\n151 seconds ago")
    assert systemd.hears("STATUS=the last tick ended 151 seconds ago")
    assert not systemd.hears("WATCHDOG=1")


def test_an_abstract_address_is_one(tmp_path: Path) -> None:
    name = f"watchkeeper-{os.getpid()}-{tmp_path.name}"
    abstract = Systemd(f"\0{name}")
    ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready("ready")
    assert abstract.hears("READY=1")
    abstract.socket.close()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "/no/such/socket", "WATCHDOG_USEC": "1"},
        {"NOTIFY_SOCKET": "x" * 500},
        {"NOTIFY_SOCKET": "a\0b"},
        {"NOTIFY_SOCKET": "/", "WATCHDOG_USEC": "-5"},
        {"NOTIFY_SOCKET": "/", "WATCHDOG_USEC": "9" * 400},
        {"NOTIFY_SOCKET": "/", "WATCHDOG_USEC": "²"},
        {"NOTIFY_SOCKET": "/", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
    ],
)
def test_what_systemd_does_not_hear_stops_nothing(environment: dict[str, str]) -> None:
    manager = ServiceManager(environment)
    manager.ready("ready")
    manager.alive("")
    manager.stopping()
    assert 0 <= manager.every < 1
