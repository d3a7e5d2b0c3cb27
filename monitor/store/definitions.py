"""What the configuration declares of a model to be counted, with the time from which on. Natural key: client, model,
kind, name, since.

A changed definition is a new row, so that windows that ended before keep the definition they were counted with. An
empty text ends a definition.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, String, Table, Text, bindparam, select

from monitor.records import Stream
from monitor.store.db import faults_of, metadata
from monitor.store.prepared_statements import Prepared
from monitor.store.rows import whole_number, words
from monitor.store.statements import replace
from monitor.text_limits import NAME

DEFINITIONS = Table(
    "definitions",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("model", String(NAME), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
)
_KEY = ("client", "model", "kind", "name", "since")
_OF_MODEL = Prepared(
    select(DEFINITIONS)
    .where(DEFINITIONS.c.client == bindparam("of_client"), DEFINITIONS.c.model == bindparam("of_model"))
    .order_by(DEFINITIONS.c.kind, DEFINITIONS.c.name, DEFINITIONS.c.since)
)


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition of a model. It counts rows of windows that start at or after `since` (seconds since the epoch),
    until a newer one of its kind and name does.
    """

    client: str
    model: str
    kind: str
    name: str
    since: int
    text: str


def put(connection: Connection, some: Sequence[Definition]) -> None:
    """Insert or replace definitions."""
    replace(
        connection,
        DEFINITIONS,
        [{name: getattr(one, name) for name in (*_KEY, "text")} for one in some],
        _KEY,
    )


def read_ahead(connection: Connection, some: Iterable[Stream]) -> None:
    """Read what `of_model` gives of the models of these streams."""
    models = dict.fromkeys((stream.client, stream.model) for stream in some)
    _OF_MODEL.read_ahead(connection, [{"of_client": client, "of_model": model} for client, model in models])


def of_model(connection: Connection, client: str, model: str) -> list[Definition]:
    """All definitions of a model, the oldest first."""
    definitions = []
    for row in _OF_MODEL.rows(connection, {"of_client": client, "of_model": model}):
        with faults_of(connection).isolate("definitions", f"{client}/{model}"):
            kind, name, since, text = (
                words(row.kind),
                words(row.name),
                whole_number(row.since),
                words(row.text),
            )
            definitions.append(Definition(client, model, kind, name, since, text))
    return definitions


def models(connection: Connection) -> set[tuple[str, str]]:
    """The models that have definitions: client and model of each."""
    columns = DEFINITIONS.c
    return {
        (client, model)
        for client, model in connection.execute(select(columns.client, columns.model).distinct())
    }
