"""Reads files of a platform's captures as rows: one JSON object per line, or rows of Parquet, in one of the formats."""

import io
from collections.abc import Collection, Iterator

import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.intake.nested_json import OUTPUTS, leaves
from monitor.sources.files import json_reader, text_stream
from monitor.sources.files.csv_reader import CsvChunk, UnreadableRow
from monitor.sources.files.local import PARQUET, first_line
from monitor.sources.files.locations import Location
from monitor.sources.formats.format import Contents, Format
from monitor.sources.objects import parquet_rows
from monitor.sources.pairing.loaded_halves import LoadedHalves, LoneHalf
from monitor.sources.source import Payload

_CHUNK_RECORDS = 20_000


def read(
    place: Location, form: Format, as_text: Collection[str], halves: LoadedHalves | None = None
) -> Iterator[CsvChunk]:
    """The records of a file in chunks: predictions, and outcomes in chunks of their own. Halves of calls wait in
    `halves` for the other one, which may be in another file.

    Raises:
        InputError: the file cannot be read.
    """
    made = _Chunks(as_text, place.name, halves)
    try:
        for number, line, share in _lines(place):
            try:
                contents = form.read(Payload(line, f"{place.name}:{number}"))
            except InputError as error:
                made.unreadable.append(_unreadable(number, line, error.message, error.hint or ""))
                continue
            made.add(contents, number, line)
            if made.is_full:
                yield from made.taken(share)
        yield from made.taken(1.0)
    except (pa.ArrowException, OSError, parquet_rows.TooWideError) as error:
        raise InputError(f"{place.name} cannot be read: {first_line(error)}") from error


class _Chunks:
    """Collects records until there are enough of them."""

    def __init__(self, as_text: Collection[str], file: str, halves: LoadedHalves | None) -> None:
        self._as_text, self._file, self._halves = as_text, file, halves
        self.predictions: list[dict[str, object]] = []
        self.outcomes: list[dict[str, object]] = []
        self.unreadable: list[UnreadableRow] = []

    @property
    def is_full(self) -> bool:
        return len(self.predictions) + len(self.outcomes) + len(self.unreadable) >= _CHUNK_RECORDS

    def add(self, contents: Contents, number: int, line: bytes) -> None:
        """Take over the records of one line."""
        for records, kept in ((contents.predictions, self.predictions), (contents.outcomes, self.outcomes)):
            for record in records:
                if isinstance(record, dict):
                    kept.append(leaves(record, OUTPUTS))
                else:
                    self.unreadable.append(_unreadable(number, line, "a record is a JSON object"))
        for half in contents.halves:
            assert self._halves is not None, "a format with halves pairs them"
            calls, refused = self._halves.arrived(half, self._file, number)
            self.unreadable += map(unpaired, refused)
            for call in calls:
                self.add(call, number, line)
        for part in contents.unreadable:
            self.unreadable.append(_unreadable(number, line, part.error, part.hint))

    def taken(self, share: float) -> Iterator[CsvChunk]:
        """What was collected."""
        unreadable = tuple(self.unreadable)
        if self.predictions or unreadable:
            yield CsvChunk(json_reader.batch(self.predictions, self._as_text), share, unreadable)
        if self.outcomes:
            yield CsvChunk(json_reader.batch(self.outcomes, self._as_text), share)
        self.predictions, self.outcomes, self.unreadable = [], [], []


def unpaired(lone: LoneHalf) -> UnreadableRow:
    """A half that is refused, with its own file and line."""
    text = lone.half.content.decode(errors="backslashreplace")
    return UnreadableRow(lone.line, text, lone.reason, lone.hint, lone.file)


def _unreadable(number: int, line: bytes, reason: str, hint: str = "") -> UnreadableRow:
    return UnreadableRow(number, line.decode(errors="backslashreplace"), reason, hint)


def _lines(place: Location) -> Iterator[tuple[int, bytes, float]]:
    """Each line or row as JSON, its number, and the share of the file that is read by then."""
    if place.suffix in PARQUET:
        yield from _rows(place)
        return
    with text_stream.opened(place, text_stream.BYTES) as text:
        for number, line in enumerate(io.BufferedReader(text.stream), 1):
            if line.strip():
                yield number, line.removeprefix(b"\xef\xbb\xbf"), text.share


def _rows(place: Location) -> Iterator[tuple[int, bytes, float]]:
    number = 0
    with place.open() as source, parquet_rows.opened(source) as file:
        total = max(1, file.metadata.num_rows)
        for batch in parquet_rows.batches(file):
            for line in parquet_rows.lines_of(batch):
                number += 1
                yield number, line, number / total
