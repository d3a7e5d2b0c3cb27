"""Bundles by mail: through a real SMTP server into a Maildir, and from there by a real IMAP server, each once."""

import base64
import email
import email.policy
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sites.bundle import MAGIC
from monitor.sites.receiving import REFUSED, Inboxes, ReceivedFile
from monitor.sites.sending import push
from monitor.sites.settings import ImapMailbox, MailDestination, SiteDestination
from monitor.sites.transports.attachments import LARGEST_MAIL, bundles_in
from monitor.sites.transports.imap import Mailboxes
from tests.support.imap_server import ImapServer, imap_server
from tests.support.log import NOW, running
from tests.support.mailbox import mail_server
from tests.support.sites import BASE, append, figures, known, rows_at, settings_in, site
from tests.support.thorough import THOROUGH, examples

END = NOW + 7200


@pytest.fixture(scope="module")
def server() -> Iterator[ImapServer]:
    with imap_server() as made:
        yield made


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, tuple[str, int, bytes]]]:
    """The folder of a site with three bundles that wait, and its figures."""
    folder = tmp_path_factory.mktemp("plant")
    with site(folder) as (log, store, bundler):
        for minute in range(3):
            append(log, store, rows_at(NOW + 60 * minute, 20, minute), NOW)
            bundler.make(END)
        return folder, figures(store)


@pytest.fixture
def plant(bundles: tuple[Path, object], tmp_path: Path) -> Path:
    shutil.copytree(bundles[0], tmp_path / "plant")
    return tmp_path / "plant"


def to(port: int, **more: object) -> SiteDestination:
    usual = {"to": "bundles@agency.example", "sender": "plant-7@acme.example", "host": "127.0.0.1"}
    return SiteDestination(
        mail=MailDestination.model_validate(usual | {"port": port, "security": "none"} | more)
    )


def mailed(plant: Path) -> list[bytes]:
    """What the mail server gets of the bundles that wait."""
    with mail_server() as (inbox, port):
        done = push(settings_in(plant, to=to(port)))
        assert (done.reason, done.refused) == ("", ())
        assert inbox.to == [["bundles@agency.example"]] * len(inbox.mails)
        return [bytes(one.as_bytes()) for one in inbox.mails]


def deliver(maildir: Path, name: str, content: bytes) -> None:
    """Put a mail into a Maildir, as a mail server does."""
    path = maildir / "tmp" / name
    path.write_bytes(content)
    owner = maildir.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    path.rename(maildir / "new" / name)


def with_attachment(content: bytes) -> bytes:
    message = EmailMessage()
    message["Subject"], message["To"] = "Fwd: bundle", "bundles@agency.example"
    message.set_content("Please see attached.\n")
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename="a.wkb")
    return message.as_bytes()


def attacks(plant: Path) -> dict[str, bytes]:
    """Mails that change nothing, by the reason that is told."""
    packed = sorted((plant / "outbox" / "sent").glob("*.wkb"))[1].read_bytes()
    forged = bytearray(packed)
    forged[-1] ^= 1
    return {
        "the email has no bundle": b"From: a@b.c\r\nSubject: hello\r\n\r\nWKB1 is a fine word\r\n",
        "the signature is wrong": with_attachment(bytes(forged)),
        "is cut": with_attachment(packed[:60]),
        "the site plant-8 is not configured": with_attachment(packed.replace(b"plant-7", b"plant-8", 1)),
    }


def rows(found: list[ReceivedFile]) -> list[int]:
    return [one.merged.rows for one in found if one.merged]


def test_from_the_site_to_the_agency_by_smtp_and_imap(
    server: ImapServer, bundles: tuple[Path, dict[int, tuple[str, int, bytes]]], plant: Path, tmp_path: Path
) -> None:
    """In the wrong order, one twice, among mails that are cut, forged, of strangers, and no bundle at all."""
    first, second, third = mailed(plant)
    for number, mail in enumerate([third, second, *attacks(plant).values(), second, first]):
        deliver(server.maildir, f"{number}.mail", mail)
    with running(tmp_path) as (_, there):
        mailboxes = Mailboxes(there, known(plant, imap=server.mailbox()), BASE)
        found = mailboxes.look(NOW)
        assert rows(found) == [20, 20, 0, 20]
        told = [one.reason for one in found if one.merged is None]
        for reason, one in zip(attacks(plant), told, strict=True):
            assert reason in one
        assert mailboxes.look(NOW) == [], "what is refused is told once"
        assert figures(there) == bundles[1]
        assert not there.faults.active()
    left = sorted(server.maildir.glob("[nc]*/*"))
    assert [path.name.partition(":2,")[2] for path in left] == ["FS"] * 4, "read and flagged"
    for path in left:
        path.unlink()


def test_a_maildir_is_read_as_it_is(
    bundles: tuple[Path, dict[int, tuple[str, int, bytes]]], plant: Path, tmp_path: Path
) -> None:
    maildir = tmp_path / "mails"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    for number, mail in enumerate([*reversed(mailed(plant)), *attacks(plant).values()]):
        deliver(maildir, f"{number}.mail", mail)
    (maildir / "new" / "0.mail").rename(maildir / "cur" / "0.mail:2,S")
    (maildir / "tmp" / "half").write_bytes(b"not yet")
    with running(tmp_path) as (_, there):
        sites = known(plant, maildir=str(maildir))
        inboxes = Inboxes(there, sites, BASE)
        assert rows(inboxes.look(NOW)) == [20, 20, 20]
        assert len(inboxes.look(NOW)) == 4
        assert figures(there) == bundles[1]
        texts = [path.read_text() for path in sorted((maildir / REFUSED).glob("*.txt"))]
        assert all(reason in text for reason, text in zip(attacks(plant), texts, strict=True))
        assert list(maildir.glob("[nc]*/*")) == []
        shutil.rmtree(maildir)
        inboxes.look(NOW)
        assert any("is not a Maildir" in one.reason for one in there.faults.active())


def test_a_mail_server_that_takes_no_mail_lets_bundles_wait_and_one_too_large_stops_no_other(
    plant: Path,
) -> None:
    with mail_server() as (inbox, port):
        for address, words in (("nobody@b.c", "no such user"), ("full@b.c", "mailbox full")):
            done = push(settings_in(plant, to=to(port, to=address)))
            assert (done.sent, done.refused, done.waiting) == ((), (), 3)
            assert words in done.reason
        assert inbox.mails == []
    large = sorted((plant / "outbox").glob("*.wkb"))[0]
    large.write_bytes(large.read_bytes() + bytes(30_000))
    with mail_server(data_size_limit=30_000) as (inbox, port):
        done = push(settings_in(plant, to=to(port)))
        assert [name for name, _ in done.refused] == [large.name]
        assert "smaller site.to.mail.most" in done.refused[0][1]
        assert len(done.sent) == len(inbox.mails) == 2
    done = push(settings_in(plant, to=to(9)))
    assert (done.waiting, done.sent) == (1, ())


def test_bundles_are_as_small_as_a_mail_server_needs(tmp_path: Path) -> None:
    with (
        site(tmp_path / "plant", to=to(25, most=10_000)) as (log, store, bundler),
        running(tmp_path) as (_, there),
    ):
        append(log, store, rows_at(NOW, 300, 1, minutes=30), NOW)
        paths = bundler.make(END).paths
        assert len(paths) > 1
        with site(tmp_path / "other") as (log, other, whole):
            append(log, other, rows_at(NOW, 300, 1, minutes=30), NOW)
            assert len(whole.make(END).paths) == 1
        sites, mails = known(tmp_path / "plant", maildir=str(tmp_path / "mails")), tmp_path / "mails"
        for name in ("new", "cur", "tmp"):
            (mails / name).mkdir(parents=True)
        for number, mail in enumerate(mailed(tmp_path / "plant")):
            deliver(mails, str(number), mail)
        Inboxes(there, sites, BASE).look(NOW)
        assert figures(there) == figures(store) == figures(other)


@pytest.mark.parametrize(
    "replies",
    [
        [],
        [b"* OK hi\r\n"],
        [b"* BYE no\r\n"],
        [b"* OK " + b"x" * 3_000_000],
        [b"* PREAUTH root\r\n", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"],
        [b"* OK {99999999999}\r\n" * 10],
    ],
)
def test_a_mailbox_that_misbehaves_is_told_and_stops_nothing(
    replies: list[bytes], tmp_path: Path, plant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sites.transports.imap.SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening, running(tmp_path) as (_, there):

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    for reply in replies:
                        connection.sendall(reply)
                    while connection.recv(65_536):
                        pass
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        values = {"host": "127.0.0.1", "port": listening.getsockname()[1], "user": "a", "password": "b"}
        mailbox = ImapMailbox.model_validate(values | {"security": "none"})
        began = time.monotonic()
        assert Mailboxes(there, known(plant, imap=mailbox), BASE).look(NOW) == []
        assert time.monotonic() - began < 100
        (fault,) = there.faults.active()
        assert "the mailbox cannot be read" in fault.reason
        assert "b" not in fault.reason.split()
        thread.join(300)


def test_who_may_not_sign_in_is_told(server: ImapServer, plant: Path, tmp_path: Path) -> None:
    for more, words in (
        ({"password": "wrong"}, "AUTHENTICATIONFAILED"),
        ({"ca_file": ""}, "CERTIFICATE_VERIFY_FAILED"),
        ({"mailbox": "no such"}, "doesn't exist"),
        ({"port": server.plain, "security": "starttls", "ca_file": ""}, "CERTIFICATE_VERIFY_FAILED"),
    ):
        with running(tmp_path) as (_, there):
            Mailboxes(there, known(plant, imap=server.mailbox(**more)), BASE).look(NOW)
            assert [words in one.reason for one in there.faults.active()] == [True], more


def test_starttls_and_a_mail_that_is_larger_than_any_bundle(
    server: ImapServer, plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sites.transports.imap.LARGEST_MAIL", 100_000)
    deliver(server.maildir, "large", b"Subject: a\n\n" + b"x" * 120_000)
    deliver(server.maildir, "small", mailed(plant)[0])
    with running(tmp_path) as (_, there):
        mailbox = server.mailbox(port=server.plain, security="starttls")
        large, small = Mailboxes(there, known(plant, imap=mailbox), BASE).look(NOW)
        assert ("more than 100,000" in large.reason, small.merged is not None) == (True, True)


@settings(max_examples=examples(40))
@given(
    st.lists(st.binary(max_size=300), max_size=3),
    st.integers(0, 3),
    st.sampled_from([b"\n", b"\r\n"]),
    st.text(max_size=200),
)
def test_an_attachment_is_found_as_a_mail_program_finds_it(
    contents: list[bytes], forwards: int, end: bytes, text: str
) -> None:
    message = EmailMessage()
    message.set_content(text.encode("utf-8", "replace").decode())
    for content in contents:
        message.add_attachment(MAGIC + content, maintype="application", subtype="x", filename="a.wkb")
    for _ in range(forwards):
        outer = EmailMessage()
        outer.set_content("see below")
        outer.add_attachment(message)
        message = outer
    raw = message.as_bytes(policy=email.policy.SMTP if end == b"\r\n" else email.policy.default)
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    oracle = [part.get_content() for part in parsed.walk() if part.get_filename() == "a.wkb"]
    assert list(bundles_in(raw)) == oracle == [MAGIC + content for content in contents]


def test_no_mail_takes_long_to_look_at() -> None:
    """Mails that are made to keep a parser busy."""
    size = LARGEST_MAIL if THOROUGH else 3_000_000
    begin = base64.b64encode(MAGIC)[:5]
    for part in (b"--b\n\n", begin + b"\n", begin + b"\n\n", b"A" * 76 + b"\n", b';"', begin, b"\n"):
        began = time.process_time()
        found = sum(1 for _ in bundles_in(begin + b"\n" + part * (size // len(part))))
        assert found <= 100
        assert time.process_time() - began < 2.0 * max(1.0, size / 3_000_000)
