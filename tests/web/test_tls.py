"""TLS by certificate files: on the real daemon, and renewed while it runs."""

import shutil
import socket
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import trustme

from monitor.config.root import load
from monitor.errors import ConfigError
from monitor.web import server as serving
from monitor.web.app import create
from monitor.web.settings import WebSettings
from tests.support import clients
from tests.support.daemon import Daemon
from tests.support.ports import free_port
from tests.support.server import running as under_way
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
        until(lambda: "is ready at https://" in daemon.said(), "it announces its address")
        answer = daemon.get("/c/nobody/")
        assert answer.status_code == 404
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            httpx2.get(f"{daemon.url}/healthz")
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{daemon.url.replace('https:', 'http:')}/healthz")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(old)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert httpx2.get(f"{daemon.url}/healthz", verify=old).status_code == 200


def test_no_version_before_1_2_and_no_second_handshake_is_taken(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key = written(tmp_path, authority, "own")
    with running(tmp_path, certificate, key) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        old = trusting(authority)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(address) as peer, pytest.raises((ssl.SSLError, ConnectionError)):
            old.wrap_socket(peer, server_hostname="localhost")
        asked = ["openssl", "s_client", "-connect", f"127.0.0.1:{address[1]}", "-tls1_2"]
        said = subprocess.run(asked, input=b"R\n", capture_output=True, timeout=300, check=False)
        assert b"RENEGOTIATING" in said.stdout + said.stderr
        assert b"no renegotiation" in said.stderr
        assert httpx2.get(f"{url}/healthz", verify=trusting(authority)).status_code == 200


WEAK = (
    "AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES256-SHA", "CAMELLIA256-SHA", "PSK-AES128-CBC-SHA", "NULL-SHA256",
    "ADH-AES128-SHA",
)  # fmt: skip
STRONG = (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
)  # fmt: skip


def test_only_ciphers_with_forward_secrecy_that_authenticate_are_taken(tmp_path: Path) -> None:
    """By a client that knows no others. The certificates of tests have keys on a curve, so no cipher of RSA fits."""
    authority = trustme.CA()
    certificate, key = written(tmp_path, authority, "own")
    with running(tmp_path, certificate, key) as url:
        place = ["-connect", f"127.0.0.1:{url.rpartition(':')[2]}"]

        def taken(*options: str) -> str:
            asked = ["openssl", "s_client", *place, *options]
            said = subprocess.run(asked, input=b"", capture_output=True, timeout=300, check=False).stdout
            return said.partition(b"Cipher is ")[2].partition(b"\n")[0].decode()

        assert {one: taken("-tls1_2", "-cipher", one) for one in STRONG} == {one: one for one in STRONG}
        assert {taken("-tls1_2", "-cipher", f"{one}:@SECLEVEL=0") for one in WEAK} <= {"(NONE)", ""}
        assert taken().startswith("TLS_"), "TLS 1.3 where both can"


@contextmanager
def running(folder: Path, certificate: Path, key: Path, head_within: float = 10.0) -> Iterator[str]:
    """The daemon's own server in a thread, without a daemon around it."""
    shop = clients.opened(folder, hours=1)
    settings = WebSettings(
        listen=f"127.0.0.1:{free_port()}", certificate=certificate, private_key=key, head_within=head_within
    )
    with under_way(serving.Server(create(services(shop, settings=settings)), settings)) as url:
        yield url


def number(url: str, context: ssl.SSLContext) -> int:
    """The serial number of the certificate that is shown."""
    with httpx2.Client(verify=context) as client, client.stream("GET", f"{url}/healthz") as answer:
        shown = answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()
    return int(shown["serialNumber"], 16)


def test_a_renewed_certificate_is_taken_while_it_runs_and_half_a_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving, "CERTIFICATE_CHECK_SECONDS", 0)
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


def test_a_handshake_that_is_never_finished_has_a_deadline_and_keeps_no_other_waiting(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key = written(tmp_path, authority, "own")
    with running(tmp_path, certificate, key, head_within=1.0) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        silent, half = socket.create_connection(address), socket.create_connection(address)
        with silent, half:
            half.sendall(b"\x16\x03\x01\x02\x00")  # the first bytes of a greeting
            assert httpx2.get(f"{url}/healthz", verify=trusting(authority)).status_code == 200
            for peer in (silent, half):
                peer.settimeout(300)
                assert is_closed(peer)


def is_closed(peer: socket.socket) -> bool:
    """Whether the other side closes the connection; False where it says nothing for long."""
    try:
        return peer.recv(1000) == b"" or is_closed(peer)
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("web: {certificate: own.pem}", "certificate and private_key must be set together"),
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
