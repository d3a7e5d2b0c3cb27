"""Calls through a real proxy, with the certificates of a private authority, and with a certificate of one's own."""

import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from monitor import outgoing
from monitor.exporters.push.otlp import OtlpSettings
from monitor.exporters.push.trial import connection_problem, send_one
from monitor.notify.channels.slack import Slack, SlackSettings
from monitor.notify.delivery.reachability import check_reachability, problem_of
from monitor.notify.failure import AttemptError
from monitor.notify.settings import NotifySettings
from monitor.outgoing import OutgoingRoute
from tests.support.connect_proxy import connect_proxy
from tests.support.metric_intakes import OtlpIntake
from tests.support.pages import PAGE
from tests.support.receiver import Receiver

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def folder(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("watchkeeper@example.org")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "own.pem")
    return tmp_path


def with_tls(server: Receiver, authority: trustme.CA, asks: ssl.VerifyMode = ssl.CERT_NONE) -> None:
    """Give a server a certificate of the private authority; it may ask for one of the same authority."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    served.verify_mode = asks
    authority.configure_trust(served)
    server.server.socket = served.wrap_socket(server.server.socket, server_side=True)


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[OtlpIntake]:
    with OtlpIntake() as server:
        with_tls(server, authority)
        yield server


def https(server: Receiver) -> str:
    return server.url.replace("http:", "https:")


def test_a_channel_and_an_exporter_go_through_their_own_proxy(secure: OtlpIntake, folder: Path) -> None:
    place = https(secure).removeprefix("https://")
    ca_file = str(folder / "ca.pem")
    with connect_proxy("user:s3cret") as proxy:
        way = {"proxy": proxy.url, "ca_file": ca_file}
        slack = SlackSettings.model_validate({"webhook_url": f"{https(secure)}/T", **way})
        secure.statuses.append(200)
        with closing(Slack(slack)) as channel:
            channel.send(PAGE)
        exporter = OtlpSettings.model_validate({"url": f"{https(secure)}/v1/metrics", **way})
        assert send_one(exporter, NOW) == "watchkeeper_build_info: answered 200"
        assert connection_problem(exporter) == ""
        (found,) = check_reachability(NotifySettings(slack=slack, console=False))
        assert found.problem == ""
        assert set(proxy.asked) == {place}
        before = len(proxy.asked)
        direct = exporter.model_copy(update={"proxy": type(exporter.proxy)("direct")})
        send_one(direct, NOW)
        assert len(proxy.asked) == before
        wrong = OtlpSettings.model_validate(
            {**way, "url": f"{https(secure)}/v1/metrics", "proxy": proxy.url.replace("s3cret", "other")}
        )
        with pytest.raises(AttemptError, match="407") as caught:
            send_one(wrong, NOW)
    assert "other" not in str(caught.value), "a password of a proxy is a secret"
    assert "s3cret" not in repr(exporter)


def test_the_proxy_of_the_environment_is_used_unless_no_proxy_names_the_host(
    secure: OtlpIntake, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = OtlpSettings.model_validate(
        {"url": f"{https(secure)}/v1/metrics", "ca_file": str(folder / "ca.pem")}
    )
    with connect_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        send_one(section, NOW)
        assert len(proxy.asked) == 1
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        send_one(section, NOW)
        assert len(proxy.asked) == 1


def test_a_plain_address_is_forwarded() -> None:
    with connect_proxy() as proxy:
        assert problem_of("http://intake.invalid:4318/x?key=SECRET", OutgoingRoute(proxy=proxy.url)) == ""
        assert proxy.asked == ["http://intake.invalid:4318/"], "no path or query goes out to try an address"


def test_a_proxy_that_cannot_be_reached_or_does_not_reach_the_host_is_told() -> None:
    with connect_proxy() as proxy:
        gone = OutgoingRoute(proxy=proxy.url)
    assert "refused" in problem_of("https://127.0.0.1:9/", gone)


def test_the_certificate_that_a_server_asks_for_is_shown(folder: Path, authority: trustme.CA) -> None:
    own = OutgoingRoute(str(folder / "ca.pem"), "", str(folder / "own.pem"), str(folder / "key.pem"))
    with Receiver() as server:
        with_tls(server, authority, ssl.CERT_REQUIRED)
        with outgoing.client(5.0, own) as client:
            assert client.get(f"{https(server)}/").status_code == 200
        with outgoing.client(5.0, own.ca_file) as client, pytest.raises(outgoing.FAILURES):
            client.get(f"{https(server)}/")
    with pytest.raises(OSError, match="No such file"):
        OutgoingRoute(certificate=str(folder / "none.pem")).tls()


def test_a_key_with_a_passphrase_is_not_asked_for_on_the_terminal(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key((folder / "key.pem").read_bytes(), None)
    sealed = key.private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"passphrase")
    )
    (folder / "sealed.pem").write_bytes(sealed)
    with pytest.raises(OSError, match="without a passphrase"):
        OutgoingRoute("", "", str(folder / "own.pem"), str(folder / "sealed.pem")).tls()
