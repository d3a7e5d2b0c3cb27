"""What the records of a stream look like, learnt from those that came, so that the next can be read fast.

Once its features are known a stream has a struct of its own: a request is then decoded and checked by msgspec in one
go, without a Python object for each field name. Whatever does not fit that struct, for whatever reason, is read again
record by record (`monitor.predictions.schema`), which says what is wrong or teaches the shape something new. So
the fast way never decides anything that the careful way would decide otherwise.
"""

import threading
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from monitor.predictions.schema import Row
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.values import RecordError
from monitor.records import Stream

_PATIENCE = 4
_LONGEST_REST = 256
_HEAD = 4096
_NAMES = (b'"client"', b'"model"', b'"environment"')


class Shape:
    """The features, segments and probabilities that a stream is known to have."""

    def __init__(self, stream: Stream, settings: PredictionSettings) -> None:
        self.stream = stream
        self.features: dict[str, set[type]] = {}
        self.segments: dict[str, set[type]] = {}
        self.probabilities: dict[str, set[type]] = {}
        self.ignored: set[str] = set()
        self._settings = settings
        self._decoders: dict[tuple[str, bool], Any] = {}
        self._failures = 0
        self._rest = 0

    def learn(self, row: Row, ignored: Iterable[str]) -> None:
        """Take note of what a checked record has.

        Raises:
            RecordError: it has names that would make the stream wider than is allowed.
        """
        changed = self._note(self.features, row.features, "features")
        changed |= self._note(self.segments, row.segments, "segments")
        changed |= self._note(self.probabilities, row.probabilities, "probabilities")
        if not self.ignored.issuperset(ignored):
            self.ignored.update(ignored)
            changed = True
        if changed:
            self._decoders, self._failures, self._rest = {}, 0, 0

    def decode(self, body: bytes, form: str, bound: bool) -> list[Any] | None:
        """The rows of a body that fits, or None. `bound`: the key says which client it is, records need not."""
        if self._rest:
            self._rest -= 1
            return None
        try:
            rows = self._decoder(form, bound)(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._failures += 1
            if self._failures > _PATIENCE:
                self._rest = min(2**self._failures, _LONGEST_REST)
            return None
        self._failures = 0
        return rows if form != "one" else [rows]

    def _note(self, known: dict[str, set[type]], values: dict[str, Any], group: str) -> bool:
        new = [name for name in values if name not in known]  # in the order of the record: it is read fastest
        if len(known) + len(new) > self._settings.max_features:
            raise RecordError(
                "too_large",
                f"{group} has {len(new):,} new names ({new[0]!r}), {self.stream} has {len(known):,} already",
                hint="a name must not hold an id or a value",
            )
        changed = bool(new)
        for name in new:
            known[name] = set()
        for name, value in values.items():
            if value is not None and type(value) not in known[name]:
                known[name].add(type(value))
                changed = True
        return changed

    def _decoder(self, form: str, bound: bool) -> Any:
        known = self._decoders  # of this moment: see `_group`
        if (form, bound) not in known:
            row = self._struct(bound)
            decoder: Any = msgspec.json.Decoder(row if form in ("one", "lines") else list[row])  # type: ignore[valid-type]
            known[form, bound] = decoder.decode_lines if form == "lines" else decoder.decode
        return known[form, bound]

    def _struct(self, bound: bool) -> type[msgspec.Struct]:
        longest = self._settings.max_label
        text = Annotated[str, msgspec.Meta(max_length=longest)]
        most = min(10 ** (longest - 1), 2**63) - 1  # is a text in the end, and must not be a longer one
        whole = Annotated[int, msgspec.Meta(ge=-most, le=most)]
        is_default = self.stream.environment == "production"
        fields: list[Any] = [
            _field("client", Literal[self.stream.client], self.stream.client if bound else None),
            _field("model", Literal[self.stream.model], None),
            _field("environment", Literal[self.stream.environment], "production" if is_default else None),
            ("id", text | whole | None, None),
            ("timestamp", str | int | float | None, None),
            ("version", text | whole | None, None),
            ("prediction", text | bool | float | None, None),
            ("confidence", Annotated[float, msgspec.Meta(ge=0, le=1)] | None, None),
            ("latency_ms", Annotated[float, msgspec.Meta(ge=0)] | None, None),
            ("error", text | None, None),
            ("automated", bool | None, None),
            ("cost", float | None, None),
            ("features", self._group("features", self.features, self._settings.max_text) | None, None),
            ("segments", self._group("segments", self.segments, self._settings.max_label) | None, None),
            ("probabilities", self._group("probabilities", self.probabilities, 0) | None, None),
        ]
        skipped = [(f"ignored{index}", msgspec.Raw, msgspec.Raw()) for index in range(len(self.ignored))]
        names = {f"ignored{index}": name for index, name in enumerate(sorted(self.ignored))}
        return msgspec.defstruct(
            "Typed", [*fields, *skipped], rename=names, forbid_unknown_fields=True, gc=False, kw_only=True
        )

    def _group(self, group: str, known: dict[str, set[type]], longest: int) -> Any:
        types: dict[type, Any] = {
            bool: bool,
            float: float,
            str: Annotated[str, msgspec.Meta(max_length=longest)],
            list: Annotated[list[float], msgspec.Meta(max_length=self._settings.max_list)],
        }
        fields: list[Any] = []
        # Another thread may teach the shape something meanwhile.
        known = {name: set(kinds) for name, kinds in list(known.items())}
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


class Shapes:
    """The shapes of all streams, by the names that stand in a record."""

    def __init__(self, settings: PredictionSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._shapes: dict[Stream, Shape] = {}
        self._guesses: dict[tuple[tuple[bytes | None, ...], str], Shape] = {}

    def know(self, streams: Iterable[Stream]) -> None:
        """Take note of streams that there are already."""
        with self._lock:
            for stream in streams:
                self._shapes.setdefault(stream, Shape(stream, self._settings))

    def learn(self, stream: Stream, row: Row, ignored: Iterable[str]) -> None:
        """Take note of a checked record of a stream.

        Raises:
            RecordError: the stream would be one too many, or too wide.
        """
        with self._lock:
            shape = self._shapes.get(stream)
            if shape is None:
                self.admit(stream)
                shape = self._shapes.setdefault(stream, Shape(stream, self._settings))
            shape.learn(row, ignored)

    def admit(self, stream: Stream) -> None:
        """See whether one more stream may be opened.

        Raises:
            RecordError: there are as many as are allowed.
        """
        if stream not in self._shapes and len(self._shapes) >= self._settings.max_streams:
            hint = "a model's name must not hold an id; raise predictions.max_streams if all of them are real"
            raise RecordError(
                "too_many_streams", f"{stream} would be stream {len(self._shapes) + 1:,}", hint=hint
            )

    def guess(self, body: bytes, client: str) -> Shape | None:
        """The shape that the first record of a body seems to have: a guess, which decoding proves or not."""
        found = tuple([_text_after(name, body) for name in _NAMES])
        if (found, client) not in self._guesses:
            try:
                own, model, place = (None if name is None else name.decode() for name in found)
            except UnicodeDecodeError:
                return None
            shape = self._shapes.get(Stream(own or client, model or "", place or "production"))
            if shape is None:
                return None
            self._guesses[found, client] = shape
        return self._guesses[found, client]


def _text_after(name: bytes, body: bytes) -> bytes | None:
    """What stands between the next two quotes after a name, which is its text if it has one."""
    at = body.find(name, 0, _HEAD)
    start = body.find(b'"', at + len(name), _HEAD) + 1 if at >= 0 else 0
    end = body.find(b'"', start, _HEAD) if start else 0
    return body[start:end] if end > start else None


def _field(name: str, kind: Any, default: str | None) -> Any:
    return (name, kind) if default is None else (name, kind, default)
