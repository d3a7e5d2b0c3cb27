"""TLS by certificate files: on the real daemon, and renewed while it runs."""

import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import trustme

from monitor.config import load
from monitor.errors import ConfigError
from monitor.web import server as serving
from monitor.web.app import create
from monitor.web.settings import WebSettings
from tests.support import clients
from tests.support.daemon import Daemon
from tests.support.ports import free_port
from tests.support.server import services
from tests.support.waiting import until


def written(folder: Path, authority: trustme.CA, name: str) -> tuple[Path, Path]:
    """A certificate for this machine, with its key, as two files."""
    made = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    return certificate, key


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_the_daemon_speaks_tls_that_a_client_verifies(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key = written(tmp_path, authority, "own")
    web = f'web: {{listen: "LISTEN", certificate: "{certificate}", private_key: "{key}"}}\n'
    daemon = Daemon(tmp_path, web)
    daemon.url = daemon.url.replace("http:", "https:")
    daemon.verify = trusting(authority)
    with daemon:
        assert "is ready at https://" in daemon.said()
        answer = daemon.get("/c/nobody/")
        assert answer.status_code == 404
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            httpx2.get(f"{daemon.url}/healthz")
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{daemon.url.replace('https:', 'http:')}/healthz")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(old)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert httpx2.get(f"{daemon.url}/healthz", verify=old).status_code == 200


@contextmanager
def running(folder: Path, certificate: Path, key: Path) -> Iterator[str]:
    """The daemon's own server in a thread, without a daemon around it."""
    shop = clients.opened(folder, hours=1)
    settings = WebSettings(listen=f"127.0.0.1:{free_port()}", certificate=certificate, private_key=key)
    server = serving.Server(create(services(shop, settings=settings)), settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the server listens")
    try:
        yield server.url
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def number(url: str, context: ssl.SSLContext) -> int:
    """The serial number of the certificate that is shown."""
    with httpx2.Client(verify=context) as client, client.stream("GET", f"{url}/healthz") as answer:
        shown = answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()
    return int(shown["serialNumber"], 16)


def test_a_renewed_certificate_is_taken_while_it_runs_and_half_a_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving, "LOOK_EVERY", 0)
    authority = trustme.CA()
    context = trusting(authority)
    certificate, key = written(tmp_path, authority, "own")
    new_certificate, new_key = written(tmp_path, authority, "new")
    with running(tmp_path, certificate, key) as url:
        first = number(url, context)
        shutil.copy(new_certificate, certificate)  # its key comes later
        until(lambda: "cannot be used yet" in caplog.text, "the half pair was looked at")
        assert number(url, context) == first
        shutil.copy(new_key, key)
        until(lambda: number(url, context) != first, "the renewed certificate is shown")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("web: {certificate: own.pem}", "certificate and private_key belong together"),
        (
            "web: {certificate: no.pem, private_key: no.key}",
            "web.certificate: the file no.pem does not exist",
        ),
    ],
)
def test_a_certificate_that_cannot_be_is_told_by_the_configuration(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "watchkeeper.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        load(path)
