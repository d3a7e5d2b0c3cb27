"""TLS, keys, and clocks that are set: against the real daemon."""

import socket
import time
from pathlib import Path

import pytest
import trustme
from watchkeeper_client import Client, Limits
from watchkeeper_client import client as module

from tests.client.conftest import QUICK
from tests.client.stored import predictions
from tests.support.daemon import Daemon
from tests.web.test_tls import trusting, written


def test_tls_is_verified(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = trustme.CA()
    certificate, key = written(tmp_path, authority, "own")
    daemon = Daemon(
        tmp_path, f'web: {{listen: "LISTEN", certificate: "{certificate}", private_key: "{key}"}}\n'
    )
    daemon.url = daemon.url.replace("http:", "https:")
    daemon.verify = trusting(authority)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with daemon:
        with Client(daemon.url, client="acme", model="m", limits=QUICK) as stranger:
            stranger.prediction("stranger")
            assert not stranger.flush(0.5)
            stranger.close(0)
        assert "certificate verify failed" in caplog.text
        trusted = Client(
            daemon.url, client="acme", model="m", ca_file=str(tmp_path / "authority.pem"), limits=QUICK
        )
        with trusted:
            for _ in range(3):  # over one connection
                trusted.prediction("ok")
                assert trusted.flush()
    assert [row["prediction"] for row in predictions(tmp_path, "m")] == ["ok"] * 3


def test_a_clock_that_is_set_back_or_forth_stops_nothing(
    client: Client, model: str, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon refuses what is an hour ahead of its own clock; and once the clock is right, all goes on."""
    real = time.time
    for hours in (0, 1, -1, 0):
        monkeypatch.setattr(module.time, "time", lambda hours=hours: real() + 3_600 * hours)
        client.prediction(f"{hours:+}")
        assert client.flush()
    assert [row["prediction"] for row in predictions(stores, model)] == ["+0", "-1", "+0"]
    assert client.counters()["refused"] == 1


def test_a_caller_does_not_wait_while_the_daemon_hangs(tmp_path: Path) -> None:
    """A daemon that takes connections and says nothing: the sending thread waits, and nobody else."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limits = Limits(linger=0.0, batch_records=1, request_timeout=2.0, exit_timeout=0.0)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, client="acme", model="m", limits=limits, spool=tmp_path) as client:
            client.prediction("first")
            silent.settimeout(10)
            connection, _ = silent.accept()
            with connection:
                took = []
                for _ in range(2_000):
                    started = time.perf_counter()
                    client.prediction("ok", features={"a": 1.0})
                    took.append(time.perf_counter() - started)
                assert sorted(took)[len(took) // 2] < 0.001
                assert client.counters()["accepted"] + client.counters()["busy"] == 2_001
                assert client.counters()["sent"] == 0


def test_no_lock_is_held_while_something_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        limits = Limits(linger=0.0, request_timeout=2.0, exit_timeout=0.0)
        with Client(url, client="acme", model="m", limits=limits) as client:
            client.prediction("first")
            silent.settimeout(10)
            connection, _ = silent.accept()
            with connection:
                assert client._queue._lock.acquire(blocking=False)
                client._queue._lock.release()
