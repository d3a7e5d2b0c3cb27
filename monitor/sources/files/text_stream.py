"""Text files as streams of UTF-8, independent of their encoding and compression.

A byte that is not valid in the file's encoding does not stop the reading. It is replaced by a mark, a private-use
character of Unicode, so that only the line that contains it is rejected.
"""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from monitor.sources.files.local import GZIP, ReadableFile

UTF_8, BYTES = "utf-8", ""
_MARK = 0x10FF00
"""Code point of the mark of byte 0: at the end of Unicode's last private-use plane."""
_MARKS = f"[{chr(_MARK)}-{chr(_MARK + 0xFF)}]"
_MARKS_BEGIN = chr(_MARK).encode()[:2]
_HANDLER = "watchkeeper.mark"


def _mark(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(chr(_MARK + byte) for byte in wrong), error.end


codecs.register_error(_HANDLER, _mark)


class Text:
    """A file during reading: `stream` yields its bytes, decompressed, or its text as UTF-8."""

    def __init__(self, file: ReadableFile, raw: pa.NativeFile, encoding: str) -> None:
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
        encoded = self._decoder.decode(block, final=len(block) == 0).encode()
        self.has_wrong_bytes = self.has_wrong_bytes or _MARKS_BEGIN in encoded
        return encoded


@contextmanager
def opened(file: ReadableFile, encoding: str = UTF_8) -> Iterator[Text]:
    """A file as text in UTF-8; without an encoding, its raw bytes.

    Raises:
        OSError: the file cannot be read, or is not compressed as its name indicates.
    """
    with file.open() as raw:
        yield Text(file, raw, encoding)


def head(file: ReadableFile, encoding: str, size: int) -> str:
    """The first `size` bytes of a file as text, marks included.

    Raises:
        OSError: the file cannot be read.
    """
    with opened(file, encoding) as text:
        return bytes(text.stream.read(size)).decode(errors="ignore")  # a character may be cut in two


def has_marks(texts: pa.Array) -> pa.BooleanArray:
    """Which texts contain invalid bytes; false for missing texts."""
    return pc.fill_null(pc.match_substring_regex(texts, _MARKS), False)


def wrong_byte(text: str) -> str:
    """The first invalid byte of a text, as `0xe9`; empty if there is none."""
    return next((f"0x{ord(sign) - _MARK:02x}" for sign in text if ord(sign) >= _MARK), "")


def unmarked(text: str) -> str:
    r"""A text with its invalid bytes written as `\xe9`."""
    return "".join(f"\\x{ord(sign) - _MARK:02x}" if ord(sign) >= _MARK else sign for sign in text)
