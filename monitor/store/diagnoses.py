"""The diagnosis of each episode of an alert: the alert's own row has that of the newest only."""

from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import Column, Connection, Float, Integer, LargeBinary, String, Table, delete, select

from monitor.records import Alert, Diagnosis
from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, whole_number, words, write_each
from monitor.store.statements import upsert

DIAGNOSES = Table(
    "diagnoses",
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("episode", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False, index=True),
    Column("diagnosis", LargeBinary, nullable=False),
)
_MOST_ASKED = 500
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Diagnosis)


def put(connection: Connection, alerts: Iterable[Alert]) -> None:
    """Insert or replace the diagnoses of these alerts' present episodes; alerts without one are skipped."""
    rows = [
        {
            "fingerprint": alert.fingerprint,
            "episode": alert.episode,
            "at": alert.diagnosis.at,
            "diagnosis": _encoder.encode(alert.diagnosis),
        }
        for alert in alerts
        if alert.diagnosis is not None
    ]
    writing = upsert(connection.dialect.name, DIAGNOSES, ("fingerprint", "episode"))
    write_each(connection, writing, rows, "diagnoses", lambda row: f"{row['fingerprint']} {row['episode']}")


def of_alerts(connection: Connection, fingerprints: Collection[str]) -> dict[tuple[str, int], Diagnosis]:
    """The diagnoses of these alerts, by fingerprint and episode."""
    diagnoses: dict[tuple[str, int], Diagnosis] = {}
    asked, faults = sorted(fingerprints), faults_of(connection)
    for at in range(0, len(asked), _MOST_ASKED):
        query = select(DIAGNOSES).where(DIAGNOSES.c.fingerprint.in_(asked[at : at + _MOST_ASKED]))
        for row in connection.execute(query):
            with faults.isolate("diagnoses", f"{row.fingerprint} {row.episode}"):
                known = _decoder.decode(row.diagnosis)
                moment(known.at), moment(known.since)
                diagnoses[words(row.fingerprint), whole_number(row.episode)] = known
    return diagnoses


def delete_before(connection: Connection, before: float) -> int:
    """Delete diagnoses that were made before; how many there were."""
    return connection.execute(delete(DIAGNOSES).where(DIAGNOSES.c.at < before)).rowcount
