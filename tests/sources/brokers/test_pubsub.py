"""Records from a subscription of Pub/Sub: every message once, acknowledged when it is stored."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from monitor.sources.brokers.google_tokens import GoogleTokens, TokenError
from monitor.sources.brokers.pubsub import PubSubSettings
from monitor.store.db import Store
from tests.support.pubsub import JAR, PubSubServer, emulator, stand_in
from tests.support.source_checks import (
    check_invalid_settings,
    check_open_fails,
    check_peek,
    check_poison,
    check_silent_server,
    record,
    records,
    runner,
    stored,
    unacknowledged,
)
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

HAS_EMULATOR = THOROUGH and JAR.exists()
KINDS = [
    "stand-in",
    pytest.param(
        "emulator",
        marks=pytest.mark.skipif(not HAS_EMULATOR, reason="in a thorough run, where it is installed"),
    ),
]


@pytest.fixture(scope="module", params=KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PubSubServer]:
    made = stand_in() if request.param == "stand-in" else emulator(tmp_path_factory.mktemp("pubsub"))
    with made as running:
        yield running


def settings(server: PubSubServer, name: str, **more: Any) -> PubSubSettings:
    return PubSubSettings(address=server.address, subscription=name, **more)


def left(section: PubSubSettings) -> int:
    """Messages that another subscriber gets."""
    source = section.make_source("orders")
    source.open(dict)
    found = len(source.peek(100, 0.5))
    source.close()
    return found


def test_each_message_is_stored_once_although_it_comes_again(server: PubSubServer, store: Store) -> None:
    section = settings(server, server.create())
    server.send(section.subscription, records(0, 60))
    first = runner(store, unacknowledged(section))
    first.start()
    until(lambda: "before the acknowledgement" in first.state().error, "the acknowledgement failed")
    first.stop()
    assert 0 < stored(store) < 60
    second = runner(store, section)
    second.start()
    until(lambda: stored(store) == 60, "the rest is stored")
    server.send(section.subscription, [record(1000)])
    until(lambda: stored(store) == 61, "the next one is stored")
    until(lambda: second._log.stats().replayed > 0, "the first ones came again", server.lease + 20)
    second.stop()
    assert stored(store) == 61
    assert first.state().accepted + second.state().accepted == 61


def test_a_message_that_cannot_be_read_stops_none_of_the_others(server: PubSubServer, store: Store) -> None:
    section = settings(server, server.create())

    class Counted(PubSubSettings):
        """Another subscriber sees that nothing is left."""

    sent = Counted(**section.model_dump())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.source_checks.has_no_more", lambda one: left(one) == 0)
        check_poison(store, sent, lambda bodies: server.send(section.subscription, bodies), "message ")


def test_the_next_messages_are_shown_and_stay(server: PubSubServer) -> None:
    section = settings(server, server.create())
    sent = records(0, 3)
    server.send(section.subscription, sent)
    check_peek(section, sent)


def test_pulls_grow_and_say_how_old_their_messages_are(server: PubSubServer) -> None:
    section = settings(server, server.create())
    server.send(section.subscription, records(0, 40))
    source = section.make_source("orders")
    source.open(dict)
    assert (source.lag().waiting, source.lag().oldest_seconds) == (None, None)
    seen: list[int] = []
    while sum(seen) < 40:
        fetched = source.fetch(500, 0.2)
        source.acknowledge(fetched) if fetched.payloads else None
        seen.append(len(fetched.payloads))
    assert seen[0] == 1
    assert max(seen) > 1
    age = source.lag().oldest_seconds
    assert age is not None
    assert 0 <= age < 60
    source.close()
    assert left(section) == 0


def test_attributes_are_headers(server: PubSubServer, store: Store) -> None:
    section = settings(server, server.create(), format="kserve", client="acme", model="fraud")
    for side, body in (("request", {"instances": [1]}), ("response", {"predictions": [2]})):
        about = {"ce-id": "c-1", "ce-type": f"x.{side}", "content-type": "application/json"}
        server.send(section.subscription, [json.dumps(body).encode()], **about)
    reading = runner(store, section)
    reading.start()
    until(lambda: stored(store) == 1, "the call is stored")
    reading.stop()


def test_a_subscription_that_is_not_there_says_so(server: PubSubServer) -> None:
    check_open_fails(
        settings(server, "projects/p/subscriptions/gone"), r"HTTP 404: .*does the subscription exist"
    )
    nobody = PubSubServer("http://127.0.0.1:9")
    check_open_fails(settings(nobody, "projects/p/subscriptions/x"), "subscriptions/x: ConnectError")


def test_a_server_that_does_not_answer_is_given_up() -> None:
    name = "projects/p/subscriptions/x"
    check_silent_server(
        lambda address: settings(PubSubServer(f"http://{address}"), name), lambda _: f"Pub/Sub: {name}"
    )


def test_invalid_settings_are_rejected() -> None:
    check_invalid_settings(PubSubSettings, {"subscription": "orders"}, "is not a subscription")
    values = {"subscription": "projects/p/subscriptions/s", "address": "ftp://x"}
    check_invalid_settings(PubSubSettings, values, "is not an address")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def tokens(key: rsa.RSAPrivateKey) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Google's token endpoint: it checks the signature, and hands out a token for each claim."""
    claims: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            signed, _, signature = form["assertion"][0].rpartition(".")
            try:
                key.public_key().verify(
                    _decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
                )
                assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
                claims.append(json.loads(_decoded(signed.partition(".")[2])))
                status, answer = 200, {"access_token": f"token-{len(claims)}", "expires_in": 3600}
            except Exception as error:
                status, answer = 400, {"error": "invalid_grant", "error_description": repr(error)}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/token", claims
    http.shutdown()
    http.server_close()
    thread.join()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_key_file_signs_for_a_token_that_is_used_until_it_expires(
    key: rsa.RSAPrivateKey, tokens: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    uri, claims = tokens
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "key.json"
    content = {
        "client_email": "wk@p.iam",
        "private_key": pem.decode(),
        "token_uri": uri,
        "private_key_id": "1",
    }
    file.write_text(json.dumps(content))
    made = GoogleTokens("a scope", str(file))
    assert [made.current(), made.current()] == ["token-1", "token-1"]
    (claim,) = claims
    assert (claim["iss"], claim["scope"], claim["aud"]) == ("wk@p.iam", "a scope", uri)
    assert abs(claim["iat"] - time.time()) < 60
    assert claim["exp"] - claim["iat"] == 3600
    made._until = time.monotonic() + 60
    assert made.current() == "token-2"
    other = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_text(json.dumps({**content, "private_key": other.decode()}))
    with pytest.raises(TokenError, match="HTTP 400: InvalidSignature"):
        GoogleTokens("a scope", str(file)).current()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"client_email": "x", "private_key": "y"}'])
def test_a_file_that_is_no_key_is_told(content: str, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(TokenError, match="is not a service account key file"):
        GoogleTokens("a scope", str(file)).current()


@contextmanager
def answering(answer: Callable[[dict[str, list[str]]], tuple[int, object]]) -> Iterator[str]:
    """A server of tokens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            status, content = answer(form)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/token"
        http.shutdown()
        thread.join()


def test_the_file_of_a_person_who_has_logged_in_is_exchanged_for_a_token(tmp_path: Path) -> None:
    sent = {"client_id": "c", "client_secret": "s", "refresh_token": "r"}

    def answer(form: dict[str, list[str]]) -> tuple[int, object]:
        if form["refresh_token"] != ["r"]:
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        assert form == {"grant_type": ["refresh_token"], **{name: [value] for name, value in sent.items()}}
        return 200, {"access_token": "of a person", "expires_in": 3599}

    file = tmp_path / "application_default_credentials.json"
    with answering(answer) as uri:
        content = {"type": "authorized_user", "token_uri": uri, **sent}
        file.write_text(json.dumps(content))
        assert GoogleTokens("a scope", str(file)).current() == "of a person"
        file.write_text(json.dumps({**content, "refresh_token": "old"}))
        with pytest.raises(TokenError, match="Token has been expired or revoked"):
            GoogleTokens("a scope", str(file)).current()


@pytest.mark.parametrize("kind", ["external_account", "impersonated_service_account", "gdch_service_account"])
def test_a_file_of_another_kind_says_what_to_use_instead(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"type": kind, "audience": "//iam.googleapis.com/x"}))
    with pytest.raises(
        TokenError, match=f"{kind}', which is not supported: use the key file of a service account"
    ):
        GoogleTokens("a scope", str(file)).current()
