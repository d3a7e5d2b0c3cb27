"""The requests of one key on disk: segment files that are appended to, read in order, and deleted when all is sent.

A segment ends when it is large or old, and when nothing waits any more: what was sent does not stay. One thread appends
and one reads. Of what a crash leaves behind, whole frames count; a torn last one was not
acknowledged. `position` says how far all is sent; if it is lost, the requests of one segment are sent again, which the
daemon recognizes by their keys.
"""

import contextlib
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from monitor.relay import frames
from monitor.relay.frames import Frame, RelayedRequest
from monitor.runtime.file_modes import PRIVATE_FOLDER

SEGMENT_BYTES = 8_000_000
"""A segment that has reached this size gets no further requests."""
SUFFIX = ".segment"
SEGMENT_SECONDS = 600.0
"""As has one that is so old."""
_POSITION = "position"
_UNREADABLE = ".unreadable"
_LARGE = 100_000
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class QueuePosition(msgspec.Struct, frozen=True):
    """All before it is sent."""

    segment: int
    offset: int


class RequestQueue:
    """The waiting requests of one key, in `folder`."""

    def __init__(self, folder: Path, elapsed: Callable[[], float] = time.monotonic) -> None:
        """Open it. `elapsed` is a clock that never goes back, in seconds.

        Raises:
            OSError: the folder cannot be made or read.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        self.folder = folder
        with contextlib.suppress(OSError):
            if not (folder / _POSITION).exists():  # later, there may be no space for it
                _save(folder, QueuePosition(0, frames.START))
        self.arrived = threading.Event()
        """Set when there may be something to read."""
        self._lock = threading.Lock()
        self._appending = threading.Lock()
        self._elapsed, self._begun = elapsed, 0.0
        self._ends = {number: segment_path(folder, number).stat().st_size for number in numbers(folder)}
        self._position = position_of(folder)
        self._waiting = _waiting(self._ends, self._position)
        self._active: int | None = None
        self._file = -1
        self._mark = b""
        self._is_to_end = False
        self._next = max([*self._ends, self._position.segment], default=0) + 1
        self.oldest_at: float | None = None
        """When the request that is read next was received, as far as it was read."""
        self.skipped = 0
        """Bytes that were passed over: torn by a crash, or damaged."""

    @property
    def waiting(self) -> int:
        """Bytes that wait."""
        return self._waiting

    def append(self, requests: Sequence[tuple[RelayedRequest, bytes]]) -> None:
        """Put requests on disk, all or none.

        Raises:
            OSError: they are not there: the disk is full, for example.
        """
        with self._appending:
            self._append(requests)

    def _append(self, requests: Sequence[tuple[RelayedRequest, bytes]]) -> None:
        if self._active is not None and (self._is_to_end or not os.fstat(self._file).st_nlink):
            self._end()  # it cannot be read, or somebody has deleted it: nobody would find what is written to it
        self._begin()
        number = self._active
        assert number is not None
        before = self._ends[number]
        size = 0
        try:
            for part in _joined(frames.parts(self._mark, requests)):
                _write(self._file, part)
                size += len(part)
            os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, before)
            self._end()
            raise
        with self._lock:
            self._ends[number] = before + size
            self._waiting += size
        if before + size >= SEGMENT_BYTES or self._elapsed() - self._begun >= SEGMENT_SECONDS:
            self._end()
        self.arrived.set()

    def drop_sent(self) -> None:
        """Delete the segment that is appended to, if all in it is sent. Called by the thread that reads."""
        with self._appending:
            with self._lock:
                number, position = self._active, self._position
                is_sent = number is not None and position == QueuePosition(number, self._ends[number])
            if number is not None and is_sent:
                self._end()
                with contextlib.suppress(OSError):  # whoever reads the next request tries again
                    self._delete(number)

    def peek(self) -> Frame | None:
        """The request that is to be sent next; None if none waits.

        Raises:
            OSError: a segment cannot be read.
        """
        while True:
            with self._lock:
                later = [number for number in sorted(self._ends) if number >= self._position.segment]
                if not later:
                    self.oldest_at = None
                    return None
                number = later[0]
                offset = self._position.offset if number == self._position.segment else frames.START
                end, is_active = self._ends[number], number == self._active
            frame = None
            if offset < end:
                with contextlib.suppress(FileNotFoundError):  # somebody has deleted it
                    frame = frames.read(segment_path(self.folder, number), offset, end)
            if frame is not None:
                self.skipped += frame.start - offset
                self.oldest_at = frame.request.received_at
                return frame
            if is_active and offset >= end:
                self.oldest_at = None
                return None
            self.skipped += max(0, end - offset)
            self._advance(QueuePosition(number, end))
            if not is_active:
                self._delete(number)

    def after(self, frame: Frame) -> Frame | None:
        """The request after one that `peek` or this returned, in the same segment; None if none is there.

        Raises:
            OSError: the segment cannot be read.
        """
        with self._lock:
            number = min((number for number in self._ends if number >= self._position.segment), default=0)
            end = self._ends.get(number, 0)
        if not number or frame.end >= end:
            return None
        return frames.read(segment_path(self.folder, number), frame.end, end)

    def skip(self) -> Path | None:
        """Pass over a segment that cannot be read, and keep it under another name.

        Returns:
            That name; None if there is no segment, or it is still appended to, which ends with the next request.

        Raises:
            OSError: it cannot be renamed.
        """
        with self._lock:
            later = [number for number in sorted(self._ends) if number >= self._position.segment]
            if not later:
                return None
            number, is_active = later[0], later[0] == self._active
        if is_active:
            self._is_to_end = True
            return None
        path = segment_path(self.folder, number)
        kept = path.with_suffix(_UNREADABLE)
        path.rename(kept)
        self.skipped += self._ends[number] - frames.START
        self._advance(QueuePosition(number, self._ends[number]))
        self._delete(number)
        return kept

    def advance(self, frame: Frame) -> None:
        """The request that `peek` returned is settled."""
        with self._lock:
            later = [number for number in sorted(self._ends) if number >= self._position.segment]
        self._advance(QueuePosition(later[0], frame.end))

    def _advance(self, position: QueuePosition) -> None:
        with self._lock:
            before, self._position = self._position, position
            if before.segment == position.segment:
                self._waiting -= position.offset - before.offset
            else:
                self._waiting = _waiting(self._ends, position)
        with contextlib.suppress(OSError):  # a full disk: after a crash, these are sent again
            _save(self.folder, position)

    def _delete(self, number: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            segment_path(self.folder, number).unlink()
        with self._lock:
            del self._ends[number]

    def _begin(self) -> None:
        if self._active is not None:
            return
        number, start = self._next, frames.new_segment()
        path = segment_path(self.folder, number)
        self._next += 1
        file = os.open(path, _APPEND, 0o600)
        try:
            _write(file, start)
            os.fdatasync(file)
            _sync_folder(self.folder)
        except OSError:
            os.close(file)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        with self._lock:
            self._ends[number] = len(start)
            self._file, self._mark, self._active = file, frames.mark_of(start), number
            self._begun = self._elapsed()

    def _end(self) -> None:
        with self._lock:
            file, self._file, self._active, self._is_to_end = self._file, -1, None, False
        if file >= 0:
            os.close(file)
        self.arrived.set()

    def close(self) -> None:
        """Close its file."""
        self._end()


def numbers(folder: Path) -> list[int]:
    """The numbers of the segments in a folder, in order."""
    names = [path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}")]
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def waiting_in(folder: Path) -> tuple[int, Frame | None]:
    """The bytes that wait in the folder of a queue, whether a relay runs or not, and the first request.

    Raises:
        OSError: it cannot be read.
    """
    ends = dict[int, int]()
    for number in numbers(folder):
        with contextlib.suppress(FileNotFoundError):
            ends[number] = segment_path(folder, number).stat().st_size
    position = position_of(folder)
    for number in sorted(ends):
        if number >= position.segment:
            offset = position.offset if number == position.segment else frames.START
            with contextlib.suppress(FileNotFoundError):
                if frame := frames.read(segment_path(folder, number), offset, ends[number]):
                    return _waiting(ends, position), frame
    return 0, None


def position_of(folder: Path) -> QueuePosition:
    """How far all is sent; the beginning, if that is not known."""
    try:
        text, _, checksum = (folder / _POSITION).read_bytes().strip().rpartition(b" ")
        if int(checksum) == zlib.crc32(text):
            return msgspec.json.decode(text, type=QueuePosition)
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
        pass
    return QueuePosition(0, frames.START)


def _save(folder: Path, position: QueuePosition) -> None:
    """Write the position in place, in one block, so that a full disk does not prevent it."""
    text = msgspec.json.encode(position)
    line = b"%b %d" % (text, zlib.crc32(text))
    file = os.open(folder / _POSITION, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(file, line.ljust(127) + b"\n", 0)
        os.fdatasync(file)
    finally:
        os.close(file)


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"{number:012}{SUFFIX}"


def _waiting(ends: dict[int, int], position: QueuePosition) -> int:
    return sum(
        max(0, end - (position.offset if number == position.segment else frames.START))
        for number, end in ends.items()
        if number >= position.segment
    )


def _joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Small parts joined, so that a group of small requests is one write; large ones are not copied."""
    small = bytearray()
    for part in parts:
        if len(part) > _LARGE:
            yield bytes(small)
            yield part
            small.clear()
        else:
            small += part
    yield bytes(small)


def _write(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
