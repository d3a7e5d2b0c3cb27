"""Rows that violate an expectation, for engineers. Each look is in the audit log before it is shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from litestar import Request, Response, get
from litestar.params import FromPath
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import HOUR
from monitor.expectations.expectation import OF_WINDOWS, Check, Expectation
from monitor.expectations.violations import find, repeated
from monitor.expressions.condition import compile_condition
from monitor.predictions.log.batch import decode
from monitor.predictions.log.columns import name_of
from monitor.predictions.texts import lazy_signals
from monitor.predictions.texts.policy import TextPolicy
from monitor.records import Stream
from monitor.store import predictions
from monitor.store.db import faults_of
from monitor.visible import beginning, counted, one_line
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.overview.page import address
from monitor.windows.declared import current_definitions
from monitor.windows.kernel.count_rows import with_features
from monitor.windows.kernel.probabilities import under_known_names
from monitor.windows.rolling import current_layout

MOST_SHOWN, MOST_ROWS = 20, 100_000
MOST_CHARACTERS = 200
"""Of a value."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row: its id, time and version, and its values by column, as they may be shown."""

    id: str
    at: float
    version: str
    values: tuple[tuple[str, str], ...]


@get(
    "/staff/m/{client:str}/{model:str}/{environment:str}/violations",
    sync_to_thread=True,
    include_in_schema=False,
)
def violations_page(
    request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str], environment: FromPath[str]
) -> Response[str]:
    """The newest rows of the last hour that violate an expectation."""
    visitor = session.staff_of(request, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    now = services.clock.now()
    with services.store.read() as connection:
        known = current_definitions.of_stream(connection, stream).expectations_at(now)
    some = {one.id: one for one in known if one.check not in OF_WINDOWS}
    asked = some.get(request.query_params.get("expectation", ""))
    policy = services.texts.get(client, TextPolicy.REDACT)
    examples: list[Example] = []
    if asked is not None:
        what = f"rows of {stream}: {asked.about}: {asked.words}"[:512]
        with services.store.write() as connection:  # not shown if it cannot be recorded
            session.note(request, connection, visitor, client, what, "read rows")
        with services.store.read() as connection:
            examples = newest(connection, stream, asked, policy, now)
    return rendering.page(
        "staff_violations.html",
        visitor=visitor,
        stream=stream,
        home=address(stream),
        asked=asked,
        some=list(some.values()),
        policy=policy.value,
        examples=examples,
        most=MOST_SHOWN,
        most_rows=MOST_ROWS,
        iso=iso,
        shown=one_line,
    )


def newest(
    connection: Connection, stream: Stream, expectation: Expectation, policy: TextPolicy, now: float
) -> list[Example]:
    """The newest rows of the last hour that violate it, among the newest `MOST_ROWS`."""
    layout, seen, read = current_layout(connection, stream), set[str](), 0
    shown: list[Example] = []
    numbers = predictions.numbers(connection, stream, now - HOUR, now + 1)
    for number in reversed(numbers):
        with faults_of(connection).isolate("predictions", f"{stream} {number}"):
            for stored in predictions.some(connection, stream, [number]):
                rows = under_known_names(decode(stored.blob), layout)
                read += rows.num_rows
                if expectation.column.startswith("features.") or not expectation.column:
                    rows = with_features(rows)[0]
                shown += _examples(rows, expectation, policy, seen)
        if len(shown) >= MOST_SHOWN or read >= MOST_ROWS:
            break
    return sorted(shown, key=lambda one: -one.at)[:MOST_SHOWN]


def _examples(
    rows: pa.RecordBatch, expectation: Expectation, policy: TextPolicy, seen: set[str]
) -> Iterator[Example]:
    if expectation.check is Check.UNIQUE:
        places = repeated(rows, expectation.columns, seen)
    else:
        places = np.flatnonzero(find(expectation, rows).violating).tolist()
    if not places:
        return
    is_condition = expectation.check is Check.CONDITION
    read = (
        sorted(compile_condition(expectation.arguments["expression"]).columns)
        if is_condition
        else expectation.columns
    )
    kept = ["id", "timestamp", "version", *(name for name in read if name != "id")]
    part = rows.select([name for name in kept if name in rows.schema.names])
    for row in part.take(pa.array(places[-MOST_SHOWN:])).to_pylist():
        values = tuple((name.removeprefix("features."), _shown(row.get(name), policy)) for name in read)
        identity = _shown(row.get("id") or "", policy) if row.get("id") else ""
        yield Example(identity, row["timestamp"] / 1e6, str(row.get("version") or ""), values)


def _shown(value: Any, policy: TextPolicy) -> str:
    """A value as the client's policy for texts lets it be shown: numbers too, which may be those of cards."""
    if value is None:
        return "missing"
    if isinstance(value, list):
        return f"a list of {counted(len(value), 'number')}"
    text = str(name_of(value))
    if policy is TextPolicy.DROP and isinstance(value, str):
        return f"a text of {len(text):,} characters"
    if policy is not TextPolicy.KEEP:
        text = lazy_signals.registry().redact(pa.array([text], pa.string()))[0].as_py()
    return beginning(text, MOST_CHARACTERS)


HANDLERS = (violations_page,)
