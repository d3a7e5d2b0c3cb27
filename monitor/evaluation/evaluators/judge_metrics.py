"""Measures how well judges agree with people: scores and outcomes of the same predictions, by their ids."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from monitor.config.units import DAY, MINUTE, WEEK
from monitor.metrics.calls.judges import JUDGE_AGREEMENT, Agreement, agreement, is_good, verdict_of
from monitor.predictions.log.columns import names
from monitor.predictions.outcomes import join
from monitor.records import Measurement, Stream, Window, labels
from monitor.store import outcomes, predictions, scores
from monitor.store.db import Store

EVERY = 10.0 * MINUTE
PERIOD = 30 * DAY
_MOST_SCORES, _MOST_BATCHES = 20_000, 2_000
_HUMAN = ("outcome.corrected", "outcome.truth", "outcome.feedback")
_Judge = tuple[str, str]
"""The name of a score, and the evaluator with its version."""


class JudgeMetrics:
    """Reads scores and outcomes, every `EVERY` seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._measured: dict[Stream, list[Measurement]] = {}
        self._measured_at = float("-inf")

    def measure(self, now: float) -> Mapping[Stream, Sequence[Measurement]]:
        """The agreement of each judge at `now`, by stream."""
        if not 0 <= now - self._measured_at < EVERY:
            with self._store.read() as connection:
                streams = sorted({one.stream for one in scores.sums(connection, now - PERIOD, now + 1)})
                self._measured = {stream: list(_judges(connection, stream, now)) for stream in streams}
            self._measured_at = now
        return self._measured


def _judges(connection: Connection, stream: Stream, now: float) -> Iterator[Measurement]:
    given: dict[_Judge, dict[str, float]] = defaultdict(dict)
    for one in scores.newest(connection, stream, now - PERIOD, _MOST_SCORES):
        if (verdict := verdict_of(one.value, one.label)) is not None:
            given[one.name, one.evaluator][one.prediction] = verdict
    if not given:
        return
    recent, before = _human(connection, stream, now)
    for judge, verdicts in sorted(given.items()):
        agreed, usual = agreement(verdicts, recent), agreement(verdicts, before)
        if agreed is not None:
            yield _measurement(stream, now, judge, agreed, usual)


def _measurement(
    stream: Stream, now: float, judge: _Judge, agreed: Agreement, usual: Agreement | None
) -> Measurement:
    info, (low, high) = JUDGE_AGREEMENT, agreed.interval
    where = labels(score=judge[0], evaluator=judge[1])
    window = Window(int(now - WEEK), int(now) + 1)
    baseline = None if usual is None else usual.value
    return Measurement(
        stream,
        window,
        info.name,
        agreed.value,
        info.unit,
        info.better,
        agreed.n,
        where,
        low,
        high,
        None,
        baseline,
    )


def _human(connection: Connection, stream: Stream, now: float) -> tuple[dict[str, bool], dict[str, bool]]:
    """What people say, by id of the prediction: of the last week, and of the weeks before."""
    rows: list[tuple[float, dict[str, Any]]] = []
    sizes = predictions.sizes(connection, stream, now - PERIOD, now + 1)
    known = outcomes.known(connection, [number for number, _, _ in sizes[-_MOST_BATCHES:]])
    for stored in predictions.some(connection, stream, sorted(known)):
        joined = join.with_outcomes_of(connection, stored)
        if joined is not None and "id" in joined.schema.names:
            rows += [(stored.window.start, row) for row in _said(joined)]
    most = max((abs(row["feedback"]) for _, row in rows if row["feedback"] is not None), default=0.0)
    recent: dict[str, bool] = {}
    before: dict[str, bool] = {}
    for start, row in rows:
        verdict = is_good(row["corrected"], row["right"], row["feedback"], most)
        if verdict is not None:
            (recent if start >= now - WEEK else before)[row["id"]] = verdict
    return recent, before


def _said(joined: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a batch with an id that people have reviewed."""
    present = set(joined.schema.names)
    if not present.intersection(_HUMAN):
        return
    columns = {
        name: joined.column(name).to_pylist() if name in present else [None] * joined.num_rows
        for name in ("id", "outcome.corrected", "outcome.feedback")
    }
    right: list[bool | None] = [None] * joined.num_rows
    if {"prediction", "outcome.truth"} <= present:
        answers, truths = (names(joined.column(name)).to_pylist() for name in ("prediction", "outcome.truth"))
        right = [
            None if truth is None or answer is None else truth == answer
            for answer, truth in zip(answers, truths, strict=True)
        ]
    for place, identifier in enumerate(columns["id"]):
        if identifier is not None:
            corrected, feedback = columns["outcome.corrected"][place], columns["outcome.feedback"][place]
            yield {"id": identifier, "corrected": corrected, "right": right[place], "feedback": feedback}
