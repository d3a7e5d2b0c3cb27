"""The calls of a language model, as one Arrow table, and what a client has registered about its prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from monitor.signals.lists import of_parts, parts
from monitor.text_limits import storable

_TEXT, _TEXTS, _NUMBER = pa.string(), pa.list_(pa.string()), pa.float64()
COLUMNS: dict[str, pa.DataType] = {
    "input": _TEXT,
    "output": _TEXT,
    "system": _TEXT,
    "context": _TEXTS,
    "tool_results": _TEXTS,
    "samples": _TEXTS,
    "finish_reason": _TEXT,
    "json_asked": pa.bool_(),
    "input_tokens": _NUMBER,
    "output_tokens": _NUMBER,
    "cached_tokens": _NUMBER,
    "ttft_ms": _NUMBER,
    "latency_ms": _NUMBER,
    "token_logprobs": pa.list_(_NUMBER),
    "version": _TEXT,
}
"""Every column of calls with its type. `context` holds the retrieved documents, `samples` other answers to the same
input, `tool_results` what tools returned to the model.
"""


@dataclass(frozen=True, slots=True)
class Calls:
    """Texts and figures of n calls, one row a call; a null was not sent. Columns that are left out are all null.

    Strings and lists may have Arrow's large types. Bytes that are not UTF-8 become replacement characters.

    Raises:
        ValueError: a column is unknown or has another type.
    """

    table: pa.Table

    def __post_init__(self) -> None:
        columns = {name: _sound(name, self.table[name]) for name in self.table.column_names}
        object.__setattr__(self, "table", pa.table(columns) if columns else self.table)

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[Any]]) -> "Calls":
        """Calls from Python lists. Lone surrogates and NUL become replacement characters."""
        arrays = {name: _array(name, values) for name, values in columns.items()}
        return cls(pa.table(arrays))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> pa.Array:
        """A column of `COLUMNS`, in one piece; all null if it was not sent."""
        if name not in self.table.column_names:
            return pa.nulls(len(self), COLUMNS[name])
        return _one_piece(self.table[name])


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million tokens cost, in the client's currency. Cached input costs as much as other input if not given."""

    input: float
    output: float
    cached: float | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """What a client has registered for a model: never a prompt or a canary itself.

    `prompt_shingles` holds hashes of runs of six words of the system prompts of all versions, `canaries` SHA-256
    digests of canary tokens. `own_contacts` are the client's own mail addresses, telephone numbers (as digits) and
    domains (`@acme.example`), which answers may name.
    """

    prompt_shingles: frozenset[int] = field(default_factory=frozenset)
    canaries: frozenset[bytes] = field(default_factory=frozenset)
    prices: Prices | None = None
    own_contacts: frozenset[str] = field(default_factory=frozenset)

    def is_own_contact(self, value: str) -> bool:
        """Whether a mail address, telephone number or IP address is the client's own."""
        _, at, domain = value.partition("@")
        return value in self.own_contacts or bool(at and f"@{domain}" in self.own_contacts)


NOTHING_REGISTERED = Registered()


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    kind = COLUMNS.get(name)
    if kind is None:
        raise ValueError(f"'{name}' is not a column of calls")
    if kind == _TEXT:
        values = [None if value is None else storable(value) for value in values]
    elif kind == _TEXTS:
        values = [None if value is None else [part and storable(part) for part in value] for value in values]
    return pa.array(values, kind)


def _sound(name: str, column: pa.ChunkedArray) -> pa.Array:
    kind = COLUMNS.get(name)
    if kind is None:
        raise ValueError(f"'{name}' is not a column of calls; use one of: {', '.join(COLUMNS)}")
    try:
        column = _one_piece(column if column.type == kind else column.cast(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"column '{name}' of calls has type {column.type}, not {kind}") from error
    if kind == _TEXT:
        return _decoded(column)
    if kind == _TEXTS:
        texts = parts(column)
        sound = _decoded(texts)
        return column if sound is texts else of_parts(column, sound)
    return column


def _decoded(texts: pa.StringArray) -> pa.StringArray:
    """The same texts, valid in UTF-8."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array(
            [
                None if one is None else one.decode(errors="replace")
                for one in texts.cast(pa.binary()).to_pylist()
            ],
            _TEXT,
        )
    return texts


def _one_piece(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
