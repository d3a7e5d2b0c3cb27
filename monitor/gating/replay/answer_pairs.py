"""What another environment answers to the inputs of production, beside what production answered."""

from typing import Any

from monitor.gating.inputs import ColumnRoles
from monitor.gating.replay import Function, Predict, answered
from monitor.gating.replay.stored_items import MOST, stored_items
from monitor.records import Stream
from monitor.store.db import Store
from monitor.visible import counted


def answer_pairs(
    store: Store,
    stream: Stream,
    start: float,
    end: float,
    predict: Predict | Function,
    most: int = MOST,
) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
    """The answers of `predict` and of the stream to each input that both answered, and notes on what was left out.

    Raises:
        InputError: no input of that time is stored, or an answer is invalid, missing its id, or given twice.
    """
    stored = stored_items(store, stream, start, end, most)
    given = answered(stored, predict, ColumnRoles())
    theirs = _predictions(given)
    known = _predictions(stored.rows)
    both = [(theirs[name], answer) for name, answer in known.items() if name in theirs]
    notes = list(stored.notes)
    if len(both) < len(known):
        notes.append(f"answered: {len(both):,} of {counted(len(known), 'item')}")
    return both, tuple(notes)


def _predictions(rows: Any) -> dict[str, Any]:
    """The answer of each id; failures have none."""
    if "prediction" not in rows.column_names:
        return {}
    named = zip(rows.column("id").to_pylist(), rows.column("prediction").to_pylist(), strict=True)
    return {str(name): answer for name, answer in named if answer is not None}
