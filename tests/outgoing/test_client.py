"""The client that every outgoing request goes through."""

import gzip
import re
import socket
import threading
import time
from pathlib import Path

import httpx2
import pytest

from monitor import outgoing
from monitor.outgoing import CallBudget, names
from monitor.outgoing.headers import given_header, mail_header, request_header
from tests.support.receiver import Receiver
from tests.support.slow_peers import SLACK_SECONDS, Manner, peer

SECONDS = 0.6


@pytest.mark.parametrize("manner", [Manner.HEADERS, Manner.CONTINUE, Manner.RESET])
def test_headers_without_end_answers_before_the_answer_and_cut_lines_end(manner: Manner) -> None:
    with peer(manner) as server, outgoing.client(SECONDS) as client:
        began = time.monotonic()
        with pytest.raises(outgoing.FAILURES):
            client.get(f"http://127.0.0.1:{server.port}")
        assert time.monotonic() - began < SECONDS + SLACK_SECONDS
    assert server.sent < 16 << 20


def serve_once(answer: bytes) -> int:
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with listening:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

    threading.Thread(target=run, daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


class Short(CallBudget):
    """Is used up at its `looks`-th look."""

    def __init__(self, looks: int) -> None:
        super().__init__(5.0)
        self._looks = looks

    def left(self) -> float:
        self._looks -= 1
        if self._looks <= 0:
            self._ends = 0.0
        return super().left()


def test_a_deadline_that_passes_at_any_moment_of_a_call_is_a_time_out() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 5 + b"0\r\n\r\n"
    looks = 0
    with outgoing.client(5.0) as client:
        while looks < 50:
            looks += 1
            try:
                client.get(f"http://127.0.0.1:{serve_once(answer)}", extensions={"budget": Short(looks)})
            except httpx2.TimeoutException:
                continue
            break
    assert 5 < looks < 50


def compressed(text: bytes) -> bytes:
    body = gzip.compress(text)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_an_answer_that_was_compressed_unasked_is_read_up_to_the_limit() -> None:
    with outgoing.client(5.0, most_bytes=100_000) as client:
        small = client.get(f"http://127.0.0.1:{serve_once(compressed(b'well'))}")
        bomb = client.get(f"http://127.0.0.1:{serve_once(compressed(bytes(50_000_000)))}")
    assert small.text == "well"
    assert len(bomb.content) == 100_000


def test_what_claims_to_be_compressed_and_is_not_stays_as_it_is() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain"
    with outgoing.client(5.0) as client:
        assert client.get(f"http://127.0.0.1:{serve_once(head)}").text == "plain"


@pytest.mark.parametrize("where", ["http://127.0.0.1:1/elsewhere", "/loop"])
def test_a_redirect_is_an_answer_and_is_not_followed(where: str) -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
    with outgoing.client(5.0) as client:
        assert client.get(f"http://127.0.0.1:{serve_once(head)}").status_code == 302


def test_several_requests_share_a_budget() -> None:
    with Receiver() as server, outgoing.client(5.0) as client:
        budget = CallBudget(5.0, most_bytes=300)
        client.get(server.url, extensions={"budget": budget})
        with pytest.raises(httpx2.ReadError, match="larger than 300 bytes"):
            for _ in range(3):
                client.get(server.url, extensions={"budget": budget})


def test_a_name_server_that_hangs_is_waited_for_in_one_thread_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    asked: list[str] = []

    def hang(host: str, *rest: object, **options: object) -> list[object]:
        asked.append(host)
        over.wait(300)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(names.socket, "getaddrinfo", hang)
    began = time.monotonic()
    with outgoing.client(0.3) as client:
        for _ in range(3):
            with pytest.raises(httpx2.ConnectTimeout, match=r"the name slow\.example was not resolved"):
                client.get("http://slow.example/")
    over.set()
    assert time.monotonic() - began < 150, "the name server takes 300 seconds"
    assert asked == ["slow.example"]


def test_a_proxy_of_the_environment_is_used_under_the_same_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as proxy, outgoing.client(SECONDS) as client:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert client.get("http://well.invalid/up").is_success
        assert proxy.requests[0].path == "http://well.invalid/up"
        monkeypatch.setenv("no_proxy", "well.invalid")
        with pytest.raises(httpx2.ConnectError):
            client.get("http://well.invalid/up")
    with peer(Manner.DRIP) as slow, outgoing.client(SECONDS) as client:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{slow.port}")
        with pytest.raises(httpx2.ReadTimeout, match=r"no complete response within 0\.6 s"):
            client.get("http://elsewhere.invalid/")


def test_a_host_whose_first_address_is_silent_is_reached_by_its_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Receiver() as server, outgoing.client(2.0) as client:
        port = server.server.server_address[1]
        monkeypatch.setattr("monitor.outgoing.stream.addresses", lambda *_: ["127.0.0.2", "127.0.0.1"])
        assert client.get(f"http://two.example:{port}/").is_success


def test_a_request_header_is_one_line_of_ascii_whatever_it_was_made_from() -> None:
    assert request_header("watchkeeper:prod:High Error:1") == "watchkeeper:prod:High Error:1"
    assert request_header("a\r\nX: 1\u2028ü\ud800") == "a%0D%0AX: 1%E2%80%A8%C3%BC%3F"


def test_a_configured_header_may_hold_any_letter_and_no_line_break() -> None:
    assert given_header("X-Team", "Zürich\n") == (b"X-Team", "Zürich".encode())
    with pytest.raises(ValueError, match="the header X-Team holds a line break") as caught:
        given_header("X-Team", "secret\r\nX-Other: 1")
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="has an invalid name"):
        given_header("X Team", "1")


def test_a_mail_header_is_one_line_of_what_can_be_shown() -> None:
    assert mail_header("a\r\nBcc: b@c.d\u2028\x00\u202e") == r"a Bcc: b@c.d\u2028\x00\u202e"


def test_only_this_room_opens_connections() -> None:
    """Whoever imports a library that connects is named here, with the reason."""
    package = Path(outgoing.__file__).parent.parent
    allowed = {
        "notify/channels/smtp.py",  # SMTP, over a connection of this room
        "notify/channels/email.py",  # SMTP's errors
        "notify/http.py",  # httpx2's types and errors
        "notify/http_failure.py",  # httpx2's errors
        "notify/channels/pagerduty.py",  # PagerDuty's client, over this room's transport
        "notify/delivery/reachability.py",  # httpcore2's errors
        "exporters/push/exporter.py",  # httpx2's response
        "loadtest/endpoint.py",  # httpcore2's errors
        "relay/forwarding.py",  # httpx2's response and errors
        "sites/transports/imap.py",  # IMAP, over a connection of this room
        "sites/transports/mail.py",  # SMTP's errors
    }
    libraries = ("httpx2", "httpcore2", "smtplib", "imaplib", "http.client", "urllib.request", "requests")
    calls = re.compile(
        r"create_connection\(|httpx2\.(?:Client|get|post|request)\(|smtplib\.SMTP(?:_SSL)?\(|urlopen\("
    )
    found = {}
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        if name.startswith(("outgoing/", "demo/")):
            continue
        text = path.read_text()
        assert not calls.search(text), name
        lines = [line.strip() for line in text.splitlines()]
        used = [
            b
            for b in libraries
            if f"import {b}" in lines or any(x.startswith(f"from {b} import") for x in lines)
        ]
        if used:
            found[name] = used
    assert found.keys() <= allowed, found


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), MemoryError(), RuntimeError("odd"), ValueError("odd")]
)
def test_a_look_up_that_raises_anything_ends_one_request_and_the_next_one_asks_anew(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    asked: list[str] = []

    def broken(host: str, *rest: object, **options: object) -> list[object]:
        asked.append(host)
        raise error

    monkeypatch.setattr(names.socket, "getaddrinfo", broken)
    with outgoing.client(5.0) as client:
        for _ in range(2):
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, it is one that lanes catch
                client.get("http://odd.example/")
    assert len(asked) == 2
