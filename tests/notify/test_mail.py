"""Mail servers as they are: slow to greet, strict, silent at the end; and names in any alphabet."""

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import ValidationError

from monitor.notify.channels.email import Email, EmailSettings
from monitor.notify.failure import AttemptError, FailureKind
from tests.support.mailbox import mail_server, mailer
from tests.support.pages import PAGE, RESOLVE
from tests.support.ports import free_port


def refused(channel: Email) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        channel.send(PAGE)
    return caught.value


@contextmanager
def scripted(*replies: tuple[float, bytes], then: bytes = b"") -> Iterator[tuple[list[bytes], int]]:
    """A server that says each reply after so many seconds, and reads something between two."""
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            for wait, reply in replies:
                threading.Event().wait(wait)
                connection.sendall(reply)
                heard.append(connection.recv(65_536))
            if then:
                connection.sendall(then)
            while connection.recv(65_536):
                pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with listening:
        yield heard, listening.getsockname()[1]
    thread.join(300)


TAKES = ((0.0, b"250 me\r\n"), (0.0, b"250 ok\r\n"), (0.0, b"250 ok\r\n"), (0.0, b"354 go\r\n"))


def test_a_server_that_greets_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.notify.channel.ATTEMPT_SECONDS", 0.2)
    with scripted((1.0, b"220 sorry for the delay\r\n"), *TAKES, (0.0, b"250 taken\r\n")) as (heard, port):
        assert mailer(port).send(PAGE) == "accepted for 1 recipient"
    assert heard[-1].startswith(b"quit")


def test_the_deadline_of_a_mail_leaves_room_for_servers_that_keep_a_sender_waiting() -> None:
    assert Email.seconds >= 20


def test_a_conversation_as_a_whole_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Email, "seconds", 0.8)
    began = time.monotonic()
    with scripted((0.5, b"220 hello\r\n"), (0.5, b"250 me\r\n")) as (_, port):
        error = refused(mailer(port))
        assert time.monotonic() - began < 100, "the server never ends it"
    assert (error.kind, "no complete response within 0.8 s" in error.message) == (
        FailureKind.UNREACHABLE,
        True,
    )


def test_what_was_taken_is_told_although_the_server_never_says_goodbye() -> None:
    with scripted((0.0, b"220 hi\r\n"), *TAKES, (0.0, b"250 taken\r\n")) as (_, port):
        began = time.monotonic()
        assert mailer(port).send(PAGE) == "accepted for 1 recipient"
        assert time.monotonic() - began < 15, "the deadline of a mail is longer"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"554 no mail from you\r\n", FailureKind.MISCONFIGURED),
        (b"421 too busy\r\n", FailureKind.UNREACHABLE),
        (b"garbage\r\n", FailureKind.UNREACHABLE),
        (b"2" * 20_000 + b"\r\n", FailureKind.MISCONFIGURED),
        (b"220-\xff\xfe\r\n220 \x00\r\n", FailureKind.UNREACHABLE),
    ],
)
def test_a_greeting_that_is_no_welcome_is_a_failed_attempt(reply: bytes, kind: FailureKind) -> None:
    with scripted((0.0, reply)) as (_, port):
        channel = mailer(port)
        channel.seconds = 1.0  # type: ignore[misc]
        error = refused(channel)
    assert error.kind is kind
    assert error.message.isprintable()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_user_and_password_may_hold_any_letter(mechanism: str) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        seen.append((data.login, data.password))
        return AuthResult(success=True)

    exclude = {"LOGIN", "PLAIN"} - {mechanism}
    with mail_server(authenticator=check, auth_require_tls=False, auth_exclude_mechanism=exclude) as (
        _,
        port,
    ):
        mailer(port, user="wächter", password="pässwörd€").send(PAGE)
    assert seen == [("wächter".encode(), "pässwörd€".encode())]


def test_cram_md5_takes_any_letter() -> None:
    challenge = base64.b64encode(b"<1@host>")
    replies = (
        (0.0, b"220 hi\r\n"),
        (0.0, b"250-me\r\n250 AUTH CRAM-MD5\r\n"),
        (0.0, b"334 " + challenge + b"\r\n"),
    )
    with scripted(*replies, then=b"535 no\r\n") as (heard, port):
        error = refused(mailer(port, user="wächter", password="ü"))
    assert base64.b64decode(heard[-1]).decode().startswith("wächter ")
    assert (error.kind, error.code) == (FailureKind.MISCONFIGURED, 535)


def test_a_recipient_in_another_alphabet_is_reached_where_the_server_can_do_it() -> None:
    with mail_server(enable_SMTPUTF8=True) as (inbox, port):
        mailer(port, to=["jürgen@bücher.example"], sender="Wächter <wk@bücher.example>").send(PAGE)
    assert inbox.to == [["jürgen@xn--bcher-kva.example"]]
    with mail_server(enable_SMTPUTF8=False) as (inbox, port):
        mailer(port, to=["team@bücher.example"]).send(PAGE)
        error = refused(mailer(port, to=["jürgen@bücher.example"]))
    assert inbox.to == [["team@xn--bcher-kva.example"]]
    assert error.kind is FailureKind.MISCONFIGURED
    assert "SMTPUTF8" in error.message


def test_a_sender_with_a_name_still_makes_message_ids_of_its_domain() -> None:
    with mail_server() as (inbox, port):
        mailer(port, sender="Watchkeeper <wk@example.org>").send(PAGE)
    assert inbox.mails[0]["Message-ID"].endswith("@example.org>")
    assert inbox.mails[0]["Message-ID"].count(">") == 1


@pytest.mark.parametrize("values", [{"to": []}, {"to": ["nobody"]}, {"clients": {"acme": []}}])
def test_a_mail_that_goes_to_nobody_is_a_mistake_of_the_configuration(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="needs at least one address"):
        mailer(25, **values)


def test_settings_that_were_never_checked_are_a_failed_attempt() -> None:
    channel = mailer(9)
    channel._settings = EmailSettings.model_construct(**{**channel._settings.model_dump(), "to": ()})
    assert refused(channel).kind is FailureKind.MISCONFIGURED


def test_a_mail_carries_the_page_and_its_end_answers_to_it() -> None:
    with mail_server() as (inbox, port):
        channel = mailer(port)
        channel.send(PAGE)
        channel.send(PAGE)
        channel.send(RESOLVE)
    first, again, end = inbox.mails
    assert first["Subject"] == "CRITICAL acme/fraud production: 31 % of predictions fail (limit 5 %)"
    text, html = first.get_body(("plain",)), first.get_body(("html",))
    for told in (
        "Which errors?",
        "version 7 is serving since 14:01 UTC",
        "https://example.org/HighErrorRate",
    ):
        assert told in text.get_content()
        assert told in html.get_content()
    assert (
        "watchkeeper explain &#x27;acme &amp; co/fraud/production/HighErrorRate&#x27;" in html.get_content()
    )
    assert first["Message-ID"] == again["Message-ID"] != end["Message-ID"]
    assert end["In-Reply-To"] == first["Message-ID"]
    assert first["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    ("to", "kind"), [("nobody@x.org", FailureKind.MALFORMED), ("full@x.org", FailureKind.UNREACHABLE)]
)
def test_a_mail_server_that_refuses_says_for_good_or_for_now(to: str, kind: FailureKind) -> None:
    with mail_server() as (_, port):
        assert refused(mailer(port, to=[to])).kind is kind


def test_no_mail_server_is_tried_again() -> None:
    assert refused(mailer(free_port())).kind is FailureKind.UNREACHABLE
