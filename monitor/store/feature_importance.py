"""How much the answers of a model depend on each feature, as learned from its rows: one row per stream."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, Column, Connection, Float, Integer, String, Table, Text, bindparam, select

from monitor.records import Stream
from monitor.store import streams
from monitor.store.db import faults_of, metadata
from monitor.store.prepared_statements import Prepared
from monitor.store.rows import number, whole_number, words
from monitor.store.statements import replace

IMPORTANCE = Table(
    "feature_importance",
    metadata,
    Column("stream", BigInteger, primary_key=True, autoincrement=False),
    Column("learned_at", Float, nullable=False),
    Column("layout", String(16), nullable=False),
    Column("source", String(32), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("shares", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
_GET = Prepared(
    select(IMPORTANCE).where(
        IMPORTANCE.c.stream == bindparam("number"), IMPORTANCE.c.layout == bindparam("of")
    )
)


@dataclass(frozen=True, slots=True)
class LearnedImportance:
    """`shares` are the shares of the answers' entropy that each feature alone removes (0 to 1), the largest first, from
    `rows` rows of `source`. Without any, `reason` says why.
    """

    learned_at: float
    layout: str
    source: str
    rows: int
    shares: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


def put(connection: Connection, stream: Stream, learned: LearnedImportance, now: float) -> None:
    """Store what was learned; it replaces what was learned before."""
    row = {
        "stream": streams.key(connection, stream, now),
        "learned_at": learned.learned_at,
        "layout": learned.layout,
        "source": learned.source,
        "rows": learned.rows,
        "shares": json.dumps(dict(learned.shares)),
        "reason": learned.reason,
    }
    replace(connection, IMPORTANCE, [row], ("stream",))


def read_ahead(connection: Connection, layouts: Mapping[Stream, str]) -> None:
    """Read what `get` gives of each of these streams with its layout."""
    numbers = {streams.find(connection, stream): layout for stream, layout in layouts.items()}
    values = [{"number": number, "of": layout} for number, layout in numbers.items() if number is not None]
    _GET.read_ahead(connection, values)


def get(connection: Connection, stream: Stream, layout: str) -> LearnedImportance | None:
    """What was learned with this layout; None if nothing was."""
    rows = _GET.rows(connection, {"number": streams.find(connection, stream), "of": layout})
    if not rows:
        return None
    row = rows[0]
    with faults_of(connection).isolate("feature_importance", str(stream)):
        return LearnedImportance(
            number(row.learned_at), words(row.layout), words(row.source), whole_number(row.rows),
            _shares(row.shares), words(row.reason),
        )  # fmt: skip
    return None


def _shares(text: object) -> dict[str, float]:
    """The shares of a stored row, the largest first.

    Raises:
        ValueError: they are no JSON object of numbers.
    """
    read = json.loads(words(text))
    if not isinstance(read, dict):
        raise ValueError("the shares of features are not an object")
    shares = {str(name): number(share) for name, share in read.items()}
    return dict(sorted(shares.items(), key=lambda one: (-one[1], one[0])))
