"""Decoders that are specific to a stream, learned from its records, so that further records are parsed fast.

Once the features of a stream are known, it has a msgspec struct of its own. A request is then decoded and validated by
msgspec in one call, without a Python object for each field name. Records that do not fit the struct are read again one
by one (`monitor.predictions.intake.schema`), which reports an error or extends the struct. So both ways always give the
same result. Names that a struct cannot have are not part of it: records with such names are always read the slow way.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from monitor.predictions.fields import GROUPS, PREDICTION, PREDICTION_FIELDS, FieldType, Row
from monitor.predictions.intake.item_fields import MOST_ITEMS, MOST_OUTPUTS
from monitor.predictions.intake.validation import CLOSE, RecordError
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.text_limits import VERSION_BYTES, shortened
from monitor.visible import counted

IGNORED = "ignored"
"""Prefix of the struct's fields that have no meaning."""
_MAX_FAILURES = 4
_MAX_PAUSE = 256
_HEAD_BYTES = 4096
_UNNAMEABLE = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
"""Characters that a struct's field cannot have in its name."""
_ESCAPE, _NUL = b"\\", b"\\u0000"
_MAX_IGNORED = 100
"""Maximum number of meaningless fields in a stream's struct."""
_MAX_PLACES = 16_000_000
"""Maximum number of group members in the structs of one body: absent members also take memory."""
TOO_MANY = "too_many_streams"
"""The reason why a record of a new stream is rejected."""
_NAMES = (b'"client"', b'"model"', b'"environment"')


class StreamDecoder:
    """The known features, segments, probabilities and attributions of a stream, and the decoders built from them."""

    def __init__(self, stream: Stream, settings: PredictionSettings) -> None:
        self.stream = stream
        self.features: dict[str, set[type]] = {}
        self.segments: dict[str, set[type]] = {}
        self.probabilities: dict[str, set[type]] = {}
        self.attributions: dict[str, set[type]] = {}
        self.ignored: set[str] = set()
        self.width = len(PREDICTION_FIELDS)
        """The maximum number of columns of its rows."""
        self.changes = 0
        """How often something was learned."""
        self.settings = settings
        self._decoders: dict[object, Any] = {}
        self._failures = 0
        self._paused = 0

    def learn(self, row: Row, ignored: Iterable[str]) -> None:
        """Extend the decoder by the names and types of a validated record.

        Raises:
            RecordError: its names would exceed the maximum width of a stream.
        """
        self.check(row)
        changed = False
        for group in GROUPS:
            if values := getattr(row, group):
                changed |= self._extend(getattr(self, group), values)
        for name in ignored:
            if len(self.ignored) >= _MAX_IGNORED:
                break
            if name not in self.ignored and _can_be_a_field(name, self.settings.max_label):
                self.ignored.add(name)
                changed = True
        if changed:
            self._decoders, self._failures, self._paused = {}, 0, 0
            self.changes += 1

    def check(self, row: Row) -> None:
        """Check that the stream may have the names of a record.

        Raises:
            RecordError: they would exceed the maximum width of a stream.
        """
        most = self.settings.max_features
        for group in GROUPS:
            values = getattr(row, group)
            if not values or len(types := getattr(self, group)) + len(values) <= most:  # nearly always
                continue
            new_names = [name for name in values if name not in types]
            if len(types) + len(new_names) > most:
                added = f"{group} has {counted(len(new_names), 'new name')} ({shortened(new_names[0])!r})"
                raise RecordError(
                    "too_large",
                    f"{added}, {self.stream} has {len(types):,} already",
                    hint="a name must not contain an id or a value",
                )

    def knows(self, row: Row, ignored: Iterable[str]) -> bool:
        """Whether nothing can be learned from a record."""
        for group in GROUPS:
            types = getattr(self, group)
            for name, value in getattr(row, group).items():
                kinds = types.get(name)
                if kinds is None or (value is not None and type(value) not in kinds):
                    return False
        is_full, longest = len(self.ignored) >= _MAX_IGNORED, self.settings.max_label
        return is_full or not any(
            name not in self.ignored and _can_be_a_field(name, longest) for name in ignored
        )

    def decode(self, body: bytes, form: str, bound: bool) -> list[Any] | None:
        """The rows of a body that fits, or None. `bound`: the key determines the client, so records need not
        name it.
        """
        if self._paused:
            self._paused -= 1
            return None
        if self._is_wide(body) or (_ESCAPE in body and _NUL in body):  # one byte is found much faster
            return None
        try:
            rows = self._decoder(form, bound)(body)
        except (msgspec.MsgspecError, RecursionError, TypeError, ValueError):
            self._failures += 1
            if self._failures > _MAX_FAILURES:
                self._paused = min(2**self._failures, _MAX_PAUSE)
            return None
        self._failures = 0
        return rows if form != "one" else [rows]

    def _extend(self, types: dict[str, set[type]], values: dict[str, Any]) -> bool:
        changed = False
        for name, value in values.items():  # in the order of the record, which msgspec reads fastest
            if name not in types:
                types[name] = set()
                self.width += 1
                changed = True
            if value is not None and type(value) not in types[name]:
                types[name].add(type(value))
                changed = True
        return changed

    def _is_wide(self, body: bytes) -> bool:
        """Whether the objects in a body might be so many that the places of absent members exceed the memory limit."""
        is_long = len(body) * self.width > _MAX_PLACES
        return is_long and body.count(b"{") * self.width > _MAX_PLACES

    def _decoder(self, form: str, bound: bool) -> Any:
        decoders = self._decoders  # a local reference: another thread may replace the dict, see `group`
        if (form, bound) not in decoders:
            row = self._struct(bound)
            decoder: Any = msgspec.json.Decoder(row if form in ("one", "lines") else list[row])  # type: ignore[valid-type]
            decoders[form, bound] = decoder.decode_lines if form == "lines" else decoder.decode
        return decoders[form, bound]

    def remembered(self, make: Callable[["StreamDecoder"], Any]) -> Any:
        """What is made of the known names, until more are learned."""
        decoders = self._decoders
        if make not in decoders:
            decoders[make] = make(self)
        return decoders[make]

    def _struct(self, bound: bool) -> type[msgspec.Struct]:
        declared = self._declared()
        is_default = self.stream.environment == "production"
        fields: list[Any] = [
            _field("client", Literal[self.stream.client], self.stream.client if bound else None),
            _field("model", Literal[self.stream.model], None),
            _field("environment", Literal[self.stream.environment], "production" if is_default else None),
            # Second, because msgspec is fastest in the order of the record.
            *declared[:1],
            ("timestamp", str | int | float | None, None),
            *declared[1:],
            ("features", self.group("features", self.features, self.settings.max_text) | None, None),
            ("segments", self.group("segments", self.segments, self.settings.max_label) | None, None),
            ("probabilities", self.group("probabilities", self.probabilities, 0) | None, None),
            ("attributions", self.group("attributions", self.attributions, 0) | None, None),
        ]
        names = {f"{IGNORED}{index}": name for index, name in enumerate(sorted(self.ignored))}
        skipped: list[Any] = [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in names]
        return msgspec.defstruct(
            "Typed",
            [*fields, *skipped],
            rename=names,
            forbid_unknown_fields=True,
            gc=False,
            kw_only=True,
            namespace={"skipped": names},
        )

    def _declared(self) -> list[Any]:
        """The declared fields of a prediction, for `msgspec.defstruct`."""
        longest = self.settings.max_label
        text = Annotated[str, msgspec.Meta(max_length=longest)]
        most = min(10 ** (longest - 1), 2**63) - 1  # becomes a text, which must not be longer
        version = Annotated[str, msgspec.Meta(max_length=min(longest, VERSION_BYTES // 4))]
        integer = Annotated[int, msgspec.Meta(ge=-most, le=most)]
        item = Annotated[str, msgspec.Meta(min_length=1, max_length=longest)]
        types: dict[FieldType, Any] = {
            FieldType.ID: text | integer,
            FieldType.VERSION: version | integer,
            FieldType.LABEL: text,
            FieldType.ANSWER: text | bool | float,
            FieldType.PROBABILITY: Annotated[float, msgspec.Meta(ge=-CLOSE, le=1 + CLOSE)],
            FieldType.MILLISECONDS: Annotated[float, msgspec.Meta(ge=0)],
            FieldType.NUMBER: float,
            FieldType.BOOLEAN: bool,
            FieldType.ITEMS: Annotated[list[item | integer], msgspec.Meta(max_length=MOST_ITEMS)],
            FieldType.LABEL_SET: Annotated[list[item | integer], msgspec.Meta(max_length=MOST_ITEMS)],
            FieldType.OUTPUTS: Annotated[dict[item, float], msgspec.Meta(max_length=MOST_OUTPUTS)],
        }
        return [(name, types[field.type] | None, None) for name, field in PREDICTION.items()]

    def group(self, group: str, known: dict[str, set[type]], longest: int) -> Any:
        """The struct of the members of a group, whose texts have at most `longest` characters."""
        types: dict[type, Any] = {
            bool: bool,
            float: float,
            str: Annotated[str, msgspec.Meta(max_length=longest)],
            list: Annotated[list[float], msgspec.Meta(max_length=self.settings.max_list)],
        }
        fields: list[Any] = []
        # A copy: another thread may extend the decoder at the same time.
        known = {name: set(kinds) for name, kinds in list(known.items()) if not _UNNAMEABLE.search(name)}
        for index, kinds in enumerate(known.values()):
            union: Any = None
            for kind in sorted(kinds, key=str):
                union = types[kind] | union
            fields.append((f"f{index}", union, None))
        names = {f"f{index}": name for index, name in enumerate(known)}
        columns = [
            (f"{group}.{name}", next(iter(kinds)) if len(kinds) == 1 else None)
            for name, kinds in known.items()
        ]
        return msgspec.defstruct(
            "Group",
            fields,
            rename=names,
            forbid_unknown_fields=True,
            gc=False,
            namespace={"columns": columns},
        )


class FastDecoders:
    """The decoders of all streams, found by the names in a record."""

    def __init__(self, settings: PredictionSettings) -> None:
        self._settings = settings
        self.lock = threading.Lock()
        self._by_stream: dict[Stream, StreamDecoder] = {}
        self._of_client: Counter[str] = Counter()
        self._guesses: dict[tuple[tuple[bytes | None, ...], str], StreamDecoder] = {}

    def register(self, streams: Iterable[Stream]) -> None:
        """Register existing streams."""
        with self.lock:
            for stream in streams:
                self._add(stream)

    def learn(self, stream: Stream, row: Row, ignored: Iterable[str]) -> None:
        """Extend the decoder of a stream by a validated record.

        Raises:
            RecordError: the stream would exceed the number of streams, or its maximum width.
        """
        with self.lock:
            decoder = self._by_stream.get(stream)
            if decoder is None:
                self.admit(stream)
                decoder = self._add(stream)
            decoder.learn(row, ignored)

    def admit(self, stream: Stream) -> None:
        """Check that the stream exists or may be created.

        Raises:
            RecordError: the maximum number of streams is reached.
        """
        if stream not in self._by_stream:
            check_count(stream, self._of_client[stream.client], len(self._by_stream), self._settings)

    def find(self, stream: Stream) -> StreamDecoder | None:
        """The decoder of a stream; None for a stream that has sent nothing."""
        return self._by_stream.get(stream)

    def streams_of(self, client: str) -> tuple[frozenset[Stream], int]:
        """The streams that count for a client: its own, or all if there may be no more; and the number of all."""
        with self.lock:
            count = len(self._by_stream)
            is_full = count >= self._settings.max_streams
            return frozenset(
                stream for stream in self._by_stream if is_full or stream.client == client
            ), count

    def forget(self, streams: Iterable[Stream]) -> None:
        """Forget streams that send nothing any more: they no longer count."""
        gone = set(streams)
        with self.lock:
            for stream in gone & self._by_stream.keys():
                del self._by_stream[stream]
                self._of_client[stream.client] -= 1
                if not self._of_client[stream.client]:
                    del self._of_client[stream.client]
            if gone:
                self._guesses = {
                    key: decoder for key, decoder in self._guesses.items() if decoder.stream not in gone
                }

    def _add(self, stream: Stream) -> StreamDecoder:
        if stream not in self._by_stream:
            self._of_client[stream.client] += 1
            self._by_stream[stream] = StreamDecoder(stream, self._settings)
        return self._by_stream[stream]

    def guess(self, body: bytes, client: str) -> StreamDecoder | None:
        """The decoder that the first record of a body seems to need. Decoding shows whether the guess is right."""
        names = tuple([_text_after(name, body) for name in _NAMES])
        if (names, client) not in self._guesses:
            try:
                own_client, model, environment = (None if name is None else name.decode() for name in names)
            except UnicodeDecodeError:
                return None
            decoder = self.find(Stream(own_client or client, model or "", environment or "production"))
            if decoder is None:
                return None
            self._guesses[names, client] = decoder
        return self._guesses[names, client]


def check_count(stream: Stream, of_client: int, of_all: int, settings: PredictionSettings) -> None:
    """Check that a new stream may be created, besides so many of its client and of all.

    Raises:
        RecordError: the maximum number of streams is reached.
    """
    hint = "a model's name must not contain an id; raise predictions.{} if all of them are real"
    if of_client >= settings.max_client_streams:
        problem = f"{stream} would be stream {of_client + 1:,} of its client"
        raise RecordError(TOO_MANY, problem, hint=hint.format("max_client_streams"))
    if of_all >= settings.max_streams:
        problem = f"{stream} would be stream {of_all + 1:,}"
        raise RecordError(TOO_MANY, problem, hint=hint.format("max_streams"))


def ignored_fields(kind: Any, fields: Mapping[str, Sequence[Any]]) -> set[str]:
    """The names of meaningless fields in the transposed rows of a stream's struct."""
    return {
        name
        for field, name in kind.skipped.items()
        if any(value is not msgspec.UNSET for value in fields[field])
    }


def _can_be_a_field(name: str, longest: int) -> bool:
    return len(name) <= longest and not _UNNAMEABLE.search(name)


def _text_after(name: bytes, body: bytes) -> bytes | None:
    """The text between the next two quotes after a name: its value, if it is a text."""
    position = body.find(name, 0, _HEAD_BYTES)
    start = body.find(b'"', position + len(name), _HEAD_BYTES) + 1 if position >= 0 else 0
    end = body.find(b'"', start, _HEAD_BYTES) if start else 0
    return body[start:end] if end > start else None


def _field(name: str, kind: Any, default: str | None) -> Any:
    return (name, kind) if default is None else (name, kind, default)
