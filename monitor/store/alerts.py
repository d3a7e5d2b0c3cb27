"""Alerts and their transitions. An alert is one row: its key and state as columns, the whole as a blob of JSON."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    Text,
    delete,
    func,
    select,
)

from monitor.records import Alert, Severity, State, Stream, Transition
from monitor.store.checksums import seal, unseal
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, whole_number, words, write_each
from monitor.store.statements import insert_or_skip, is_of_stream, upsert
from monitor.text_limits import ENVIRONMENT, NAME

alerts = Table(
    "alerts",
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("rule", String(128), nullable=False),
    Column("client", String(NAME), nullable=False),
    Column("model", String(NAME), nullable=False),
    Column("environment", String(ENVIRONMENT), nullable=False),
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
    Column("client", String(NAME), nullable=False),
    Column("model", String(NAME), nullable=False),
    Column("environment", String(ENVIRONMENT), nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_transitions_at", "at"),
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Alert)
_STORED = (alerts.c.fingerprint, alerts.c.alert)
_MOST_ASKED = 500
_OPEN = (State.FIRING.value, State.RECOVERING.value)
_ACTIVE = (State.PENDING.value, *_OPEN)


def put(connection: Connection, changed: Iterable[Alert]) -> None:
    """Insert or replace alerts."""
    rows = []
    for alert in changed:
        with faults_of(connection).isolate("alerts", alert.fingerprint):
            rows.append(_row(alert))
    writing = upsert(connection.dialect.name, alerts, ["fingerprint"], ("severity", "state", "alert"))
    write_each(connection, writing, rows, "alerts", lambda row: str(row["fingerprint"]))


def load(connection: Connection, is_wanted: Callable[[Stream], bool] | None = None) -> dict[str, Alert]:
    """Every stored alert, by fingerprint; of the streams that are wanted, if that is given: others are not decoded."""
    query = select(*_STORED, alerts.c.client, alerts.c.model, alerts.c.environment)
    return {alert.fingerprint: alert for alert in _decoded(connection, query, is_wanted)}


def of_stream(connection: Connection, stream: Stream) -> list[Alert]:
    """Every stored alert of one stream."""
    c = alerts.c
    mine = is_of_stream(c, stream)
    return _decoded(connection, select(*_STORED).where(*mine))


def of_client(connection: Connection, client: str, environment: str) -> dict[str, Alert]:
    """Every alert of a client's models in one environment, by fingerprint."""
    query = select(*_STORED).where(alerts.c.client == client, alerts.c.environment == environment)
    return {alert.fingerprint: alert for alert in _decoded(connection, query)}


def load_open(connection: Connection, client: str = "") -> list[Alert]:
    """Firing alerts, then recovering ones, of one client or of all; in each group the most severe and newest first."""
    query = select(*_STORED).where(alerts.c.state.in_(_OPEN))
    if client:
        query = query.where(alerts.c.client == client)
    rank = {severity: index for index, severity in enumerate(Severity)}

    def urgency(alert: Alert) -> tuple[bool, int, float, str]:
        is_recovering = alert.state is State.RECOVERING
        return is_recovering, rank[alert.severity], -(alert.fired_at or 0.0), alert.fingerprint

    return sorted(_decoded(connection, query), key=urgency)


def active_streams(connection: Connection) -> dict[Severity, set[Stream]]:
    """The streams with a pending or open alert, by its severity."""
    c = alerts.c
    query = select(c.severity, c.client, c.model, c.environment).where(c.state.in_(_ACTIVE)).distinct()
    active: dict[Severity, set[Stream]] = {}
    for severity, *names in connection.execute(query):
        with faults_of(connection).isolate("alerts", f"active ones of {'/'.join(map(str, names))}"):
            active.setdefault(Severity(severity), set()).add(Stream(*map(words, names)))
    return active


def get(connection: Connection, fingerprint: str) -> Alert | None:
    """One alert; None if it is not stored or is damaged."""
    matching = _decoded(connection, select(*_STORED).where(alerts.c.fingerprint == fingerprint))
    return matching[0] if matching else None


def with_fingerprints(connection: Connection, fingerprints: Iterable[str]) -> dict[str, Alert]:
    """These alerts, by fingerprint; those that are stored and can be read."""
    asked, by_fingerprint = sorted(fingerprints), dict[str, Alert]()
    for at in range(0, len(asked), _MOST_ASKED):
        query = select(*_STORED).where(alerts.c.fingerprint.in_(asked[at : at + _MOST_ASKED]))
        by_fingerprint |= {alert.fingerprint: alert for alert in _decoded(connection, query)}
    return by_fingerprint


def last_episodes(connection: Connection, fingerprints: Iterable[str]) -> dict[str, int]:
    """The newest stored episode of each of these alerts, by fingerprint."""
    c = transitions.c
    query = select(c.fingerprint, func.max(c.episode)).group_by(c.fingerprint)
    episodes: dict[str, int] = {}
    wanted = sorted(fingerprints)
    for at in range(0, len(wanted), _MOST_ASKED):
        some = query.where(c.fingerprint.in_(wanted[at : at + _MOST_ASKED]))
        episodes |= {row[0]: row[1] for row in connection.execute(some) if isinstance(row[1], int)}
    return episodes


def add_transitions(connection: Connection, new: Iterable[Transition]) -> None:
    """Append transitions; those that are stored already are skipped."""
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
    writing = insert_or_skip(connection.dialect.name, transitions)
    write_each(connection, writing, rows, "transitions", lambda row: str(row["fingerprint"]))


def load_transitions(
    connection: Connection, start: float, end: float, client: str = "", fingerprint: str = ""
) -> list[Transition]:
    """Transitions with `start <= at < end`, in order."""
    query = select(transitions).where(transitions.c.at >= start, transitions.c.at < end)
    if client:
        query = query.where(transitions.c.client == client)
    if fingerprint:
        query = query.where(transitions.c.fingerprint == fingerprint)
    faults, readable = faults_of(connection), []
    for row in connection.execute(query.order_by(transitions.c.at, transitions.c.fingerprint)):
        with faults.isolate("transitions", f"{row.fingerprint} at {row.at}"):
            readable.append(_transition(row))
    return readable


def delete_before(connection: Connection, moment: float) -> int:
    """Delete transitions older than `moment`; the number of rows."""
    return connection.execute(delete(transitions).where(transitions.c.at < moment)).rowcount


def _transition(row: Row[Any]) -> Transition:
    stream = Stream(row.client, row.model, row.environment)
    values = (moment(row.at), State(row.before), State(row.to), whole_number(row.episode), str(row.reason))
    return Transition(row.fingerprint, *values, row.rule, Severity(row.severity), stream)


def _row(alert: Alert) -> dict[str, object]:
    return {
        "fingerprint": alert.fingerprint,
        "rule": alert.rule,
        "client": alert.stream.client,
        "model": alert.stream.model,
        "environment": alert.stream.environment,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "alert": seal(_encoder.encode(alert)),
    }


def _decoded(
    connection: Connection, query: Select[Any], is_wanted: Callable[[Stream], bool] | None = None
) -> list[Alert]:
    """The alerts that can be read. A damaged one is reported as a fault, and starts again at its next evaluation."""
    faults, decoded = faults_of(connection), []
    for fingerprint, blob, *names in connection.execute(query):
        with faults.isolate("alerts", str(fingerprint)):
            if is_wanted is not None and not is_wanted(Stream(*map(words, names))):
                continue
            alert = _decoder.decode(unseal(blob))
            if alert.fingerprint != fingerprint:
                msg = f"it contains another alert: {alert.fingerprint}"
                raise ValueError(msg)
            moment(alert.fired_at or 0.0)
            whole_number(alert.episode)
            decoded.append(alert)
    return decoded


def last_transition(connection: Connection, client: str) -> float | None:
    """When an alert of a client last changed its state, in seconds since the epoch; None if none ever did."""
    at: float | None = connection.scalar(
        select(func.max(transitions.c.at)).where(transitions.c.client == client)
    )
    return at


def count_transitions(connection: Connection) -> dict[tuple[Stream, str, str], float]:
    """The number of stored transitions, by stream, rule and new state."""
    table = transitions.c
    key = (table.client, table.model, table.environment, table.rule, table.to)
    rows = connection.execute(select(*key, func.count()).group_by(*key))
    return {(Stream(row[0], row[1], row[2]), row[3], row[4]): float(row[5]) for row in rows}
