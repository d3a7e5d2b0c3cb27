"""What an operator must know of a relay: its window, its ports, its certificates, and what it holds of a client."""

import ssl
import subprocess

import pytest
import trustme
from typer.testing import CliRunner

from monitor.cli.registry import app
from monitor.errors import WatchkeeperError
from monitor.relay.erasing import erase
from monitor.relay.forwarding import flaw_of_window
from monitor.relay.relay import Relay
from monitor.relay.status import status_of
from tests.support import http
from tests.support.ingest_server import serving
from tests.support.log import prediction
from tests.support.ports import free_port
from tests.support.relays import KEY, OTHER_KEY, UPSTREAM_KEY, relaying, settings_of
from tests.support.server import running
from tests.support.stand_in import Reply, StandIn
from tests.support.waiting import until

DAY = 86_400.0


@pytest.mark.parametrize(
    ("window", "keep", "told"),
    [
        (0.0, 7 * DAY, ""),
        (8 * DAY, 7 * DAY, ""),
        (7 * DAY, 7 * DAY, ""),
        (DAY, 7 * DAY, "for 1d, and requests may wait for 7d"),
    ],
)
def test_a_window_shorter_than_an_outage_is_told(window, keep, told):
    found = flaw_of_window(window, keep)
    assert (told in found, bool(found)) == (True, bool(told))


def test_the_daemon_says_for_how_long_it_recognizes_what_is_sent_again(tmp_path, caplog):
    with serving(tmp_path / "..", resend_window="2h") as ingest:
        upstream = {"url": ingest.url, "key": ingest.make_key("acme"), "timeout": "5s"}
        with relaying(settings_of(tmp_path, ingest.url, upstream=upstream)) as (relay, sender):
            assert sender.post("/v1/predictions", json=[prediction()]).status_code == 202
            state = relay.forwarders["line-3"].state
            until(lambda: state.sent, "it is sent")
            assert state.resend_window == 7200
        assert ["set predictions.resend_window to 7d" in one.message for one in caplog.records].count(
            True
        ) == 1
        by_key = {one.key: one for one in status_of(tmp_path, 1, 0.0).keys}
        assert by_key["line-3"].resend_window == 7200
        direct = ingest.post([prediction()])
        assert "watchkeeper-resend-window" not in direct.headers


def test_tls_from_the_sender_to_the_daemon_with_certificates_of_an_own_authority(tmp_path):
    """The sender trusts the relay by the authority, the relay the daemon, and the daemon's proxy asks the relay for a
    certificate of its own.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("127.0.0.1", "relay"):
        issued = authority.issue_cert(name)
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / f"{name}.pem")
    asks = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
    asks.load_cert_chain(tmp_path / "127.0.0.1.pem")
    asks.verify_mode = ssl.CERT_REQUIRED
    with StandIn(lambda _: Reply(202, {"accepted": 1, "rejected": []})) as upstream:
        upstream._server.socket = asks.wrap_socket(upstream._server.socket, server_side=True)
        url = upstream.url.replace("http:", "https:")
        to = {"url": url, "key": UPSTREAM_KEY, "timeout": "2s", "ca_file": str(tmp_path / "ca.pem")}
        pem = str(tmp_path / "relay.pem")
        own = {"certificate": tmp_path / "127.0.0.1.pem", "private_key": tmp_path / "127.0.0.1.pem"}
        nameless = settings_of(tmp_path / "buffer", url, upstream=to, **own)
        trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        with relaying_by_tls(nameless) as (relay, address):
            send = {"headers": {"Authorization": f"Bearer {KEY}"}, "content": b"[1]"}
            with http.client(verify=trusting) as sender:
                assert sender.post(f"{address}/v1/predictions", **send).status_code == 202
            until(lambda: relay.forwarders["line-3"].state.error, "without a certificate, nothing is taken")
            assert upstream.asked == []
        named = settings_of(
            tmp_path / "buffer", url, upstream=to | {"certificate": pem, "private_key": pem}, **own
        )
        with relaying_by_tls(named) as (relay, _):
            until(lambda: relay.forwarders["line-3"].state.sent, "it is sent")
        assert [one.body for one in upstream.asked] == [b"[1]"]
    with pytest.raises(ValueError, match="must be set together"):
        settings_of(tmp_path, url, upstream=to | {"certificate": pem})


class relaying_by_tls:  # noqa: N801 - used like a function
    """A relay in threads of the test that speaks TLS."""

    def __init__(self, settings):
        self.relay, self.address = Relay(settings), f"https://{settings.listen}"

    def __enter__(self):
        self.relay.start()
        self.server = running(self.relay.server)
        self.server.__enter__()
        return self.relay, self.address

    def __exit__(self, *raised):
        self.server.__exit__(*raised)
        self.relay.end()


def test_its_ports_are_named(tmp_path, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "relay.yaml"
    text = f"""
relay:
  listen: "0.0.0.0:8480"
  upstream: {{url: "https://watchkeeper.example.com", key: {UPSTREAM_KEY}, proxy: PROXY}}
  keys: {{line-3: {{client: acme, key: {KEY}}}}}
"""
    file.write_text(text.replace("PROXY", "direct"))
    told = CliRunner().invoke(app, ["doctor", "--network", "-c", str(file)])
    assert [line.split()[:2] for line in told.stdout.splitlines()] == [
        ["in", "0.0.0.0:8480"],
        ["out", "watchkeeper.example.com:443"],
        ["out", "your"],
    ]
    file.write_text(text.replace("PROXY", "http://p.example:3128"))
    told = CliRunner().invoke(app, ["doctor", "--network", "-c", str(file)])
    assert "via  watchkeeper.example.com:443" in told.stdout
    assert "out  p.example:3128" in told.stdout
    assert "wk_" not in told.stdout


def test_what_it_holds_of_a_client_is_deleted_and_the_others_requests_stay(tmp_path):
    with StandIn(lambda _: Reply(503)) as away:
        chosen = settings_of(tmp_path, away.url)
        with relaying(chosen) as (_, sender):
            sender.post("/v1/predictions", content=b"secret of acme")
            sender.post(
                "/v1/predictions", content=b"globex", headers={"Authorization": f"Bearer {OTHER_KEY}"}
            )
            with pytest.raises(WatchkeeperError, match="uses the folder"):
                erase(chosen, "acme")
        renamed = chosen.model_copy(update={"keys": {"line-4": chosen.keys["line-4"]}})
        assert erase(renamed, "nobody") == {}
        assert list(erase(renamed, "acme")) == ["line-3"], "a key that the file no longer has"
        assert erase(renamed, "acme") == {}
    found = subprocess.run(["grep", "-rl", "secret of acme", tmp_path], capture_output=True, check=False)
    assert found.stdout == b""
    with StandIn(lambda _: Reply(202, {"accepted": 1, "rejected": []})) as back:
        with relaying(settings_of(tmp_path, back.url, listen=f"127.0.0.1:{free_port()}")) as (relay, _):
            until(lambda: relay.forwarders["line-4"].state.sent, "the other client's is sent")
        assert [one.body for one in back.asked] == [b"globex"]
