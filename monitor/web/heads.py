"""Heads of requests, and how one that comes again is known.

A sender that keeps its connection writes the same head before each body, but for the body's length. Such a head is
compared instead of parsed, and what it means was found out before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.web.reply import Headers

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9}) *\r\n", re.IGNORECASE)
_LONGEST_LENGTH = 9


class Head:
    """The head of a request: its method, its headers (names in lower case), and what it says about the connection.

    `length` of the body in bytes, 0 where it is not announced.
    """

    __slots__ = ("_texts", "expects", "headers", "keep_alive", "length", "method")

    def __init__(self, method: bytes, headers: Headers, *, keep_alive: bool, expects: bool = False) -> None:
        self.method = method
        self.headers = headers
        self.keep_alive = keep_alive
        self.expects = expects
        length = next((value for name, value in headers if name == b"content-length"), b"")
        self.length = int(length) if length.isdigit() else 0
        self._texts: dict[str, str] | None = None

    def texts(self, wanted: Mapping[bytes, str]) -> Mapping[str, str]:
        """The wanted headers as texts; the same ones are wanted each time."""
        if self._texts is None:
            self._texts = {
                wanted[name]: value.decode("latin-1") for name, value in self.headers if name in wanted
            }
        return self._texts


@dataclass(frozen=True, slots=True)
class Known:
    """A head that came: what stands before and after the length of the body."""

    head: Head
    before: bytes
    after: bytes

    @classmethod
    def of(cls, head: Head, data: bytes) -> "Known | None":
        """From what held this head and its body, and nothing else; None where it is not so, or the head cannot do
        without being parsed.
        """
        end = data.find(_END) + len(_END)
        found = _LENGTH.search(data, 0, end)
        is_plain = found is not None and int(found[1]) == head.length == len(data) - end
        if found is None or not is_plain or head.expects or b"transfer-encoding" in dict(head.headers):
            return None
        return cls(head, data[: found.start(1)], data[found.end(1) : end])

    def body(self, data: bytes) -> bytes | None:
        """The body, where `data` is one whole request with this head."""
        if not data.startswith(self.before):
            return None
        start = len(self.before)
        end = start + _LONGEST_LENGTH
        length = data[start : data.find(self.after, start, end + len(self.after))]
        at = start + len(length) + len(self.after)
        is_whole = length.isdigit() and len(length) <= _LONGEST_LENGTH and len(data) - at == int(length)
        return data[at:] if is_whole else None
