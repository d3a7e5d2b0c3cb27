"""Every call that goes out ends: each client against servers that hang, drip, and never stop."""

import ssl
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from monitor.errors import WatchkeeperError
from monitor.notify import CHANNELS, build, reconcile
from monitor.notify.channels.pagerduty import PagerDutySettings
from monitor.notify.dead_man import DeadMan, DeadManSettings, Vitals
from monitor.notify.delivery.reachability import check_reachability
from monitor.notify.failure import AttemptError
from monitor.notify.http import Http
from monitor.notify.settings import NotifySettings
from monitor.records import Stream
from monitor.sources.probes import ProbeSettings, probe
from monitor.web.auth.oidc import Provider
from monitor.web.settings import OidcSettings
from tests.support.pages import PAGE
from tests.support.slow_peers import SLACK_SECONDS, Manner, peer

SECONDS = 0.6
"""The deadline of every call here."""
APPRISE_SECONDS = 4.0
"""Apprise has to start first."""
MOST_SENT = 16 << 20
"""Bytes that a server without end gets rid of before it is cut off: the limit, and the buffers in between."""
LOCAL = {"console", "file"}


@dataclass(frozen=True)
class Place:
    port: int
    ca_file: str

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def https(self) -> str:
        return f"https://127.0.0.1:{self.port}"


def channel(name: str, section: Callable[[Place], dict[str, Any]]) -> Callable[[Place], str]:
    def call(place: Place) -> str:
        made = build(NotifySettings.model_validate({"console": False, name: section(place)}))[name]
        made.seconds = APPRISE_SECONDS if name == "apprise" else SECONDS
        with closing(made), pytest.raises(AttemptError) as caught:
            made.send(PAGE)
        return caught.value.message

    return call


def compare(place: Place) -> str:
    settings = PagerDutySettings.model_validate(pagerduty(place) | {"api_token": "t", "api_url": place.https})
    with closing(Http("PagerDuty", place.ca_file)) as http, pytest.raises(AttemptError) as caught:
        reconcile.fetch(settings, http)
    return caught.value.message


def ping(place: Place) -> str:
    with closing(DeadMan(DeadManSettings.model_validate({"url": place.http}))) as switch:
        said = switch.step(Vitals(0.0, None, True), 15.0, 100.0)
    assert said.startswith("not pinged")
    return said


def ask(place: Place) -> str:
    answer = probe(Stream("acme", "fraud"), ProbeSettings(url=place.http, timeout=SECONDS), 0.0)
    assert not answer.succeeded
    return answer.detail


def discover(place: Place) -> str:
    settings = OidcSettings(issuer=place.http, client_id="w", client_secret="s", roles={"a": "viewer"})  # type: ignore[arg-type]
    with pytest.raises(WatchkeeperError) as caught:
        Provider(settings).reach()
    return caught.value.message


def pagerduty(place: Place) -> dict[str, Any]:
    return {"routing_key": "R" * 32, "events_url": place.https, "ca_file": place.ca_file}


def email(place: Place) -> dict[str, Any]:
    to = {"sender": "a@b.c", "to": ["d@e.f"], "security": "none"}
    return {"host": "127.0.0.1", "port": place.port, **to}


def try_address(place: Place) -> str:
    settings = {"console": False, "pagerduty": pagerduty(place)}
    (found,) = check_reachability(NotifySettings.model_validate(settings))
    assert found.problem
    return found.problem


CLIENTS: dict[str, Callable[[Place], str]] = {
    "pagerduty": channel("pagerduty", pagerduty),
    "alertmanager": channel("alertmanager", lambda place: {"urls": [place.http]}),
    "slack": channel("slack", lambda place: {"webhook_url": place.http}),
    "email": channel("email", email),
    "jsm": channel("jsm", lambda place: {"api_key": "K", "url": place.http}),
    "servicenow": channel("servicenow", lambda place: {"url": place.http, "token": "T"}),
    "teams": channel("teams", lambda place: {"webhook_url": place.http}),
    "datadog": channel("datadog", lambda place: {"api_key": "K", "url": place.http}),
    "newrelic": channel("newrelic", lambda place: {"api_key": "K", "account_id": "1", "url": place.http}),
    "webhook": channel("webhook", lambda place: {"url": place.http, "secret": "x"}),
    "apprise": channel("apprise", lambda place: {"urls": [f"json://127.0.0.1:{place.port}"]}),
    "reconcile": compare,
    "dead man's switch": ping,
    "health probe": ask,
    "sign-in": discover,
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(autouse=True)
def deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "notify.http.ATTEMPT_SECONDS",
        "notify.channels.pagerduty.ATTEMPT_SECONDS",
        "web.auth.oidc.SECONDS",
    ):
        monkeypatch.setattr(f"monitor.{place}", SECONDS)
    monkeypatch.setattr("monitor.notify.channels.servicenow.ServiceNow.seconds", SECONDS)
    monkeypatch.setattr("monitor.notify.reconcile.FETCH_SECONDS", SECONDS)
    monkeypatch.setattr("monitor.notify.reconcile.MOST_BYTES", 1 << 20)
    monkeypatch.setattr("monitor.notify.delivery.reachability.SECONDS", SECONDS)


def test_a_handshake_that_hangs_ends_when_an_address_is_tried(ca_file: str) -> None:
    with peer(Manner.HANG) as server:
        began = time.monotonic()
        try_address(Place(server.port, ca_file))
        assert time.monotonic() - began < SECONDS + SLACK_SECONDS


def test_every_channel_that_connects_is_tried_here() -> None:
    assert {kind.name for kind in CHANNELS} - LOCAL <= CLIENTS.keys()


@pytest.mark.parametrize("manner", [Manner.HANG, Manner.DRIP, Manner.FLOOD])
@pytest.mark.parametrize("name", CLIENTS)
def test_law_every_call_ends_in_time_and_takes_no_more_than_it_may(
    name: str, manner: Manner, tls: ssl.SSLContext, ca_file: str
) -> None:
    secure = tls if name in ("pagerduty", "reconcile") else None
    with peer(manner, secure, is_mail=name == "email") as server:
        began = time.monotonic()
        words = CLIENTS[name](Place(server.port, ca_file))
        took = time.monotonic() - began
    most = APPRISE_SECONDS if name == "apprise" else SECONDS
    assert took < most + SLACK_SECONDS, words
    assert "\n" not in words
    assert name == "apprise" or server.sent < MOST_SENT
    if manner is Manner.FLOOD and name != "apprise":
        assert "larger than" in words
