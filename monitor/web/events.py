"""Server-sent events: `change` whenever something of a client changed, so that an open page can fetch itself again."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request, get
from litestar.exceptions import TooManyRequestsException
from litestar.params import FromPath
from litestar.response import ServerSentEvent, ServerSentEventMessage
from sqlalchemy import Connection, func, select

from monitor.store import alerts, days
from monitor.store.db import Store
from monitor.web import services as surroundings
from monitor.web import session

LOOK_EVERY = 1.0
PING_EVERY = 15.0
MOST_LISTENERS = 200


class Listeners:
    """How many pages listen, and the state of each client as last looked up: one look serves all of its pages."""

    def __init__(self) -> None:
        self.open = 0
        self._states: dict[str, tuple[float, str]] = {}

    def state(self, store: Store, client: str, moment: float) -> str:
        """A text that is another one when something changed; looked up at most once a second for each client."""
        at, known = self._states.get(client, (float("-inf"), ""))
        if moment - at >= LOOK_EVERY:
            with store.read() as connection:
                known = _state(connection, client)
            self._states[client] = (moment, known)
        return known


def _state(connection: Connection, client: str) -> str:
    moved = select(func.max(alerts.transitions.c.at)).where(alerts.transitions.c.client == client)
    rolled = select(func.max(days.days.c.updated_at)).where(days.days.c.client == client)
    return f"{connection.scalar(moved)} {connection.scalar(rolled)}"


@get("/c/{key:str}/events", sync_to_thread=True, include_in_schema=False)
def events(request: Request[Any, Any, Any], key: FromPath[str]) -> ServerSentEvent:
    """The events of a client."""
    session.reader(request, key)
    listeners = request.app.state["listeners"]
    if listeners.open >= MOST_LISTENERS:
        raise TooManyRequestsException("too many pages are open")
    store = surroundings.of(request).store
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return ServerSentEvent(_changes(listeners, store, key), headers=headers)


async def _changes(listeners: Listeners, store: Store, client: str) -> AsyncGenerator[Any, None]:
    listeners.open += 1
    loop = asyncio.get_running_loop()
    try:
        known = await asyncio.to_thread(listeners.state, store, client, loop.time())
        yield ServerSentEventMessage(event="hello", data="", retry=5000)
        spoken = loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if loop.time() - spoken >= PING_EVERY:
                # A word now and then tells both ends that the line still stands.
                spoken = loop.time()
                yield ServerSentEventMessage(comment="here")
            found = await asyncio.to_thread(listeners.state, store, client, loop.time())
            if found != known:
                known = found
                yield ServerSentEventMessage(event="change", data=str(loop.time()))
    finally:
        listeners.open -= 1


HANDLERS = (events,)
