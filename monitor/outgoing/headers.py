"""Header values of requests and mails: one line, from any text."""

import re
from urllib.parse import quote

from monitor.visible import one_line, visible

LONGEST = 900
"""The largest length of a mail header in characters: a line of a mail has at most 998 bytes."""


def request_header(value: str) -> str:
    """A text as the value of a request header: characters other than printable ASCII are percent-encoded."""
    return re.sub(r"[^\x20-\x7e]", lambda match: quote(match[0], safe="", errors="replace"), value).strip()


def given_header(name: str, value: str) -> tuple[bytes, bytes]:
    """A header of the configuration, with non-ASCII letters as UTF-8.

    Raises:
        ValueError: it contains a character that headers must not contain. The message omits the value.
    """
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        msg = f"the header {visible(name)!r} has an invalid name"
        raise ValueError(msg)
    value = value.strip()
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]", value):
        msg = f"the header {name} holds a line break or a control character"
        raise ValueError(msg)
    return name.encode("ascii"), value.encode()


def mail_header(text: str, longest: int = LONGEST) -> str:
    """A text as the value of a mail header: one line without control characters."""
    return one_line(text)[:longest]
