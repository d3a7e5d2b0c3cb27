"""uvicorn's h11, which refuses a head that says in two ways where its message ends, as httptools does.

h11 takes a bare line feed for a line end, joins folded lines, and reads a length beside chunks. A proxy that reads such
a head in another way would take the rest of one sender's request for the beginning of another's.
"""

from typing import Any

from h11 import LocalProtocolError
from h11._receivebuffer import ReceiveBuffer
from uvicorn.protocols.http.h11_impl import H11Protocol

_ENDS = (b"content-length", b"transfer-encoding")


class StrictH11(H11Protocol):
    """uvicorn's protocol, with lines that end in one way and a message whose end is stated once."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn._receive_buffer = _StrictLines()


class _StrictLines(ReceiveBuffer):
    """What has come in and is not yet read."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """The lines of a head or of trailers, once all are there.

        Raises:
            LocalProtocolError: another reader might read them otherwise. h11 passes it on as the fault of the peer.
        """
        before = len(self)
        lines = super().maybe_extract_lines()
        if lines is None:
            return None
        if before - len(self) != sum(len(line) + 2 for line in lines) + 2:
            raise LocalProtocolError("a line ends without a carriage return")
        if any(line.startswith((b" ", b"\t")) for line in lines):
            raise LocalProtocolError("a header is folded")
        ends = [line for line in lines if bytes(line).partition(b":")[0].lower() in _ENDS]
        if len(ends) > 1 or any(b"," in line and line[:1] in b"cC" for line in ends):
            raise LocalProtocolError("the end of the message is stated twice")
        return lines
