"""The doctor tries what the configuration leads to, tells nobody anything, and says what to do about what fails."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trustme
from aiosmtpd import smtp
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from monitor.config.root import Config
from monitor.doctor import Finding, examine, server_security
from tests.support.ports import free_port
from tests.support.receiver import Receiver


class Letters:
    """Takes mails, and counts them."""

    def __init__(self) -> None:
        self.taken = 0

    async def handle_DATA(self, *_: object) -> str:  # noqa: N802 - the name that aiosmtpd calls
        self.taken += 1
        return "250 OK"


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
def mail(letters: Letters, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    def known(*arguments: object) -> AuthResult:
        data = arguments[-1]
        return AuthResult(success=getattr(data, "password", b"") == b"right", handled=False)

    monkeypatch.setattr(smtp, "warn", lambda *_: None)  # a password in the clear, on this machine only
    controller = Controller(
        letters,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=known,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    yield controller
    controller.stop()


def found(tmp_path: Path, **sections: object) -> dict[str, Finding]:
    config = Config.model_validate({"store": {"url": f"sqlite:///{tmp_path}/a.db"}, **sections})
    return {one.what: one for one in examine(config)}


def test_every_channel_is_reached_and_nobody_is_told(
    tmp_path: Path, mail: Controller, letters: Letters
) -> None:
    with Receiver() as receiver:
        settings = {
            "slack": {"webhook_url": f"{receiver.url}/slack"},
            "webhook": {"url": f"{receiver.url}/hook", "secret": "s" * 32},
            "alertmanager": {"urls": [receiver.url]},
            "jsm": {"api_key": "K", "url": receiver.url},
            "teams": {"webhook_url": receiver.url},
            "servicenow": {"url": receiver.url, "token": "T"},
            "datadog": {"api_key": "K", "url": receiver.url},
            "newrelic": {"api_key": "K", "account_id": "1", "url": receiver.url},
            "email": {
                "host": "127.0.0.1",
                "port": mail.port,
                "security": "none",
                "sender": "watch@example.com",
                "to": ["lead@example.com"],
                "user": "watch",
                "password": "right",
            },
        }
        exporters = {
            "collector": {"kind": "otlp", "url": f"{receiver.url}/v1/metrics"},
            "gone": {"kind": "remote_write", "url": "http://127.0.0.1:9/w"},
            "agent": {"kind": "statsd", "url": f"unix://{tmp_path}/none"},
        }
        told = found(tmp_path, notify=settings, exporters=exporters)
        wrong = settings | {"email": settings["email"] | {"password": "wrong"}}
        refused = found(tmp_path, notify=wrong)[f"email at 127.0.0.1:{mail.port}"]
        assert receiver.requests == []
    for name in ("slack", "webhook", "alertmanager", "jsm", "teams", "servicenow", "datadog", "newrelic"):
        assert told[f"{name} at 127.0.0.1"].is_well, told[f"{name} at 127.0.0.1"]
    assert told["exporter collector (otlp) at 127.0.0.1"].is_well
    assert "refused" in told["exporter gone (remote_write) at 127.0.0.1"].detail
    assert not told[f"exporter agent (statsd) at {tmp_path}/none"].is_well
    assert told[f"email at 127.0.0.1:{mail.port}"].is_well
    assert letters.taken == 0
    assert not refused.is_well
    assert "535" in refused.detail
    assert "watchkeeper notify test" in refused.hint


def test_what_cannot_be_reached_is_said_with_what_to_do(tmp_path: Path) -> None:
    port = free_port()
    notify = {
        "slack": {"webhook_url": f"https://127.0.0.1:{port}/x"},
        "dead_man": {"url": f"http://127.0.0.1:{port}/"},
    }
    web = {"oidc": {"issuer": f"http://127.0.0.1:{port}"}, "listen": f"127.0.0.1:{free_port()}"}
    told = found(tmp_path, notify=notify, web=web)
    for name in ("slack at 127.0.0.1", "dead_man at 127.0.0.1", f"sign-in at http://127.0.0.1:{port}"):
        assert not told[name].is_well
        assert "refused" in told[name].detail
        assert told[name].hint
    assert told["store"].is_well


def answer_once(listening: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = listening.accept()
    with connection, suppress(OSError):
        context.wrap_socket(connection, server_side=True).close()


def test_a_stranger_who_answers_for_a_channel_is_found_out(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stranger.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    with closing(socket.create_server(("127.0.0.1", 0))) as plain:
        port = plain.getsockname()[1]
        answering = threading.Thread(target=answer_once, args=(plain, context))
        answering.start()
        hook = {"url": f"https://127.0.0.1:{port}/hook", "secret": "s" * 32, "ca_file": str(trusted)}
        told = found(tmp_path, notify={"webhook": hook})
        answering.join(timeout=300)
    assert "its certificate is rejected" in told["webhook at 127.0.0.1"].detail


def test_a_certificate_and_the_key_of_another_are_found_out(tmp_path: Path) -> None:
    authority = trustme.CA()
    files = []
    for number in range(2):
        made = authority.issue_cert("localhost")
        certificate, key = tmp_path / f"{number}.pem", tmp_path / f"{number}.key"
        made.cert_chain_pems[0].write_to_path(certificate)
        made.private_key_pem.write_to_path(key)
        files.append((certificate, key))
    (certificate, key), (_, other) = files
    listen = f"127.0.0.1:{free_port()}"
    fits = found(tmp_path, web={"listen": listen, "certificate": certificate, "private_key": key})[
        "certificate"
    ]
    mixed = found(tmp_path, web={"listen": listen, "certificate": certificate, "private_key": other})[
        "certificate"
    ]
    assert fits.is_well
    assert not mixed.is_well
    assert "a certificate and its key" in mixed.hint


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        told = found(tmp_path, web={"listen": listen})[f"listening on {listen}"]
    assert not told.is_well
    assert "otherwise change" in told.hint


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("db.example.org/name", (False, "sslmode=prefer")),
        ("db.example.org/name?sslmode=require", (False, "sslmode=require")),
        ("db.example.org/name?sslmode=verify-ca", (False, "sslmode=verify-ca")),
        ("db.example.org/name?sslmode=verify-full&sslrootcert=/ca.pem", (True, "sslmode=verify-full")),
        ("10.0.0.8:5432/name", (False, "sslmode=prefer")),
        ("[2001:db8::8]/name?sslmode=disable", (False, "sslmode=disable")),
        ("localhost/name", None),
        ("127.0.0.1/name?sslmode=disable", None),
        ("[::1]/name", None),
        ("/name?host=/run/postgresql", None),
        ("/name?host=db.example.org", (False, "sslmode=prefer")),
        ("/name?host=localhost:5432&host=db.example.org:5432", (False, "sslmode=prefer")),
        ("/name?host=localhost:5432,%2Frun%2Fpostgresql", None),
        ("/name?hostaddr=2001:db8::8&sslmode=verify-full", (True, "sslmode=verify-full")),
        ("/name", None),
    ],
)
def test_a_connection_to_another_machine_that_is_not_verified_is_told(
    url: str, expected: tuple[bool, str] | None
) -> None:
    config = Config.model_validate({"store": {"url": f"postgresql+psycopg://{url}"}})
    told = [(one.is_well, one.detail) for one in server_security(config)]
    assert told == ([] if expected is None else [expected])
    assert [one for one in server_security(config) if "verify-full" not in one.hint] == []


def test_sqlite_has_no_connection_to_verify() -> None:
    assert list(server_security(Config())) == []
