"""Whoever we connect to proves its name by the alternative names of its certificate, wherever TLS is spoken."""

import ast
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from monitor.outgoing.tls import verifying

OWN = {"monitor/outgoing/tls.py", "monitor/rollback/executors/examination.py"}
"""Where settings are made: the one place, and one that looks whether a file holds a certificate."""


def without_alternative_names(folder: Path) -> Path:
    """A certificate that names localhost in its common name only, with its key, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / "common.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*pem))
    return path


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """A handshake of both in memory, for localhost."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for one in (ours, theirs):
            try:
                one.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_a_certificate_that_has_our_name_in_its_common_name_only_is_not_believed(tmp_path: Path) -> None:
    file = without_alternative_names(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    handshake(ssl.create_default_context(cafile=str(file)), server)  # Python's own settings take it
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname mismatch"):
        handshake(verifying(str(file)), server)


def test_one_with_an_alternative_name_is(tmp_path: Path) -> None:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    handshake(verifying(str(tmp_path / "ca.pem")), server)


@pytest.mark.parametrize(("newest", "is_taken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_no_server_leads_us_to_a_version_before_1_2(tmp_path: Path, newest: str, is_taken: bool) -> None:
    """Whatever the system's own settings of OpenSSL allow."""
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client = verifying(str(tmp_path / "ca.pem"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server.minimum_version, server.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion[newest]
    for one in (server, client):
        one.set_ciphers("ALL:@SECLEVEL=0")
    if is_taken:
        handshake(client, server)
    else:
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol"):
            handshake(client, server)


def test_law_settings_of_tls_are_made_in_one_place() -> None:
    found = {
        path.as_posix()
        for path in Path("monitor").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("create_default_context", "PROTOCOL_TLS_CLIENT")
    }
    assert found <= OWN
