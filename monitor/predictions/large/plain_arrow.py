"""Reads plain Arrow bodies in the daemon's own process, for a sender that is alone: with a quarter less CPU.

Plain is what takes a known, short time for its size: few rows and columns of numbers, times and categories, ids as
texts, all of one stream and few windows. Everything else, and everything beside other senders, is read in a child.
"""

import struct
import threading
from collections.abc import Sequence
from itertools import islice

import pyarrow as pa
import pyarrow.ipc
import pyarrow.types as types

from monitor.predictions.fields import ALL, GROUPS, STREAM_FIELDS, FieldType
from monitor.predictions.intake.arrow import CONTENT_TYPE, read_header
from monitor.predictions.intake.bodies import ReadApartError
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.requests import MOST_OBJECTS, Most, RawRequest
from monitor.predictions.large.reading import ReaderHere, Slices
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter

MOST_BYTES = 4_000_000
MOST_ROWS, MOST_COLUMNS = 16_384, 200
_MOST_MESSAGES = 2 * MOST_COLUMNS
_MOST_ENTRIES, _DICTIONARY_BYTES = 10_000, 16_384
"""Entries of all dictionaries, and bytes of each."""
_MOST_BATCHES = 30
"""Batches in the log: one for each window."""
_CATEGORIES = frozenset(
    (
        *STREAM_FIELDS,
        *(
            name
            for name, field in ALL.items()
            if field.type in (FieldType.VERSION, FieldType.LABEL, FieldType.ANSWER)
        ),
    )
)
_NUMBERS = frozenset(
    name
    for name, field in ALL.items()
    if field.type
    in (FieldType.ANSWER, FieldType.PROBABILITY, FieldType.MILLISECONDS, FieldType.NUMBER, FieldType.BOOLEAN)
)


class PlainArrowReader:
    """Reads one body at a time, in the calling thread. May be called from several threads."""

    def __init__(self, decoders: FastDecoders, meter: SignalMeter, settings: PredictionSettings) -> None:
        self._decoders, self._reader = decoders, ReaderHere(decoders, meter, settings)
        self._most = Most(settings.base_window, _MOST_BATCHES, 0.0)
        self._turn = threading.Lock()

    def read(self, request: RawRequest) -> Slices | None:
        """The slices of a request or the error for its sender, as a `Reader` has them; None if it is to be read in a
        child: it is not plain, or another one is being read here.
        """
        is_arrow = request.content_type.startswith(CONTENT_TYPE)
        if not is_arrow or request.kind is not RecordKind.PREDICTIONS or request.size > MOST_BYTES:
            return None
        if not self._turn.acquire(blocking=False):
            return None
        try:
            return self._read(request) if is_plain(request.body) else None
        finally:
            self._turn.release()

    def _read(self, request: RawRequest) -> Slices | None:
        parsed = request.parsed(self._decoders, MOST_OBJECTS)
        if isinstance(parsed, ReadApartError):
            return None
        if not isinstance(parsed, ParsedRequest):
            return parsed
        if self._most.batches_of(parsed) > _MOST_BATCHES:
            return None
        return self._reader.slices_of(parsed, request)


def is_plain(body: bytes) -> bool:
    """Whether an Arrow stream has few rows and columns, all of plain types, and at most one value for each name of its
    stream. Nothing is decoded.
    """
    try:
        messages = list(islice(pa.ipc.MessageReader.open_stream(body), _MOST_MESSAGES + 1))
        if not 1 < len(messages) <= _MOST_MESSAGES or messages[0].type != "schema":
            return False
        schema = pa.ipc.read_schema(messages[0])
        if len(schema) > MOST_COLUMNS or not all(map(_is_plain_column, schema)):
            return False
        dictionaries = sum(types.is_dictionary(field.type) for field in schema)
        return _are_few(messages[1:], dictionaries) and _is_of_one_stream(body)
    except (pa.ArrowException, OSError, struct.error, ValueError, LookupError, EOFError):
        return False  # the child tells the sender what is wrong


def _are_few(messages: Sequence[pa.Message], dictionaries: int) -> bool:
    """Whether there are few rows and entries, and each of so many dictionaries comes at most once."""
    headers = [read_header(message) for message in messages]
    of_dictionaries = [message for message in messages if message.type == "dictionary"]
    entries = [read_header(message).values for message in of_dictionaries]
    sizes = [0 if message.body is None else message.body.size for message in of_dictionaries]
    return (
        sum(header.rows for header in headers) <= MOST_ROWS
        and not any(header.is_compressed for header in headers)
        and len(of_dictionaries) <= dictionaries
        and sum(entries) <= _MOST_ENTRIES
        and max(sizes, default=0) <= _DICTIONARY_BYTES
    )


def _is_of_one_stream(body: bytes) -> bool:
    """Whether each name of the stream has one value at most: each further stream costs as much as many rows."""
    with pa.ipc.open_stream(body) as reader:
        of_stream = [name for name in STREAM_FIELDS if name in reader.schema.names]
        return all(len(batch.column(name).dictionary) <= 1 for batch in reader for name in of_stream)


def _is_plain_column(field: pa.Field) -> bool:
    name, kind = field.name, field.type
    group = name.partition(".")[0]
    if types.is_dictionary(kind):
        is_named = name in _CATEGORIES or group in GROUPS
        return is_named and types.is_integer(kind.index_type) and types.is_string(kind.value_type)
    if name == "id":
        return bool(types.is_string(kind) or types.is_integer(kind))
    is_number = bool(types.is_integer(kind) or types.is_float64(kind) or types.is_float32(kind))
    if name == "timestamp":
        return is_number or bool(types.is_timestamp(kind))
    return (is_number or bool(types.is_boolean(kind))) and (name in _NUMBERS or group in GROUPS)
