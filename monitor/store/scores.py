"""Scores that evaluators gave to predictions. Natural key: stream, score, evaluator with its version, prediction."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, Index, String, Table, delete, func, select

from monitor.records import Stream
from monitor.store.db import metadata
from monitor.store.rows import number, whole_number, words
from monitor.store.statements import insert_or_skip, is_of_stream
from monitor.text_limits import ENVIRONMENT, NAME

EVALUATOR, PREDICTION = 256, 256
"""Longest names, in characters."""
SCORES = Table(
    "scores",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("environment", String(ENVIRONMENT), primary_key=True),
    Column("score", String(NAME), primary_key=True),
    Column("evaluator", String(EVALUATOR), primary_key=True),
    Column("prediction", String(PREDICTION), primary_key=True),
    Column("received_at", Float, nullable=False),
    Column("value", Float),
    Column("label", String(NAME)),
    Index("ix_scores_received", "received_at"),
)


@dataclass(frozen=True, slots=True)
class Score:
    """What an evaluator says of one prediction: a number, a label, or both. `evaluator` includes its version."""

    stream: Stream
    name: str
    evaluator: str
    prediction: str
    value: float | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ScoreSums:
    """The numbers that one evaluator gave under one name: how many, their sum, and the sum of their squares."""

    stream: Stream
    name: str
    evaluator: str
    n: int
    total: float
    squares: float


def put(connection: Connection, scores: Iterable[Score], now: float) -> None:
    """Store scores. The first of a prediction, name and evaluator counts: one that is sent again changes nothing."""
    rows = [
        {
            "client": score.stream.client,
            "model": score.stream.model,
            "environment": score.stream.environment,
            "score": score.name,
            "evaluator": score.evaluator,
            "prediction": score.prediction,
            "received_at": now,
            "value": score.value,
            "label": score.label,
        }
        for score in scores
    ]
    if rows:
        connection.execute(insert_or_skip(connection.dialect.name, SCORES), rows)


def sums(connection: Connection, start: float, end: float) -> list[ScoreSums]:
    """The sums of the numbers received in `[start, end)`. A damaged row is left out."""
    columns = SCORES.c
    keys = (columns.client, columns.model, columns.environment, columns.score, columns.evaluator)
    value = columns.value
    query = (
        select(*keys)
        .add_columns(func.count().label("n"), func.sum(value).label("total"))
        .add_columns(func.sum(value * value).label("squares"))
        .where(columns.received_at >= start, columns.received_at < end)
        .where(value.between(-1e150, 1e150))  # a square has to be a number
        .group_by(*keys)
    )
    totals = []
    for row in connection.execute(query):
        try:
            stream = Stream(words(row.client), words(row.model), words(row.environment))
            moments = number(row.total), number(row.squares)
            totals.append(
                ScoreSums(stream, words(row.score), words(row.evaluator), whole_number(row.n), *moments)
            )
        except (ValueError, TypeError):
            continue
    return totals


def newest(connection: Connection, stream: Stream, start: float, limit: int) -> list[Score]:
    """The scores of a stream that were received from `start` on, newest first. A damaged row is left out."""
    columns = SCORES.c
    query = select(SCORES).where(*is_of_stream(columns, stream), columns.received_at >= start)
    read = []
    for row in connection.execute(query.order_by(columns.received_at.desc()).limit(limit)):
        try:
            value = None if row.value is None else number(row.value)
            label = None if row.label is None else words(row.label)
            who = words(row.score), words(row.evaluator), words(row.prediction)
            read.append(Score(stream, *who, value, label))
        except (ValueError, TypeError):
            continue
    return read


def delete_before(connection: Connection, before: float, limit: int = 10_000) -> int:
    """Delete scores that were received before `before`; 0 if there are none.

    About `limit` of them: those that arrived at the same moment go together.
    """
    columns = SCORES.c
    oldest = select(columns.received_at).where(columns.received_at < before).order_by(columns.received_at)
    edge = connection.execute(oldest.limit(1).offset(limit)).scalar_one_or_none()
    is_old = columns.received_at < before if edge is None else columns.received_at <= edge
    return connection.execute(delete(SCORES).where(is_old)).rowcount
