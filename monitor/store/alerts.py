"""Alerts and their transitions. An alert is one row; what it looks like inside is a blob, its key is not."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from monitor.records import Alert, Severity, State, Stream, Transition
from monitor.store.db import metadata

alerts = Table(
    "alerts",
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("rule", String(128), nullable=False),
    Column("client", String(128), nullable=False),
    Column("model", String(128), nullable=False),
    Column("environment", String(32), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("alert", LargeBinary, nullable=False),
)

transitions = Table(
    "transitions",
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("at", Float, primary_key=True),
    Column("to", String(16), primary_key=True),
    Column("before", String(16), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("rule", String(128), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("client", String(128), nullable=False),
    Column("model", String(128), nullable=False),
    Column("environment", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_transitions_at", "at"),
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Alert)
_OPEN = (State.FIRING.value, State.RECOVERING.value)


def put(connection: Connection, changed: Iterable[Alert]) -> None:
    """Store alerts as they are now, over what was there."""
    rows = [_row(alert) for alert in changed]
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(alerts)
    updated = {name: statement.excluded[name] for name in ("severity", "state", "alert")}
    connection.execute(statement.on_conflict_do_update(index_elements=["fingerprint"], set_=updated), rows)


def load(connection: Connection) -> dict[str, Alert]:
    """Every alert that was ever stored, by fingerprint: what the next look goes on from."""
    return {alert.fingerprint: alert for alert in _decoded(connection.execute(select(alerts.c.alert)))}


def of_stream(connection: Connection, stream: Stream) -> list[Alert]:
    """Every alert of one stream that was ever stored."""
    c = alerts.c
    mine = (c.client == stream.client, c.model == stream.model, c.environment == stream.environment)
    return _decoded(connection.execute(select(alerts.c.alert).where(*mine)))


def of_client(connection: Connection, client: str, environment: str) -> dict[str, Alert]:
    """Every alert of a client's models in one environment, by fingerprint."""
    query = select(alerts.c.alert).where(alerts.c.client == client, alerts.c.environment == environment)
    return {alert.fingerprint: alert for alert in _decoded(connection.execute(query))}


def load_open(connection: Connection, client: str = "") -> list[Alert]:
    """Alerts that are firing or recovering, of one client or of all, worst and newest first."""
    query = select(alerts.c.alert).where(alerts.c.state.in_(_OPEN))
    if client:
        query = query.where(alerts.c.client == client)
    rank = {severity: index for index, severity in enumerate(Severity)}
    found = _decoded(connection.execute(query))
    return sorted(
        found, key=lambda alert: (rank[alert.severity], -(alert.fired_at or 0.0), alert.fingerprint)
    )


def get(connection: Connection, fingerprint: str) -> Alert | None:
    """One alert."""
    blob = connection.execute(select(alerts.c.alert).where(alerts.c.fingerprint == fingerprint)).scalar()
    return None if blob is None else _decoder.decode(blob)


def add_transitions(connection: Connection, new: Iterable[Transition]) -> None:
    """Append transitions; one that is there already stays as it is."""
    rows = [
        {
            "fingerprint": t.fingerprint,
            "at": t.at,
            "to": t.to.value,
            "before": t.before.value,
            "episode": t.episode,
            "rule": t.rule,
            "severity": t.severity.value,
            "client": t.stream.client,
            "model": t.stream.model,
            "environment": t.stream.environment,
            "reason": t.reason,
        }
        for t in new
    ]
    if rows:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        connection.execute(dialect.insert(transitions).on_conflict_do_nothing(), rows)


def load_transitions(
    connection: Connection, start: float, end: float, client: str = "", fingerprint: str = ""
) -> list[Transition]:
    """Transitions with `start <= at < end`, in order."""
    query = select(transitions).where(transitions.c.at >= start, transitions.c.at < end)
    if client:
        query = query.where(transitions.c.client == client)
    if fingerprint:
        query = query.where(transitions.c.fingerprint == fingerprint)
    return [
        Transition(
            row.fingerprint,
            row.at,
            State(row.before),
            State(row.to),
            row.episode,
            row.reason,
            row.rule,
            Severity(row.severity),
            Stream(row.client, row.model, row.environment),
        )
        for row in connection.execute(query.order_by(transitions.c.at, transitions.c.fingerprint))
    ]


def delete_before(connection: Connection, moment: float) -> int:
    """Delete transitions older than `moment`; how many there were."""
    return connection.execute(delete(transitions).where(transitions.c.at < moment)).rowcount


def _row(alert: Alert) -> dict[str, object]:
    return {
        "fingerprint": alert.fingerprint,
        "rule": alert.rule,
        "client": alert.stream.client,
        "model": alert.stream.model,
        "environment": alert.stream.environment,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "alert": _encoder.encode(alert),
    }


def _decoded(rows: Iterable[tuple[bytes]]) -> list[Alert]:
    return [_decoder.decode(row[0]) for row in rows]
