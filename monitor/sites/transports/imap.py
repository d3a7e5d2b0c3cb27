"""Reads bundles from a mailbox by IMAP, with the standard library's `imaplib` over a connection with a budget.

Mails that are unread are looked at. One whose bundles are merged is deleted. One that is refused stays: read, flagged,
and reported once; whoever marks it as unread has it looked at again.
"""

import imaplib
import logging
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from monitor.errors import InputError
from monitor.outgoing import CallBudget
from monitor.outgoing.sockets import open_socket
from monitor.outgoing.tls import verifying
from monitor.sites.receiving import ReceivedFile, read_mail
from monitor.sites.settings import ImapMailbox, KnownSite
from monitor.sites.transports.attachments import LARGEST_MAIL
from monitor.store.db import Store

log = logging.getLogger(__name__)

SECONDS = 600.0
"""For one look at a mailbox. What is not read by then is read at the next one."""
MOST_BYTES = 200_000_000
"""Of one look."""
_ROOM = 2_000_000
"""Bytes for all answers that are not mails."""
_MOST_MAILS = 1000
_SIZE = re.compile(rb"RFC822\.SIZE (\d{1,15})")
_WORD = re.compile(r"[\x20-\x7e]*")


class ImapSession(imaplib.IMAP4):
    """`imaplib.IMAP4` with a total deadline and size limit.

    All methods raise `imaplib.IMAP4.error` and `OSError`.
    """

    def __init__(self, mailbox: ImapMailbox, budget: CallBudget) -> None:
        """Connect, and sign in.

        Raises:
            OSError: the server does not respond, or its certificate is not trusted.
            imaplib.IMAP4.error: it refuses the sign-in, or does not speak IMAP.
        """
        self._budget = budget
        context = verifying(mailbox.ca_file)
        self._tls = context if mailbox.security == "tls" else None
        super().__init__(mailbox.host, mailbox.port)
        try:
            if mailbox.security == "starttls":
                self._secure(context)
            self._sign_in(mailbox.user, mailbox.password.get_secret_value())
            self._get_capabilities()  # there are more than before
        except BaseException:
            self.shutdown()
            raise

    def read(self, size: int) -> bytes:
        """Read `size` bytes, the length that the server announced."""
        if size > LARGEST_MAIL + _ROOM:
            raise self.abort(f"the server announces {size:,} bytes")
        return super().read(size)

    def shutdown(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            super().shutdown()

    def _create_socket(self, _timeout: object) -> Any:
        connection = open_socket(self.host, self.port, self._budget)
        return connection.encrypted(self._tls, self.host) if self._tls else connection

    def _secure(self, context: ssl.SSLContext) -> None:
        """STARTTLS, which the server must offer."""
        if "STARTTLS" not in self.capabilities:
            raise self.error("the mail server does not offer STARTTLS")
        if self._simple_command("STARTTLS")[0] != "OK":
            raise self.error("the mail server refuses STARTTLS")
        connection: Any = self.sock
        self.sock = connection.encrypted(context, self.host)
        reader: Any = self.sock.makefile("rb")
        for name in ("file", "_file"):  # the name since Python 3.14
            if name in vars(self):
                setattr(self, name, reader)
        self._get_capabilities()

    def _sign_in(self, user: str, password: str) -> None:
        if "AUTH=PLAIN" in self.capabilities:
            self.authenticate("PLAIN", lambda _: b"\0" + user.encode() + b"\0" + password.encode())
        elif _WORD.fullmatch(user + password):
            self.login(_quoted(user), password)
        else:
            raise self.error("the mail server takes user names and passwords in ASCII only")


class Mailboxes:
    """The mailboxes of the configuration."""

    def __init__(self, store: Store, sites: Mapping[str, KnownSite], base_seconds: int) -> None:
        self._store, self._sites, self._base = store, sites, base_seconds
        self._mailboxes = tuple(dict.fromkeys(site.imap for site in sites.values() if site.imap))

    def look(self, now: float) -> list[ReceivedFile]:
        """Merge what has arrived. A mailbox that cannot be read is reported, and stops no other."""
        results = list[ReceivedFile]()
        for mailbox in self._mailboxes:
            place = f"{mailbox.user} at {mailbox.host}"
            with self._store.faults.isolate("sites", place[:300], lasts=600.0), _failures():
                for imported in self._read(mailbox, now):
                    results += imported
        return results

    def _read(self, mailbox: ImapMailbox, now: float) -> Iterator[list[ReceivedFile]]:
        session = ImapSession(mailbox, CallBudget(SECONDS, MOST_BYTES))
        try:
            _done(session.select(_quoted(mailbox.mailbox)))
            left = MOST_BYTES - _ROOM
            for number in _unread(session):
                size = _size(session, number)
                left -= min(size, LARGEST_MAIL)
                if left < 0:
                    break
                yield self._take(session, number, size, now)
        finally:
            session.shutdown()

    def _take(self, session: ImapSession, number: str, size: int, now: float) -> list[ReceivedFile]:
        path = Path(f"mail {number}")
        if size > LARGEST_MAIL:
            imported = [ReceivedFile(path, None, f"the email has {size:,} bytes, more than {LARGEST_MAIL:,}")]
        else:
            imported = read_mail(_content(session, number), path, self._store, self._sites, self._base, now)
        reasons = [one.reason for one in imported if one.merged is None]
        if reasons:
            log.warning(
                "a bundle was refused", extra={"file": path.name, "reason": "; ".join(reasons)[:1000]}
            )
            _done(session.uid("STORE", number, "+FLAGS.SILENT", r"(\Seen \Flagged)"))
            return imported
        _done(session.uid("STORE", number, "+FLAGS.SILENT", r"(\Seen \Deleted)"))
        if "UIDPLUS" in session.capabilities:  # else the server deletes it when somebody else says so
            _done(session.uid("EXPUNGE", number))
        return imported


def _unread(session: ImapSession) -> list[str]:
    data = _done(session.uid("SEARCH", "UNSEEN UNDELETED"))
    words = (data[0] or b"").split() if data else []
    return [word.decode() for word in words if word.isdigit()][:_MOST_MAILS]


def _size(session: ImapSession, number: str) -> int:
    told = _SIZE.search(b" ".join(map(_flat, _done(session.uid("FETCH", number, "(RFC822.SIZE)")))))
    if told is None:
        raise session.error(f"the mail server does not tell the size of mail {number}")
    return int(told[1])


def _content(session: ImapSession, number: str) -> bytes:
    for part in _done(session.uid("FETCH", number, "(BODY.PEEK[])")):
        if isinstance(part, tuple):
            return bytes(part[1])
    raise session.error(f"the mail server does not give mail {number}")


def _flat(part: Any) -> bytes:
    return b" ".join(part) if isinstance(part, tuple) else part or b""


def _done(answer: tuple[str, list[Any]]) -> list[Any]:
    """What a command returned.

    Raises:
        imaplib.IMAP4.error: it was refused.
    """
    kind, data = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(b" ".join(map(_flat, data)).decode("utf-8", "replace")[:300])
    return data


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@contextmanager
def _failures() -> Iterator[None]:
    """Map exceptions of a session to one that says what to do."""
    try:
        yield
    except (imaplib.IMAP4.error, OSError) as error:
        words = f"the mailbox cannot be read: {type(error).__name__}: {error}"
        hint = "check `imap` of this site, and try it with another email client"
        raise InputError(words[:300], hint=hint) from error
