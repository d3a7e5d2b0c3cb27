"""Files of text as streams of UTF-8, whatever they are written in, and compressed or not.

A byte that is none of the file's encoding does not end the file: it is carried on as a mark, a character that stands
for nothing in Unicode, so that the one line in which it stands can be set aside.
"""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from monitor.sources.local import GZIP, File

UTF_8, BYTES = "utf-8", ""
_MARK = 0x10FF00
"""Added to a byte: the last characters of Unicode's last private plane."""
_MARKS = f"[{chr(_MARK)}-{chr(_MARK + 0xFF)}]"
_MARKS_BEGIN = chr(_MARK).encode()[:2]
_HANDLER = "watchkeeper.mark"


def _mark(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(chr(_MARK + byte) for byte in wrong), error.end


codecs.register_error(_HANDLER, _mark)


class Text:
    """A file while it is read: `stream` gives its bytes, decompressed, or its text as UTF-8."""

    def __init__(self, file: File, raw: pa.NativeFile, encoding: str) -> None:
        self._size = max(1, file.size)
        self._raw = raw
        self.has_wrong_bytes = False
        is_packed = file.name.lower().endswith(GZIP)
        self.stream = pa.CompressedInputStream(raw, "gzip") if is_packed else raw
        if encoding:
            self._decoder = codecs.getincrementaldecoder(encoding)(_HANDLER)
            self.stream = pa.TransformInputStream(self.stream, self._decoded)

    @property
    def share(self) -> float:
        """The share of the file that has been read, 0 to 1."""
        return float(min(1.0, self._raw.tell() / self._size))

    def _decoded(self, block: pa.Buffer) -> bytes:
        found = self._decoder.decode(block, final=len(block) == 0).encode()
        self.has_wrong_bytes = self.has_wrong_bytes or _MARKS_BEGIN in found
        return found


@contextmanager
def opened(file: File, encoding: str = UTF_8) -> Iterator[Text]:
    """A file as text in UTF-8; without an encoding, its bytes as they are.

    Raises:
        OSError: it cannot be read, or is not compressed as its name says.
    """
    with file.open() as raw:
        yield Text(file, raw, encoding)


def head(file: File, encoding: str, size: int) -> str:
    """How a file begins: at most so many bytes of it as text, marks included.

    Raises:
        OSError: it cannot be read.
    """
    with opened(file, encoding) as found:
        return bytes(found.stream.read(size)).decode(errors="ignore")  # a character may be cut in two


def has_marks(texts: pa.Array) -> pa.BooleanArray:
    """Which texts hold bytes that are none of the file's encoding; false for missing ones."""
    return pc.fill_null(pc.match_substring_regex(texts, _MARKS), False)


def wrong_byte(text: str) -> str:
    """The first of the marked bytes in a text, as `0xe9`; empty if there is none."""
    return next((f"0x{ord(sign) - _MARK:02x}" for sign in text if ord(sign) >= _MARK), "")


def unmarked(text: str) -> str:
    r"""A text for people's eyes: its marked bytes as `\xe9`."""
    return "".join(f"\\x{ord(sign) - _MARK:02x}" if ord(sign) >= _MARK else sign for sign in text)
