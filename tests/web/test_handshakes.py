"""TLS handshakes that are never finished, on the real daemon: they count, have a deadline and hold no other."""

import os
import signal
import socket
import ssl
import time
from pathlib import Path

import pytest
import trustme

from tests.support.daemon import Daemon
from tests.support.waiting import until
from tests.web.test_tls import is_closed, trusting, written

FILES = 128
RECORD = {"id": "1", "client": "acme", "model": "fraud", "prediction": "ok"}


def greeting() -> bytes:
    """What a client says first."""
    sent = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


def secure(folder: Path, head_within: str) -> Daemon:
    authority = trustme.CA()
    certificate, key = written(folder, authority, "own")
    files = f'certificate: "{certificate}", private_key: "{key}"'
    daemon = Daemon(folder, f'web: {{listen: "LISTEN", head_within: {head_within}, {files}}}\n')
    daemon.url = daemon.url.replace("http:", "https:")
    daemon.verify = trusting(authority)
    return daemon


def test_handshakes_that_are_never_finished_leave_descriptors_and_are_closed_first(tmp_path: Path) -> None:
    hello = greeting()
    beginnings = (b"", b"\x16\x03\x01\x02\x00", hello[:-1], hello)
    daemon = secure(tmp_path, "60s")
    daemon.prefix = ("prlimit", f"--nofile={FILES}:{FILES}")
    with daemon:
        stalled = []
        for number in range(2 * FILES):
            stalled.append(socket.create_connection(("127.0.0.1", daemon.port)))
            stalled[-1].sendall(beginnings[number % len(beginnings)])
        for _ in range(5):
            assert daemon.post("/v1/predictions", RECORD).status_code == 202
        used = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        assert used < FILES - 16
        assert "Too many open files" not in daemon.said()
        for one in stalled:
            one.close()


def test_a_greeting_that_drips_and_plain_text_end_and_keep_nobody_waiting(tmp_path: Path) -> None:
    hello = greeting()
    with secure(tmp_path, "2s") as daemon:
        address = ("127.0.0.1", daemon.port)
        dripping, plain = socket.create_connection(address), socket.create_connection(address)
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        plain.settimeout(300)
        assert is_closed(plain)
        began = time.monotonic()
        sent = iter(hello)

        def is_cut() -> bool:
            try:
                dripping.sendall(bytes((next(sent),)))
            except OSError:
                return True
            return False

        assert not is_cut()
        assert daemon.get("/healthz").status_code == 200
        until(is_cut, "the greeting that drips is cut off", seconds=60)
        assert time.monotonic() - began < 60
        before = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        crowd = [socket.create_connection(address) for _ in range(300)]
        for one in crowd[::2]:
            one.sendall(hello)
        assert daemon.post("/v1/predictions", RECORD).status_code == 202
        until(
            lambda: len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) <= before + 4,
            "all of the crowd are closed",
            seconds=60,
        )
        for one in (*crowd, dripping, plain):
            one.close()


def test_peers_that_half_close_while_their_first_bytes_wait_end_only_themselves(tmp_path: Path) -> None:
    hello, request = greeting(), b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\n"
    with secure(tmp_path, "600s") as daemon:
        address = ("127.0.0.1", daemon.port)
        assert daemon.post("/v1/predictions", RECORD).status_code == 202
        before = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        os.kill(daemon.pid, signal.SIGSTOP)
        crowd = [socket.create_connection(address) for _ in range(90)]
        for number, one in enumerate(crowd):
            one.sendall((hello, hello[:100], b"")[number % 3])
            one.shutdown(socket.SHUT_WR)
        os.kill(daemon.pid, signal.SIGCONT)
        assert daemon.post("/v1/predictions", RECORD).status_code == 202
        for one in crowd:
            one.settimeout(300)
            assert is_closed(one)
        spoken = [
            daemon.verify.wrap_socket(socket.create_connection(address), server_hostname="localhost")
            for _ in range(30)
        ]
        for number, one in enumerate(spoken):
            one.sendall(request[: number + 1])
            socket.socket.shutdown(one, socket.SHUT_WR)
        assert daemon.post("/v1/predictions", RECORD).status_code == 202
        until(
            lambda: len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) <= before + 2,
            "no descriptor of theirs is left",
            seconds=300,
        )
        assert "Traceback" not in daemon.said()
        for one in (*crowd, *spoken):
            one.close()
