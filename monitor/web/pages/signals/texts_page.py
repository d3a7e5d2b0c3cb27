"""Texts of calls for engineers, as the client's policy keeps them. Each look is in the audit log before it is shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.predictions.log.batch import decode
from monitor.predictions.texts import lazy_signals
from monitor.predictions.texts.call import LISTS, SINGLE
from monitor.predictions.texts.measuring import FOUND
from monitor.records import Stream
from monitor.store import texts
from monitor.store.db import faults_of
from monitor.visible import JOINERS, beginning
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.overview.page import address

MOST_SHOWN, MOST_BATCHES = 20, 200
MOST_CHARACTERS = 2000
"""Of each text; a note says that the rest is left out."""
_KEPT = "\r\n\t" + JOINERS
"""Characters that are shown as they are; hidden ones are escaped."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One call: its id, time and version, its texts by name, and the signals that are true of it."""

    id: str
    at: float
    version: str
    parts: tuple[tuple[str, str], ...]
    signals: tuple[str, ...]


@get(
    "/staff/m/{client:str}/{model:str}/{environment:str}/texts",
    sync_to_thread=True,
    include_in_schema=False,
)
def texts_page(
    request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str], environment: FromPath[str]
) -> Response[str]:
    """The newest texts of a stream, or those for which a signal is true."""
    visitor = session.staff_of(request, client)
    services, stream = web_services.of(request), Stream(client, model, environment)
    signal = request.query_params.get("signal", "")
    flags = [one.name for one in lazy_signals.registry().SIGNALS if one.is_flag]
    signal = signal if signal in flags else ""
    now = services.clock.now()
    with services.store.write() as connection:  # not shown if it cannot be recorded
        what = f"texts of {stream}: {signal or 'all'}"[:512]
        session.note(request, connection, visitor, client, what, "read texts")
    with services.store.read() as connection:
        shown = newest(connection, stream, signal, now)
    return rendering.page(
        "staff_texts.html",
        visitor=visitor,
        stream=stream,
        home=address(stream),
        signal=signal,
        signals=flags,
        calls=shown,
        most=MOST_SHOWN,
        iso=iso,
    )


def newest(connection: Connection, stream: Stream, signal: str, now: float) -> list[Shown]:
    """The newest calls of a stream that have texts; with `signal`, those of which it is true."""
    shown: list[Shown] = []
    for stored in texts.newest(connection, stream, 0.0, now + 3600.0, MOST_BATCHES):
        with faults_of(connection).isolate("texts", f"{stream} {stored.digest.hex()}"):
            rows = decode(stored.content).to_pylist()
            shown += [_shown(row) for row in reversed(rows) if not signal or signal in (row[FOUND] or ())]
        if len(shown) >= MOST_SHOWN:
            break
    return sorted(shown, key=lambda one: -one.at)[:MOST_SHOWN]


def _shown(row: dict[str, Any]) -> Shown:
    return Shown(
        row.get("id") or "",
        row["timestamp"] / 1e6,
        row.get("version") or "",
        tuple(_parts(row)),
        tuple(row[FOUND] or ()),
    )


def _parts(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in (*SINGLE, *LISTS):
        value: str | Sequence[str | None] | None = row.get(f"texts.{name}")
        listed = [value] if isinstance(value, str) else [one for one in value or () if one]
        for number, text in enumerate(listed, 1):
            where = f"{name} {number}" if len(listed) > 1 else name
            yield where.replace("_", " "), beginning(text, MOST_CHARACTERS, keep=_KEPT)


HANDLERS = (texts_page,)
