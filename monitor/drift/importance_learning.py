"""Learns which features drive the answers of a stream: from its newest rows, or first from its baseline."""

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
from sqlalchemy import Connection

from monitor.childprocess import HERE, Runner
from monitor.config.units import DAY, WEEK
from monitor.drift.importance import ANSWER, importance
from monitor.drift.learning import LearningTask
from monitor.predictions.log.batch import concatenate
from monitor.predictions.log.stored_rows import decoded
from monitor.records import Stream
from monitor.store import feature_importance, predictions
from monitor.store.db import Store
from monitor.store.feature_importance import LearnedImportance
from monitor.windows.baseline import Baseline, load

LEAST_ROWS, MOST_ROWS = 1000, 20_000
BASELINE, LIVE = "baseline", "predictions"
_LASTS = 120.0
"""Seconds for which a failure is reported as a fault: twice the time until it is retried."""


def prepare(store: Store, lessons: Sequence[LearningTask], now: float, runner: Runner = HERE) -> list[Stream]:
    """Learn the importance of each stream for which it is due. Returns the learned streams.

    `runner` reads and measures; the result is written here.
    """
    due: dict[str, LearningTask] = {}
    with store.read() as connection:
        for lesson in lessons:
            with store.faults.isolate(
                "streams", f"{lesson.stream}: importance", lasts=_LASTS, in_transaction=True
            ):
                if _source(connection, lesson, now):
                    due[f"learning the importance of features of {lesson.stream}"] = lesson
    completed: list[Stream] = []
    for name, learned_one in runner.each(partial(learned, store, now), due, now):
        if isinstance(learned_one, LearnedImportance):
            stream = due[name].stream
            with store.write() as connection:
                feature_importance.put(connection, stream, learned_one, now)
            completed.append(stream)
    return completed


def learned(store: Store, now: float, lesson: LearningTask) -> Iterator[LearnedImportance]:
    """The importance from a stream's rows. Writes nothing."""
    with store.read() as connection:
        source = _source(connection, lesson, now)
        baseline = load(connection, lesson.stream, with_sample=source == BASELINE)
        if baseline is None or not source:
            return
        rows = baseline.sample if source == BASELINE else _newest(connection, lesson)
    if rows is None:
        return
    shares, reason = importance(rows, baseline.layout)
    yield LearnedImportance(now, baseline.layout.id, source, rows.num_rows, shares, reason)


def _source(connection: Connection, lesson: LearningTask, now: float) -> str:
    """What to learn from now; empty if nothing is due.

    The baseline at once, if it has answers; live rows after a day, or without such a baseline as soon as there are
    enough; and again each week.
    """
    baseline = load(connection, lesson.stream)
    if baseline is None or not baseline.layout.features or ANSWER not in baseline.layout.by_name:
        return ""
    known = feature_importance.get(connection, lesson.stream, baseline.layout.id)
    if known is None and _has_answers(baseline):
        return BASELINE
    wait = 0.0 if known is None else DAY if known.source == BASELINE else WEEK
    if known is not None and now - known.learned_at < wait:
        return ""
    rows = sum(
        rows for _, _, rows in predictions.sizes(connection, lesson.stream, lesson.until - DAY, lesson.until)
    )
    return LIVE if rows >= LEAST_ROWS else ""


def _has_answers(baseline: Baseline) -> bool:
    return baseline.profile.overall.column(ANSWER).n >= LEAST_ROWS / 10


def _newest(connection: Connection, lesson: LearningTask) -> pa.RecordBatch | None:
    """The newest rows of the last day, at most 20,000."""
    sizes = predictions.sizes(connection, lesson.stream, lesson.until - DAY, lesson.until)
    chosen: list[int] = []
    total = 0
    for number, _, rows in reversed(sizes):
        if total >= MOST_ROWS:
            break
        chosen.append(number)
        total += rows
    parts = [rows for _, rows in decoded(connection, predictions.some(connection, lesson.stream, chosen))]
    return concatenate(parts).slice(0, MOST_ROWS) if parts else None
