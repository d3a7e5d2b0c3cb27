"""Replays stored predictions: a candidate answers the inputs of production, and is compared with what production
answered, by the outcomes that have arrived since.

    from monitor.gating.replay import replay
    replay(store, stream, start, end, predict=my_function)
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from monitor.errors import InputError
from monitor.gating.inputs import ColumnRoles, read
from monitor.gating.pairing import Items, pair
from monitor.gating.replay.stored_items import MOST, StoredItems, stored_items
from monitor.records import Stream
from monitor.store.db import Store
from monitor.visible import counted

Predict = Callable[[Iterator[bytes], Path], None]
"""Reads items as JSON lines, and writes an answer to each as JSON lines to a file."""
Function = Callable[[list[dict[str, Any]]], Iterable[Mapping[str, Any]]]
"""Answers a list of items: a mapping with the `id` for each."""
_BASELINE = "what production answered"


def replay(
    store: Store,
    stream: Stream,
    start: float,
    end: float,
    predict: Predict | Function,
    columns: ColumnRoles = ColumnRoles(),  # noqa: B008 - it is frozen
    most: int = MOST,
) -> Items:
    """The items of production in `[start, end)`, at most `most` of them, with the candidate's answers.

    `predict` is a command (`monitor.gating.replay.command.Command`), or a function of a list of items (`id`,
    `features`, `segments`) that gives an answer to each: a mapping with its `id`, a `prediction` or an `error`, and
    perhaps `confidence`, `probabilities`, `latency_ms`, `cost`.

    Raises:
        InputError: no input of that time is stored, or an answer is invalid, missing its id, or given twice.
    """
    stored = stored_items(store, stream, start, end, most)
    given = answered(stored, predict, columns)
    own = ColumnRoles(segments=columns.segments, group=columns.group)  # the log has its own names
    baseline = read(_without_features(stored.rows, own), _BASELINE, own)
    items = pair(_with_columns_of(given, baseline, columns), baseline, None, columns)
    return _noted(items, stored, given.num_rows)


def answered(stored: StoredItems, predict: Predict | Function, columns: ColumnRoles) -> pa.Table:
    """The candidate's answers to items, as a gate reads them.

    Raises:
        InputError: an answer is invalid, missing its id, or given twice, or there is none.
    """
    with tempfile.TemporaryDirectory(prefix="watchkeeper-replay-") as folder:
        answers = Path(folder) / "answers.jsonl"
        if getattr(predict, "reads_lines", False):
            predict(stored.lines(), answers)  # type: ignore[arg-type, call-arg]
        else:
            _call(predict, stored, answers)  # type: ignore[arg-type]
        if not answers.stat().st_size:
            raise InputError(
                "the candidate returned no answers", hint="write one JSON object per line and item"
            )
        return read(answers, "the candidate", columns)


def _call(
    predict: Callable[[list[dict[str, Any]]], Iterable[Mapping[str, Any]]], stored: StoredItems, path: Path
) -> None:
    """Write the answers of a function."""
    with path.open("w", encoding="utf-8") as file:
        for answer in predict(list(stored.items())):
            if not isinstance(answer, Mapping):
                raise InputError(
                    f"the candidate answered a {type(answer).__name__}, not a mapping",
                    hint='answer {"id": ..., "prediction": ...} for each item',
                )
            file.write(json.dumps(dict(answer), default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """A number of numpy as one of Python."""
    if hasattr(value, "item"):
        return value.item()
    raise InputError(f"an answer has a value that is not JSON: {type(value).__name__}")


def _without_features(rows: pa.Table, columns: ColumnRoles) -> pa.Table:
    """What production answered. A feature may be a segment, or the group."""
    kept = {name: name for name in rows.column_names if not name.startswith("features.")}
    as_segments = {
        f"features.{name}": f"segments.{name}" for name in columns.wanted if f"segments.{name}" not in kept
    }
    kept |= {name: segment for name, segment in as_segments.items() if name in rows.column_names}
    return rows.select(list(kept)).rename_columns(list(kept.values()))


def _with_columns_of(given: pa.Table, baseline: pa.Table, columns: ColumnRoles) -> pa.Table:
    """The candidate's answers without truths and segments of their own: those of production count."""
    own = {"outcome.truth", *(f"segments.{name}" for name in columns.wanted)} & set(baseline.column_names)
    return given.select([name for name in given.column_names if name not in own])


def _noted(items: Items, stored: StoredItems, answered: int) -> Items:
    notes = [*stored.notes, *items.notes]
    if answered < stored.rows.num_rows:
        notes.append(f"the candidate answered {answered:,} of {counted(stored.rows.num_rows, 'item')}")
    return Items(items.candidate, items.baseline, items.segments, items.groups, tuple(notes))


__all__ = ["ColumnRoles", "Predict", "replay"]
