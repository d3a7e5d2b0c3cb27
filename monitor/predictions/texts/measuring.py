"""Takes the texts out of rows before they are stored: measures their signals, and redacts what is kept of them.

Signals become columns `signals.<name>` of the log. Texts go to a table of their own, by the policy of their client. A
signal that fails is reported as a fault and left out; the row and the other signals are kept. A text that cannot be
redacted is not kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.log.batch import Batch, encode
from monitor.predictions.texts import lazy_signals
from monitor.predictions.texts.call import LISTS, SINGLE
from monitor.predictions.texts.call_columns import FIGURES, PREFIX, is_transient
from monitor.predictions.texts.policy import TextPolicy
from monitor.records import Stream
from monitor.runtime.faults import Faults
from monitor.runtime.threads.preemption import preemptible
from monitor.store.texts import StoredTexts

SIGNALS = "signals."
FOUND = "signals"
"""The column of kept texts with the names of the signals that are true of a call."""
_TEXTS = tuple(f"{PREFIX}{name}" for name in (*SINGLE, *LISTS))
_SYSTEM = f"{PREFIX}system"
"""The system prompt, which is kept only as it came: it is the same in all calls, and hashes of it are registered."""
_CANARY = (
    r"(?i)w\W{0,3}k\W{0,3}-\W{0,3}c\W{0,3}a\W{0,3}n\W{0,3}a\W{0,3}r\W{0,3}y\W{0,3}-(?:\W{0,3}[a-z2-7]){1,22}"
)
"""With at most three signs between two letters."""
_WITH_TEXTS = ("id", "timestamp", "version")
_FIGURES = {f"features.{name.rpartition('.')[2]}": name.rpartition(".")[2] for name in FIGURES}
RegisteredFor = Callable[[Stream], Any]
"""Returns the `Registered` of a stream."""


class SignalMeter:
    """Measures the signals of calls, and separates their texts from their rows.

    `policies` are those of clients, by default `redact`; `registered` returns what was registered for a stream.
    `own` are signals of the configuration: name and function.
    """

    def __init__(
        self,
        faults: Faults,
        policies: Mapping[str, TextPolicy] | None = None,
        registered: RegisteredFor | None = None,
        own: Mapping[str, str] | None = None,
    ) -> None:
        self.faults, self.policies, self.registered = faults, policies or {}, registered
        self.own, self._plugins = own or {}, list[Any]()

    def separate(self, stream: Stream, rows: pa.RecordBatch) -> tuple[pa.RecordBatch, list[StoredTexts]]:
        """The rows with signals instead of texts, and the texts to store."""
        names = rows.schema.names
        if not any(map(is_transient, names)):
            return rows, []
        signals = self._measured(stream, rows)
        kept = self._kept(stream, rows, signals)
        plain = [name for name in names if not is_transient(name)]
        columns = {name: rows.column(name) for name in plain} | {
            f"{SIGNALS}{name}": values
            for name, values in signals.items()
            if values.null_count < rows.num_rows
        }
        return pa.RecordBatch.from_pydict(columns), kept

    def registered_for(self, stream: Stream) -> Any:
        """The `Registered` of a stream."""
        if self.registered is None:
            return lazy_signals.calls().NOTHING_REGISTERED
        return self.registered(stream)

    def separate_batches(self, batches: Sequence[Batch]) -> tuple[list[Batch], list[StoredTexts]]:
        """The same for batches of history."""
        measured: list[Batch] = []
        texts: list[StoredTexts] = []
        for batch in batches:
            rows, kept = self.separate(batch.stream, batch.rows)
            measured.append(batch if rows is batch.rows else replace(batch, rows=rows))
            texts += kept
        return measured, texts

    def _measured(self, stream: Stream, rows: pa.RecordBatch) -> dict[str, pa.Array]:
        """The signals by name. A broken one stops no other."""
        measured: dict[str, pa.Array] = {}
        registered = lazy_signals.calls().NOTHING_REGISTERED
        with self.faults.isolate("signals", f"{stream}: registered texts"):
            registered = self.registered_for(stream)
        with self.faults.isolate("signals", "calls"):
            batch = lazy_signals.batch().CallBatch(lazy_signals.calls().Calls(_calls(rows)), registered)
            for one in preemptible((*lazy_signals.registry().SIGNALS, *self._own_signals())):
                with self.faults.isolate("signals", one.name):
                    measured[one.name] = _known(one.measure(batch))
        return measured

    def _own_signals(self) -> list[Any]:
        """The plug-ins of the configuration as signals, made when the first text is there."""
        if len(self._plugins) < len(self.own):
            made = lazy_signals.plugin().Plugin
            self._plugins = [made(name, target).as_returned() for name, target in self.own.items()]
        return self._plugins

    def _kept(
        self, stream: Stream, rows: pa.RecordBatch, signals: Mapping[str, pa.Array]
    ) -> list[StoredTexts]:
        policy = self.policies.get(stream.client, TextPolicy.REDACT)
        present = [name for name in _TEXTS if name in rows.schema.names]
        if policy is TextPolicy.DROP or not present:
            return []
        has_text = np.logical_or.reduce([np.asarray(rows.column(name).is_valid()) for name in present])
        columns = {name: rows.column(name) for name in _WITH_TEXTS if name in rows.schema.names}
        with self.faults.isolate("signals", "redaction"):
            for name in present:
                if policy is TextPolicy.KEEP:
                    columns[name] = rows.column(name)
                elif name != _SYSTEM:
                    columns[name] = _redacted(rows.column(name))
            columns[FOUND] = _true_signals(signals, rows.num_rows)
            kept = pa.RecordBatch.from_pydict(columns).filter(pa.array(has_text))
            return [_stored(stream, kept)] if kept.num_rows else []
        return []


def without_texts(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without their texts, unmeasured."""
    return rows.select([name for name in rows.schema.names if not is_transient(name)])


def _calls(rows: pa.RecordBatch) -> pa.Table:
    """The columns of `monitor.signals.calls` that the rows have."""
    calls: dict[str, pa.Array] = {}
    for name, values in zip(rows.schema.names, rows.columns, strict=True):
        if name == "latency_ms":
            calls[name] = values
        elif name == "version":
            calls[name] = values.cast(pa.string())
        elif name in _FIGURES:
            if pa.types.is_floating(values.type):  # a text in a feature of this name is no figure
                calls[_FIGURES[name]] = values
        elif is_transient(name):
            calls[name.removeprefix(PREFIX)] = values
    calls.pop("is_call")
    calls.pop("reasoning_tokens", None)
    return pa.table(calls)


def _known(values: pa.Array) -> pa.Array:
    """A signal that is not a number is not measured."""
    if pa.types.is_floating(values.type) and pc.any(pc.invert(pc.is_finite(values))).as_py():
        return pc.if_else(pc.is_finite(values), values, None)
    return values


def _redacted(texts: pa.Array) -> pa.Array:
    """The texts without personal data, secrets and canaries."""
    if pa.types.is_list(texts.type):
        parts = _without_canaries(texts.flatten())
        lengths = pc.fill_null(pc.list_value_length(texts), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        texts = pa.ListArray.from_arrays(offsets, parts, mask=texts.is_null())
        return lazy_signals.registry().redact(texts)
    return lazy_signals.registry().redact(_without_canaries(texts))


def _without_canaries(texts: pa.Array) -> pa.Array:
    """The texts with each canary replaced. To look for one takes a fraction of the time of replacing."""
    if not pc.any(pc.match_substring_regex(texts, _CANARY)).as_py():
        return texts
    return pc.replace_substring_regex(texts, _CANARY, "[canary]")


def _true_signals(signals: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """The names of the signals that are true, for each row."""
    names: list[list[str]] = [[] for _ in range(rows)]
    for name, values in signals.items():
        if pa.types.is_boolean(values.type):
            for place in np.flatnonzero(np.asarray(values.fill_null(False))).tolist():
                names[place].append(name)
    return pa.array(names, pa.list_(pa.string()))


def _stored(stream: Stream, kept: pa.RecordBatch) -> StoredTexts:
    times = np.asarray(kept.column("timestamp"))
    content = encode(kept)
    digest = blake2b(content, digest_size=16).digest()
    return StoredTexts(stream, digest, times.min() / 1e6, times.max() / 1e6, kept.num_rows, content)
